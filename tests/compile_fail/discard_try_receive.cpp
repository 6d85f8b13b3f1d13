// expect: dropping the delivery puts the message back
#include <rondo/rondo.hpp>

void consume(rondo::message_queue<int>& queue) {
#ifdef RONDO_TEST_VALID
    auto d = queue.try_receive();
    if (d) d->ack();
#else
    queue.try_receive();
#endif
}
