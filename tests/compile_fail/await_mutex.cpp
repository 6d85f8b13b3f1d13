// expect: rondo: a mutex is not awaited: auto guard = co_await m.scoped_lock()
#include <rondo/rondo.hpp>

rondo::task<> parent(rondo::mutex& m) {
#ifdef RONDO_TEST_VALID
    auto guard = co_await m.scoped_lock();
#else
    auto guard = co_await m;
#endif
    static_cast<void>(guard);
}
