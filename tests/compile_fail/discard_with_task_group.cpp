// expect: co_await it
#include <rondo/rondo.hpp>

rondo::task<> body(rondo::task_group&) { co_return; }

rondo::task<> parent() {
#ifdef RONDO_TEST_VALID
    co_await rondo::with_task_group(body);
#else
    rondo::with_task_group(body);
#endif
    co_return;
}
