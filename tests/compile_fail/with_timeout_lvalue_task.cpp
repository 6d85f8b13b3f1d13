// expect: rondo: with_timeout takes what can be awaited, and consumes a task
#include <rondo/rondo.hpp>

#include <chrono>
#include <utility>

rondo::task<> child() { co_return; }

rondo::task<> parent() {
    auto pending = child();
#ifdef RONDO_TEST_VALID
    co_await rondo::with_timeout(std::chrono::seconds(1), std::move(pending));
#else
    co_await rondo::with_timeout(std::chrono::seconds(1), pending);
#endif
}
