// expect: rondo: awaiting a task consumes it, and this one is const
#include <rondo/rondo.hpp>

#include <utility>

rondo::task<> child() { co_return; }

rondo::task<> parent() {
#ifdef RONDO_TEST_VALID
    auto t = child();
    co_await std::move(t);
#else
    const auto t = child();
    co_await t;
#endif
}
