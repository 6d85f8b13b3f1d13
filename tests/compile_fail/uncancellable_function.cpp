// expect: rondo: a function is called first: uncancellable(f())
#include <rondo/rondo.hpp>

rondo::task<> child() { co_return; }

rondo::task<> parent() {
#ifdef RONDO_TEST_VALID
    co_await rondo::uncancellable(child());
#else
    co_await rondo::uncancellable(child);
#endif
}
