// expect: this is not the result yet: co_await it
#include <rondo/rondo.hpp>

rondo::task<> parent(rondo::mutex& m) {
#ifdef RONDO_TEST_VALID
    rondo::mutex::guard guard = co_await m.scoped_lock();
#else
    rondo::mutex::guard guard = m.scoped_lock();
    co_return;
#endif
}
