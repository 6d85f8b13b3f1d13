// expect: rondo: a task runs once: spawn(std::move(t)), or spawn(f()) for another
#include <rondo/rondo.hpp>

#include <utility>

rondo::task<> child() { co_return; }

rondo::task<> body(rondo::task_group& group) {
    auto pending = child();
#ifdef RONDO_TEST_VALID
    group.spawn(std::move(pending));
#else
    group.spawn(pending);
#endif
    co_return;
}
