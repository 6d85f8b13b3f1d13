// expect: deleted
#include <rondo/rondo.hpp>

#include <utility>

rondo::task<> hold_twice(rondo::mutex& m) {
    auto guard = co_await m.scoped_lock();
#ifdef RONDO_TEST_VALID
    auto other = std::move(guard);
#else
    auto other = guard;
#endif
}
