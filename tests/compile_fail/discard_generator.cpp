// expect: a generator does nothing until you co_await its next()
#include <rondo/rondo.hpp>

rondo::async_generator<int> numbers();

rondo::task<> start() {
#ifdef RONDO_TEST_VALID
    auto all = numbers();
    co_await all.next();
#else
    numbers();
#endif
    co_return;
}
