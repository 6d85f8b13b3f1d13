// expect: nodiscard
#include <rondo/rondo.hpp>

rondo::task<> start_behind(rondo::event& ready) {
#ifdef RONDO_TEST_VALID
    co_await ready.wait();
#else
    ready.wait();
#endif
    co_return;
}
