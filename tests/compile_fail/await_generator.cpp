// expect: rondo: what it gives is awaited: co_await it.next()
#include <rondo/rondo.hpp>

rondo::task<> parent(rondo::async_generator<int>& values) {
#ifdef RONDO_TEST_VALID
    co_await values.next();
#else
    co_await values;
#endif
}
