// expect: rondo: spawn takes a task and a name, or a callable that returns a task
#include <rondo/rondo.hpp>

rondo::task<> child() { co_return; }
void plain() {}

rondo::task<> body(rondo::task_group& group) {
#ifdef RONDO_TEST_VALID
    group.spawn(child);
#else
    group.spawn(plain);
#endif
    co_return;
}
