// expect: async_generator<void> has none
#include <rondo/rondo.hpp>

#ifdef RONDO_TEST_VALID
using generator = rondo::async_generator<int>;
#else
using generator = rondo::async_generator<void>;
#endif

rondo::task<> use(generator g) {
    const auto value = co_await g.next();
    (void)value;
}
