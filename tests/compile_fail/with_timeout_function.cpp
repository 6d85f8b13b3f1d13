// expect: rondo: a function is called first: with_timeout(1s, f())
#include <rondo/rondo.hpp>

#include <chrono>

rondo::task<> child() { co_return; }

rondo::task<> parent() {
#ifdef RONDO_TEST_VALID
    co_await rondo::with_timeout(std::chrono::seconds(1), child());
#else
    co_await rondo::with_timeout(std::chrono::seconds(1), child);
#endif
}
