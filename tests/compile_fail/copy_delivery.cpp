// expect: deleted
#include <rondo/rondo.hpp>

#include <optional>
#include <utility>

void acknowledge_twice(rondo::message_queue<int>& queue) {
    std::optional<rondo::delivery<int>> d = queue.try_receive();
#ifdef RONDO_TEST_VALID
    rondo::delivery<int> other = std::move(*d);
#else
    rondo::delivery<int> other = *d;
#endif
    other.ack();
}
