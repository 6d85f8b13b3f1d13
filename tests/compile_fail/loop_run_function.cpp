// expect: rondo: run takes a task, which is what a coroutine returns
#include <rondo/rondo.hpp>

rondo::task<> child() { co_return; }

rondo::task<> parent() {
#ifdef RONDO_TEST_VALID
    rondo::event_loop().run(child());
    co_return;
#else
    rondo::event_loop().run(child);
    co_return;
#endif
}
