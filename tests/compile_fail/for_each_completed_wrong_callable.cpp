// expect: rondo: for_each_completed's callable takes an index and an outcome<T>
#include <rondo/rondo.hpp>

#include <cstddef>
#include <utility>
#include <vector>

rondo::task<> parent(std::vector<rondo::task<int>> tasks) {
#ifdef RONDO_TEST_VALID
    co_await rondo::for_each_completed(std::move(tasks), [](std::size_t, rondo::outcome<int>) {});
#else
    co_await rondo::for_each_completed(std::move(tasks), [](rondo::outcome<int>) {});
#endif
}
