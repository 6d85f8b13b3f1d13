// expect: when_all_limited
#include <rondo/rondo.hpp>

#include <utility>
#include <vector>

rondo::task<> parent(std::vector<rondo::task<>> children) {
#ifdef RONDO_TEST_VALID
    co_await rondo::when_all_limited(2, std::move(children));
#else
    co_await rondo::when_all_limited(2, children);
#endif
}
