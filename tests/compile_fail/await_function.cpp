// expect: rondo: a function is called first: co_await f()
#include <rondo/rondo.hpp>

rondo::task<> child() { co_return; }

rondo::task<> parent() {
#ifdef RONDO_TEST_VALID
    co_await child();
#else
    co_await child;
#endif
}
