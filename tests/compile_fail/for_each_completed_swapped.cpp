// expect: rondo: for_each_completed takes a vector of tasks
#include <rondo/rondo.hpp>

#include <cstddef>
#include <utility>
#include <vector>

void note(std::size_t, rondo::outcome<void>) {}

rondo::task<> parent(std::vector<rondo::task<>> tasks) {
#ifdef RONDO_TEST_VALID
    co_await rondo::for_each_completed(std::move(tasks), note);
#else
    co_await rondo::for_each_completed(note, std::move(tasks));
#endif
}
