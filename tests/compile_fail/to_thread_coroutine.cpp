// expect: a task runs on the loop: co_await it
#include <rondo/rondo.hpp>

int square(int n) { return n * n; }

rondo::task<int> parent() {
    int n = 2;
#ifdef RONDO_TEST_VALID
    co_return co_await rondo::to_thread([n] { return square(n); });
#else
    co_return co_await rondo::to_thread([n]() -> rondo::task<int> { co_return square(n); });
#endif
}
