// expect: rondo: with_timeout takes the length of time first: with_timeout(1s, op)
#include <rondo/rondo.hpp>

#include <chrono>

using namespace std::chrono_literals;

rondo::task<> child() { co_return; }

rondo::task<> parent() {
#ifdef RONDO_TEST_VALID
    co_await rondo::with_timeout(1s, child());
#else
    co_await rondo::with_timeout(child(), 1s);
#endif
}
