// expect: nodiscard
#include <rondo/rondo.hpp>

rondo::task<> consume(rondo::message_queue<int>& queue) {
#ifdef RONDO_TEST_VALID
    auto d = co_await queue.receive();
    if (d) d->ack();
#else
    queue.receive();
#endif
    co_return;
}
