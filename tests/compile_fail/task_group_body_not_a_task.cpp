// expect: rondo: with_task_group takes a callable that returns a task
#include <rondo/rondo.hpp>

rondo::task<> child() { co_return; }

rondo::task<> parent() {
#ifdef RONDO_TEST_VALID
    co_await rondo::with_task_group([](rondo::task_group& group) -> rondo::task<> {
        group.spawn(child());
        co_return;
    });
#else
    co_await rondo::with_task_group([](rondo::task_group& group) { group.spawn(child()); });
#endif
}
