// expect: rondo: finally's cleanup is a callable without arguments that returns a task<>
#include <rondo/rondo.hpp>

rondo::task<> child() { co_return; }
void plain() {}

rondo::task<> parent() {
#ifdef RONDO_TEST_VALID
    co_await rondo::finally(child(), child);
#else
    co_await rondo::finally(child(), plain);
#endif
}
