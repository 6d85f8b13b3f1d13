// expect: rondo: a container is not awaited
#include <rondo/rondo.hpp>

#include <vector>

rondo::task<> parent(std::vector<rondo::join_handle<>> handles) {
#ifdef RONDO_TEST_VALID
    for (auto& each : handles) co_await each;
#else
    co_await handles;
#endif
}
