// expect: rondo: this is not awaited: co_await it.wait()
#include <rondo/rondo.hpp>

rondo::task<> parent(rondo::event& e) {
#ifdef RONDO_TEST_VALID
    co_await e.wait();
#else
    co_await e;
#endif
}
