// expect: from_callback<T>'s start is called with a callback<T>
#include <rondo/rondo.hpp>

rondo::task<int> parent() {
#ifdef RONDO_TEST_VALID
    co_return co_await rondo::from_callback<int>([](rondo::callback<int> done) { done(1); });
#else
    co_return co_await rondo::from_callback<int>([] {});
#endif
}
