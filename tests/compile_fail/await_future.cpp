// expect: rondo: a future can only block: co_await rondo::to_thread
#include <rondo/rondo.hpp>

#include <future>

rondo::task<> parent(std::future<void>& it) {
#ifdef RONDO_TEST_VALID
    co_await rondo::to_thread([&] { it.get(); });
#else
    co_await it;
#endif
}
