// expect: rondo: run takes one task
#include <rondo/rondo.hpp>

rondo::task<> child() { co_return; }

rondo::task<> parent() {
#ifdef RONDO_TEST_VALID
    rondo::run(child());
    co_return;
#else
    rondo::run(child(), child());
    co_return;
#endif
}
