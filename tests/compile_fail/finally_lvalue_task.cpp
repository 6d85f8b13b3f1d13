// expect: rondo: finally's body is something to await, or a callable that returns a task
#include <rondo/rondo.hpp>

#include <utility>

rondo::task<> child() { co_return; }

rondo::task<> parent() {
    auto pending = child();
#ifdef RONDO_TEST_VALID
    co_await rondo::finally(std::move(pending), child);
#else
    co_await rondo::finally(pending, child);
#endif
}
