// expect: rondo: finally's cleanup is a callable without arguments that returns a task<>
#include <rondo/rondo.hpp>

rondo::task<> child() { co_return; }
rondo::task<int> count() { co_return 1; }

rondo::task<> parent() {
#ifdef RONDO_TEST_VALID
    co_await rondo::finally(count(), child);
#else
    co_await rondo::finally(child(), count);
#endif
}
