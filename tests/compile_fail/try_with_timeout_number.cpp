// expect: rondo: a length of time needs a unit
#include <rondo/rondo.hpp>

#include <chrono>

using namespace std::chrono_literals;

rondo::task<> child() { co_return; }

rondo::task<> parent() {
#ifdef RONDO_TEST_VALID
    co_await rondo::try_with_timeout(1s, child());
#else
    co_await rondo::try_with_timeout(1, child());
#endif
}
