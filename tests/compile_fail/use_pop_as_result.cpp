// expect: this is not the result yet: co_await it
#include <rondo/rondo.hpp>

rondo::task<> parent(rondo::bounded_queue<int>& queue) {
#ifdef RONDO_TEST_VALID
    while (auto v = co_await queue.pop()) {
    }
#else
    while (auto v = queue.pop()) {
    }
    co_return;
#endif
}
