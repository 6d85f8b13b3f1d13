// expect: when_all
#include <rondo/rondo.hpp>

#include <utility>

rondo::task<> child() { co_return; }

rondo::task<> parent() {
    auto pending = child();
#ifdef RONDO_TEST_VALID
    co_await rondo::when_all(std::move(pending), child());
#else
    co_await rondo::when_all(pending, child());
#endif
}
