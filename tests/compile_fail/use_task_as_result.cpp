// expect: this is not the result yet: co_await it
#include <rondo/rondo.hpp>

rondo::task<int> answer() { co_return 42; }

rondo::task<> parent() {
#ifdef RONDO_TEST_VALID
    const int n = co_await answer();
    static_cast<void>(n);
#else
    const int n = answer();
    static_cast<void>(n);
    co_return;
#endif
}
