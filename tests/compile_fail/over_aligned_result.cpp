// expect: over-aligned
#include <rondo/rondo.hpp>

#if !defined(RONDO_TEST_VALID) && defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 15
#error "over-aligned results are fine here: this compiler aligns its frames"
#endif

#ifdef RONDO_TEST_VALID
struct lane {
#else
struct alignas(64) lane {
#endif
    int value = 0;
};

rondo::task<lane> child() { co_return lane(); }

rondo::task<int> parent() {
    auto result = co_await child();
    co_return result.value;
}
