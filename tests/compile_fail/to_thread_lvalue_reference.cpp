// expect: std::ref(x) for a reference
#include <rondo/rondo.hpp>

#include <functional>

void increment(int& n) { ++n; }

rondo::task<> parent() {
    int n = 1;
#ifdef RONDO_TEST_VALID
    co_await rondo::to_thread(increment, std::ref(n));
#else
    co_await rondo::to_thread(increment, n);
#endif
}
