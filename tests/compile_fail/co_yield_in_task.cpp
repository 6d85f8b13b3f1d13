// expect: rondo: a task gives one result: co_return it; for co_yield return a rondo::async_generator
#include <rondo/rondo.hpp>

rondo::task<int> one() {
#ifdef RONDO_TEST_VALID
    co_return 1;
#else
    co_yield 1;
    co_return 1;
#endif
}
