// expect: move
#include <rondo/rondo.hpp>

struct message {
    message() = default;
#ifdef RONDO_TEST_VALID
    message(message&&) = default;
#else
    message(message&&) = delete;
#endif
};

rondo::bounded_queue<message> queue(1);
