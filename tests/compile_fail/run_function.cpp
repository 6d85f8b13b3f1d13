// expect: rondo: run takes a task, which is what a coroutine returns: run(f()), with parentheses
#include <rondo/rondo.hpp>

rondo::task<> child() { co_return; }

rondo::task<> parent() {
#ifdef RONDO_TEST_VALID
    rondo::run(child());
    co_return;
#else
    rondo::run(child);
    co_return;
#endif
}
