// expect: rondo: when_all_limited takes the limit first
#include <rondo/rondo.hpp>

#include <utility>
#include <vector>

rondo::task<> parent(std::vector<rondo::task<>> tasks) {
#ifdef RONDO_TEST_VALID
    co_await rondo::when_all_limited(2, std::move(tasks));
#else
    co_await rondo::when_all_limited(std::move(tasks), 2);
#endif
}
