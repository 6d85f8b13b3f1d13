// expect: rondo: try_with_timeout takes what can be awaited, and consumes a task
#include <rondo/rondo.hpp>

#include <chrono>
#include <utility>

rondo::task<int> child() { co_return 1; }

rondo::task<> parent() {
    auto pending = child();
#ifdef RONDO_TEST_VALID
    co_await rondo::try_with_timeout(std::chrono::seconds(1), std::move(pending));
#else
    co_await rondo::try_with_timeout(std::chrono::seconds(1), pending);
#endif
}
