// expect: rondo: uncancellable takes what can be awaited, and consumes a task
#include <rondo/rondo.hpp>

#include <utility>

rondo::task<> child() { co_return; }

rondo::task<> parent() {
    auto pending = child();
#ifdef RONDO_TEST_VALID
    co_await rondo::uncancellable(std::move(pending));
#else
    co_await rondo::uncancellable(pending);
#endif
}
