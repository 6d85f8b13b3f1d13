// 06: when_all starts several tasks and waits until all are done. Five downloads wait at the same
// time, on one thread: one second instead of five.

#include "stopwatch.hpp"

#include <rondo/rondo.hpp>

#include <string>

using example::say;

// [download]
rondo::task<> download_page(std::string url) {
    co_await rondo::sleep(example::second);
    say("complete download: ", url);
}
// [/download]

// [five]
rondo::task<> five_pages() {
    co_await rondo::when_all(download_page("url_1"), download_page("url_2"), download_page("url_3"),
                             download_page("url_4"), download_page("url_5"));
}
// [/five]

int main(int argc, char** argv) {
    example::begin(argc, argv);
    rondo::run(five_pages());
    say("finished");
    return 0;
}

// Output:
// [0.0 s] started
// [1.0 s] complete download: url_1
// [1.0 s] complete download: url_2
// [1.0 s] complete download: url_3
// [1.0 s] complete download: url_4
// [1.0 s] complete download: url_5
// [1.0 s] finished
