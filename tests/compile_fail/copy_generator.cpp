// expect: deleted
#include <rondo/rondo.hpp>

#include <utility>

rondo::task<> share(rondo::async_generator<int> numbers) {
#ifdef RONDO_TEST_VALID
    auto mine = std::move(numbers);
#else
    auto mine = numbers;
#endif
    co_await mine.next();
}
