// 04: the same program, but each download awaits rondo::sleep. The thread is free while a download
// waits, so the heartbeat beats. Awaited one after another, five downloads still take five seconds.

#include "stopwatch.hpp"

#include <rondo/rondo.hpp>

#include <string>

using example::say;

// [download]
rondo::task<> download_page(std::string url) {
    co_await rondo::sleep(example::second);  // gives control back; a second later we go on from here
    say("complete download: ", url);
}
// [/download]

rondo::task<> heartbeat() {
    say("    the heartbeat has started");
    co_await rondo::sleep(example::second / 2);
    for (;;) {
        say("    beat");
        co_await rondo::sleep(example::second);
    }
}

// [five]
rondo::task<> five_pages() {
    rondo::spawn(heartbeat(), "heartbeat");
    co_await rondo::yield();

    for (int n = 1; n <= 5; ++n) {
        co_await download_page("url_" + std::to_string(n));  // the next one begins when this one is done
    }
}
// [/five]

int main(int argc, char** argv) {
    example::begin(argc, argv);
    rondo::run(five_pages());  // the heartbeat is cancelled when five_pages() is done
    say("finished");
    return 0;
}

// Output:
// [0.0 s] started
// [0.0 s]     the heartbeat has started
// [0.5 s]     beat
// [1.0 s] complete download: url_1
// [1.5 s]     beat
// [2.0 s] complete download: url_2
// [2.5 s]     beat
// [3.0 s] complete download: url_3
// [3.5 s]     beat
// [4.0 s] complete download: url_4
// [4.5 s]     beat
// [5.0 s] complete download: url_5
// [5.0 s] finished
