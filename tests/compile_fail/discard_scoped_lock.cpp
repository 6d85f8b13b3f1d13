// expect: nodiscard
#include <rondo/rondo.hpp>

rondo::task<> write(rondo::mutex& m) {
#ifdef RONDO_TEST_VALID
    auto guard = co_await m.scoped_lock();
#else
    m.scoped_lock();
#endif
    co_return;
}
