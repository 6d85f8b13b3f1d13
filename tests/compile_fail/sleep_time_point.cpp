// expect: rondo: a length of time is wanted, not a point in time
#include <rondo/rondo.hpp>

rondo::task<> parent(rondo::event_loop& loop) {
#ifdef RONDO_TEST_VALID
    co_await rondo::sleep_until(loop.now());
#else
    co_await rondo::sleep(loop.now());
#endif
}
