// expect: task_group
#include <rondo/rondo.hpp>

rondo::task<> parent() {
#ifdef RONDO_TEST_VALID
    co_await rondo::with_task_group([](rondo::task_group&) -> rondo::task<> { co_return; });
#else
    co_await rondo::with_task_group([](rondo::task_group) -> rondo::task<> { co_return; });
#endif
}
