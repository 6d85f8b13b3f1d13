// expect: co_await std::move(t)
#include <rondo/rondo.hpp>

#include <utility>

rondo::task<int> child() { co_return 1; }

rondo::task<int> parent() {
    auto pending = child();
#ifdef RONDO_TEST_VALID
    co_return co_await std::move(pending);
#else
    co_return co_await pending;
#endif
}
