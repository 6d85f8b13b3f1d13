// expect: deleted
#include <rondo/rondo.hpp>

#include <utility>

rondo::task<int> child() { co_return 1; }

void copy() {
    auto original = child();
#ifdef RONDO_TEST_VALID
    auto other = std::move(original);
#else
    auto other = original;
#endif
}
