// expect: nodiscard
#include <rondo/rondo.hpp>

rondo::task<> child() { co_return; }

rondo::task<> parent() {
#ifdef RONDO_TEST_VALID
    co_await child();
#else
    child();
#endif
    co_return;
}
