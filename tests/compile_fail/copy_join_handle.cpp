// expect: deleted
#include <rondo/rondo.hpp>

#include <utility>

rondo::task<int> join_twice(rondo::join_handle<int> handle) {
#ifdef RONDO_TEST_VALID
    auto other = std::move(handle);
#else
    auto other = handle;
#endif
    co_return co_await other;
}
