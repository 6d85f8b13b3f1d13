// expect: rondo: a function is called first: when_all(f(), ...)
#include <rondo/rondo.hpp>

rondo::task<> child() { co_return; }

rondo::task<> parent() {
#ifdef RONDO_TEST_VALID
    co_await rondo::when_all([] { return child(); }(), child());
#else
    co_await rondo::when_all([] { return child(); }, child());
#endif
}
