// expect: rondo: a function is called first: when_any(f(), ...)
#include <rondo/rondo.hpp>

rondo::task<> child() { co_return; }

rondo::task<> parent() {
#ifdef RONDO_TEST_VALID
    co_await rondo::when_any([] { return child(); }(), child());
#else
    co_await rondo::when_any([] { return child(); }, child());
#endif
}
