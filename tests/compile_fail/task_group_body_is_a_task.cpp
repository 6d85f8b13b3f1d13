// expect: rondo: with_task_group takes a callable that returns a task
#include <rondo/rondo.hpp>

rondo::task<> body(rondo::task_group&) { co_return; }
rondo::task<> child() { co_return; }

rondo::task<> parent() {
#ifdef RONDO_TEST_VALID
    co_await rondo::with_task_group(body);
#else
    co_await rondo::with_task_group(child());
#endif
}
