// expect: rondo: when_any takes what can be awaited, and consumes tasks
#include <rondo/rondo.hpp>

#include <utility>
#include <vector>

rondo::task<> parent(std::vector<rondo::task<>> children) {
#ifdef RONDO_TEST_VALID
    co_await rondo::when_any(std::move(children));
#else
    co_await rondo::when_any(children);
#endif
}
