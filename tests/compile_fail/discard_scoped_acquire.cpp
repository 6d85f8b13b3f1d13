// expect: nodiscard
#include <rondo/rondo.hpp>

rondo::task<> download(rondo::semaphore& at_once) {
#ifdef RONDO_TEST_VALID
    auto permit = co_await at_once.scoped_acquire();
#else
    at_once.scoped_acquire();
#endif
    co_return;
}
