// expect: task_group
#include <rondo/rondo.hpp>

rondo::task<> body(rondo::task_group& group) {
#ifdef RONDO_TEST_VALID
    rondo::task_group& same = group;
#else
    rondo::task_group same = group;
#endif
    same.cancel();
    co_return;
}
