// expect: rondo: for_each_concurrent's callable takes an element and returns a task
#include <rondo/rondo.hpp>

#include <vector>

rondo::task<> parent(std::vector<int> numbers) {
#ifdef RONDO_TEST_VALID
    co_await rondo::for_each_concurrent(numbers, 2, [](int) { return rondo::yield(); });
#else
    co_await rondo::for_each_concurrent(numbers, 2, [](int) {});
#endif
}
