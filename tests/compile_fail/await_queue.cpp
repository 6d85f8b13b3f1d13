// expect: rondo: a queue is not awaited: co_await q.pop()
#include <rondo/rondo.hpp>

rondo::task<> parent(rondo::bounded_queue<int>& queue) {
#ifdef RONDO_TEST_VALID
    co_await queue.pop();
#else
    co_await queue;
#endif
}
