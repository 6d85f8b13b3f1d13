// expect: rondo: a task runs once: spawn(std::move(t)), or spawn(f()) for another
#include <rondo/rondo.hpp>

#include <utility>

rondo::task<> child() { co_return; }

rondo::task<> parent() {
    auto pending = child();
#ifdef RONDO_TEST_VALID
    auto handle = rondo::spawn(std::move(pending));
#else
    auto handle = rondo::spawn(pending);
#endif
    co_return;
}
