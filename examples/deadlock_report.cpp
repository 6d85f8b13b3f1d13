// A program that is stuck says where: two tasks wait for each other, run() notices that nothing can
// ever happen again, and the exception it throws names the waiting tasks and the lines they wait at.

#include "stopwatch.hpp"

#include <rondo/rondo.hpp>

#include <string>

using example::say;

using channel = rondo::bounded_queue<std::string>;

// [stuck]
rondo::task<> ask_first(channel& in, channel& out) {
    const auto question = co_await in.pop();  // each waits for the other to speak first
    co_await out.push("an answer to " + question.value());
}

rondo::task<> conversation() {
    channel to_alice(1);
    channel to_bob(1);
    auto alice = rondo::spawn(ask_first(to_alice, to_bob), "alice");
    auto bob = rondo::spawn(ask_first(to_bob, to_alice), "bob");
    co_await alice;
    co_await bob;
}
// [/stuck]

int main(int argc, char** argv) {
    example::begin(argc, argv);

    // [report]
    try {
        rondo::run(conversation());
    } catch (const rondo::deadlock_error& error) {
        say("run threw:\n", error.what());
    }
    // [/report]
}

// Output:
// [0.0 s] started
// [0.0 s] run threw:
// rondo: deadlock: nothing is ready, no timer is set, and nothing outside is under way. These tasks wait:
//   main
//     ...deadlock_report.cpp:25: ...conversation... waits for join_handle of alice
//   alice
//     ...deadlock_report.cpp:16: ...ask_first... waits for bounded_queue::pop
//   bob
//     ...deadlock_report.cpp:16: ...ask_first... waits for bounded_queue::pop
