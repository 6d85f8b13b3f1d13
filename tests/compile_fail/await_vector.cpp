// expect: rondo: several tasks are awaited together: co_await rondo::when_all(std::move(tasks))
#include <rondo/rondo.hpp>

#include <utility>
#include <vector>

rondo::task<> parent(std::vector<rondo::task<>> tasks) {
#ifdef RONDO_TEST_VALID
    co_await rondo::when_all(std::move(tasks));
#else
    co_await std::move(tasks);
#endif
}
