// expect: rondo: run takes a task: put the co_await into a coroutine
#include <rondo/rondo.hpp>

#include <chrono>

using namespace std::chrono_literals;

rondo::task<> parent() {
#ifdef RONDO_TEST_VALID
    co_await rondo::sleep(1s);
#else
    rondo::run(rondo::sleep(1s));
    co_return;
#endif
}
