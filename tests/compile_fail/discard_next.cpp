// expect: nodiscard
#include <rondo/rondo.hpp>

rondo::task<> skip(rondo::async_generator<int>& numbers) {
#ifdef RONDO_TEST_VALID
    co_await numbers.next();
#else
    numbers.next();
#endif
    co_return;
}
