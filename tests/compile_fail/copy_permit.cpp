// expect: deleted
#include <rondo/rondo.hpp>

#include <utility>

rondo::task<> hold_twice(rondo::semaphore& s) {
    auto permit = co_await s.scoped_acquire();
#ifdef RONDO_TEST_VALID
    auto other = std::move(permit);
#else
    auto other = permit;
#endif
}
