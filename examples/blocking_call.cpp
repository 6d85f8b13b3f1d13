// Calling what blocks, or computes for long. Called directly it stops everything, for there is one
// thread; with to_thread it runs on another one, and the heartbeat goes on.

#include "stopwatch.hpp"

#include <rondo/rondo.hpp>

#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

using example::say;

// Ordinary code, which knows nothing of coroutines.
std::size_t encode(const std::string& video) {
    if (video.empty()) {
        throw std::invalid_argument("nothing to encode");
    }
    std::this_thread::sleep_for(example::second * 18 / 10);
    return video.size();
}

rondo::task<> heartbeat() {
    rondo::interval beats(example::second / 2);
    for (;;) {
        co_await beats.next();
        say("    heartbeat");
    }
}

// [direct]
rondo::task<> directly() {
    const std::size_t bytes = encode("a film");  // blocks the loop, and all tasks with it
    say("directly: ", bytes, " bytes");
    co_return;
}
// [/direct]

// [thread]
rondo::task<> on_a_thread() {
    const std::size_t bytes = co_await rondo::to_thread(encode, "a film");
    say("on a thread: ", bytes, " bytes");
    try {
        co_await rondo::to_thread(encode, "");
    } catch (const std::invalid_argument& error) {
        say("failed: ", error.what());  // exceptions come back, too
    }
}
// [/thread]

rondo::task<> beside_a_heartbeat(rondo::task<> work) {
    co_await rondo::when_any(heartbeat(), std::move(work));  // until the work ends: a heartbeat does not
}

int main(int argc, char** argv) {
    example::begin(argc, argv);
    rondo::run(beside_a_heartbeat(directly()));
    rondo::run(beside_a_heartbeat(on_a_thread()));
    say("finished");
}

// Output:
// [0.0 s] started
// [1.8 s] directly: 6 bytes
// [2.3 s]     heartbeat
// [2.8 s]     heartbeat
// [3.3 s]     heartbeat
// [3.6 s] on a thread: 6 bytes
// [3.6 s] failed: nothing to encode
// [3.6 s] finished
