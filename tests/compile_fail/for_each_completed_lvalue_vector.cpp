// expect: for_each_completed
#include <rondo/rondo.hpp>

#include <cstddef>
#include <utility>
#include <vector>

rondo::task<> parent(std::vector<rondo::task<int>> tasks) {
#ifdef RONDO_TEST_VALID
    co_await rondo::for_each_completed(std::move(tasks), [](std::size_t, rondo::outcome<int>) {});
#else
    co_await rondo::for_each_completed(tasks, [](std::size_t, rondo::outcome<int>) {});
#endif
}
