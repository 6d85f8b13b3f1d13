// expect: rondo: for_each_concurrent takes a range, a limit and a callable, in this order
#include <rondo/rondo.hpp>

#include <vector>

rondo::task<> visit(int) { co_return; }

rondo::task<> parent(std::vector<int> numbers) {
#ifdef RONDO_TEST_VALID
    co_await rondo::for_each_concurrent(numbers, 2, visit);
#else
    co_await rondo::for_each_concurrent(numbers, visit, 2);
#endif
}
