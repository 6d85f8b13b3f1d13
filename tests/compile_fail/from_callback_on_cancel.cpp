// expect: from_callback's on_cancel is called without arguments
#include <rondo/rondo.hpp>

rondo::task<int> parent() {
    const auto start = [](rondo::callback<int> done) { done(1); };
#ifdef RONDO_TEST_VALID
    co_return co_await rondo::from_callback<int>(start, [] {});
#else
    co_return co_await rondo::from_callback<int>(start, [](int) {});
#endif
}
