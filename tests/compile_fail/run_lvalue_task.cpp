// expect: rondo: a task runs once: run(std::move(t)), or run(f()) for another
#include <rondo/rondo.hpp>

#include <utility>

rondo::task<int> answer() { co_return 42; }

int ask() {
    auto pending = answer();
#ifdef RONDO_TEST_VALID
    return rondo::run(std::move(pending));
#else
    return rondo::run(pending);
#endif
}
