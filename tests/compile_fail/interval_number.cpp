// expect: rondo: a length of time needs a unit
#include <rondo/rondo.hpp>

#include <chrono>

using namespace std::chrono_literals;

rondo::task<> parent() {
#ifdef RONDO_TEST_VALID
    rondo::interval ticks(1s);
    co_await ticks.next();
#else
    rondo::interval ticks(1);
    co_await ticks.next();
#endif
}
