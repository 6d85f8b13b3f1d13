// expect: nodiscard
#include <rondo/rondo.hpp>

void work() {}

rondo::task<> parent() {
#ifdef RONDO_TEST_VALID
    co_await rondo::to_thread(work);
#else
    rondo::to_thread(work);
#endif
    co_return;
}
