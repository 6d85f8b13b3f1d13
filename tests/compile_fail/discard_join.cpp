// expect: nodiscard
#include <rondo/rondo.hpp>

rondo::task<> wait_for_all(rondo::message_queue<int>& queue) {
#ifdef RONDO_TEST_VALID
    co_await queue.join();
#else
    queue.join();
#endif
    co_return;
}
