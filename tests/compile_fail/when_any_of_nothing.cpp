// expect: rondo: when_any of nothing would never end
#include <rondo/rondo.hpp>

rondo::task<> parent() {
#ifdef RONDO_TEST_VALID
    co_await rondo::when_any(rondo::yield());
#else
    co_await rondo::when_any();
#endif
}
