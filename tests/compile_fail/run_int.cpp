// expect: rondo: run takes a task, which is what a coroutine returns
#include <rondo/rondo.hpp>

rondo::task<int> answer() { co_return 42; }

int ask() {
#ifdef RONDO_TEST_VALID
    return rondo::run(answer());
#else
    return rondo::run(42);
#endif
}
