// expect: rondo: wait_for needs a predicate
#include <rondo/rondo.hpp>

#include <chrono>

using namespace std::chrono_literals;

rondo::task<> parent(rondo::condition_variable& changed, rondo::mutex::guard& guard) {
#ifdef RONDO_TEST_VALID
    co_await changed.wait_for(guard, 1s, [] { return true; });
#else
    co_await changed.wait_for(guard, 1s);
#endif
}
