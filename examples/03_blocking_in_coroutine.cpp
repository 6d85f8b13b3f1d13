// 03: a coroutine that blocks its thread. It is a coroutine in name only: still five seconds, and
// nobody else moves meanwhile. The heartbeat beside it does not beat once.

#include "stopwatch.hpp"

#include <rondo/debug.hpp>
#include <rondo/rondo.hpp>

#include <string>
#include <thread>

using example::say;

// [download]
rondo::task<> download_page(std::string url) {
    std::this_thread::sleep_for(example::second);  // wrong here: the thread is held for a whole second
    say("complete download: ", url);
    co_return;
}
// [/download]

// [heartbeat]
rondo::task<> heartbeat() {
    say("    the heartbeat has started");
    co_await rondo::sleep(example::second / 2);
    for (;;) {
        say("    beat");
        co_await rondo::sleep(example::second);
    }
}
// [/heartbeat]

// [five]
rondo::task<> five_pages() {
    rondo::spawn(heartbeat(), "heartbeat");  // runs beside us, whenever we let it
    co_await rondo::yield();                 // let it start

    for (int n = 1; n <= 5; ++n) {
        co_await download_page("url_" + std::to_string(n));
    }
}
// [/five]

int main(int argc, char** argv) {
    example::begin(argc, argv);

    // [warn]
    const rondo::debug::slow_steps warn(example::second / 2, [](const rondo::debug::slow_step& slow) {
        say("    ", slow.text());  // who held the loop, for how long, and where
    });
    // [/warn]

    rondo::run(five_pages());
    say("finished");
    return 0;
}

// Output:
// [0.0 s] started
// [0.0 s]     the heartbeat has started
// [1.0 s] complete download: url_1
// [2.0 s] complete download: url_2
// [3.0 s] complete download: url_3
// [4.0 s] complete download: url_4
// [5.0 s] complete download: url_5
// [5.0 s]     main held the loop for ... s: from ...03_blocking_in_coroutine.cpp:36 (...five_pages...) to its end
// [5.0 s] finished
