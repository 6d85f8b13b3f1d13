// expect: rondo: loops go by std::chrono::steady_clock
#include <rondo/rondo.hpp>

#include <chrono>

rondo::task<> parent() {
#ifdef RONDO_TEST_VALID
    co_await rondo::sleep_until(std::chrono::steady_clock::now());
#else
    co_await rondo::sleep_until(std::chrono::system_clock::now());
#endif
}
