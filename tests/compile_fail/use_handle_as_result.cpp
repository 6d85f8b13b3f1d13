// expect: this is not the result yet: co_await it
#include <rondo/rondo.hpp>

rondo::task<> parent(rondo::join_handle<int>& handle) {
#ifdef RONDO_TEST_VALID
    const int n = co_await handle;
    static_cast<void>(n);
#else
    const int n = handle;
    static_cast<void>(n);
    co_return;
#endif
}
