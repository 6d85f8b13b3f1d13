// expect: rondo: when_any takes what can be awaited, and consumes tasks
#include <rondo/rondo.hpp>

#include <utility>

rondo::task<> child() { co_return; }

rondo::task<> parent() {
    auto pending = child();
#ifdef RONDO_TEST_VALID
    co_await rondo::when_any(std::move(pending), child());
#else
    co_await rondo::when_any(pending, child());
#endif
}
