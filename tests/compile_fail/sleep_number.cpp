// expect: rondo: a length of time needs a unit
#include <rondo/rondo.hpp>

#include <chrono>

using namespace std::chrono_literals;

rondo::task<> parent() {
#ifdef RONDO_TEST_VALID
    co_await rondo::sleep(1s);
#else
    co_await rondo::sleep(1);
#endif
}
