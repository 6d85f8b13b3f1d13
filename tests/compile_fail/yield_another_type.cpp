// expect: rondo: co_yield gives something that is no T of this async_generator<T>
#include <rondo/rondo.hpp>

rondo::async_generator<int> values() {
#ifdef RONDO_TEST_VALID
    co_yield 1;
#else
    co_yield "one";
#endif
}
