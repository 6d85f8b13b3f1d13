// expect: this is not the result yet: co_await it
#include <rondo/rondo.hpp>

rondo::task<> parent(rondo::async_generator<int>& values) {
#ifdef RONDO_TEST_VALID
    while (auto v = co_await values.next()) {
    }
#else
    while (auto v = values.next()) {
    }
    co_return;
#endif
}
