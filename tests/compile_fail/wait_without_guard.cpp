// expect: rondo: a wait takes the guard that holds the mutex
#include <rondo/rondo.hpp>

rondo::task<> parent(rondo::condition_variable& changed, rondo::mutex::guard& guard) {
#ifdef RONDO_TEST_VALID
    co_await changed.wait(guard, [] { return true; });
#else
    static_cast<void>(guard);
    co_await changed.wait([] { return true; });
#endif
}
