// 01: five downloads, one after another, each of which blocks the thread for a second.
//
// Plain C++, no coroutine yet: this is the program that the others improve on.

#include "stopwatch.hpp"

#include <string>
#include <thread>

using example::say;

// [download]
void download_page(std::string url) {
    std::this_thread::sleep_for(example::second);  // stands for a second of waiting for a server
    say("complete download: ", url);
}
// [/download]

// [five]
void five_pages() {
    for (int n = 1; n <= 5; ++n) {
        download_page("url_" + std::to_string(n));
    }
}
// [/five]

int main(int argc, char** argv) {
    example::begin(argc, argv);
    five_pages();
    say("finished");
    return 0;
}

// Output:
// [0.0 s] started
// [1.0 s] complete download: url_1
// [2.0 s] complete download: url_2
// [3.0 s] complete download: url_3
// [4.0 s] complete download: url_4
// [5.0 s] complete download: url_5
// [5.0 s] finished
