// expect: nodiscard
#include <rondo/rondo.hpp>

rondo::task<> produce(rondo::bounded_queue<int>& queue) {
#ifdef RONDO_TEST_VALID
    co_await queue.push(1);
#else
    queue.push(1);
#endif
    co_return;
}
