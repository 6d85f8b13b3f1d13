// expect: rondo: a point in time is not awaited: co_await rondo::sleep_until(it)
#include <rondo/rondo.hpp>

rondo::task<> parent(rondo::event_loop& loop) {
#ifdef RONDO_TEST_VALID
    co_await rondo::sleep_until(loop.now());
#else
    co_await loop.now();
#endif
}
