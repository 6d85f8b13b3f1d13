// expect: rondo: co_return of a task that has not been awaited: co_return co_await f()
#include <rondo/rondo.hpp>

rondo::task<int> answer() { co_return 42; }

rondo::task<int> ask() {
#ifdef RONDO_TEST_VALID
    co_return co_await answer();
#else
    co_return answer();
#endif
}
