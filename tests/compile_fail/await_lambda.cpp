// expect: rondo: a function is called first: co_await f()
#include <rondo/rondo.hpp>

rondo::task<> parent() {
#ifdef RONDO_TEST_VALID
    co_await []() -> rondo::task<> { co_return; }();
#else
    co_await []() -> rondo::task<> { co_return; };
#endif
}
