// expect: spawn takes a task and a name
#include <rondo/rondo.hpp>

rondo::task<> child() { co_return; }

rondo::task<> parent() {
#ifdef RONDO_TEST_VALID
    auto handle = rondo::spawn(child());
#else
    auto handle = rondo::spawn(42);
#endif
    co_return;
}
