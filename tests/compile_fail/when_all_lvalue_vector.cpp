// expect: when_all
#include <rondo/rondo.hpp>

#include <utility>
#include <vector>

rondo::task<> parent(std::vector<rondo::task<>> children) {
#ifdef RONDO_TEST_VALID
    co_await rondo::when_all(std::move(children));
#else
    co_await rondo::when_all(children);
#endif
}
