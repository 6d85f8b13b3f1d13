// expect: dead_letters
#include <rondo/rondo.hpp>

#include <string>

void set_up(rondo::message_queue<std::string>& queue) {
#ifdef RONDO_TEST_VALID
    static rondo::bounded_queue<std::string> dead(1);
#else
    static rondo::bounded_queue<int> dead(1);
#endif
    queue.dead_letters(3, dead);
}
