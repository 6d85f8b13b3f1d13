// 02: what a task is before anyone awaits it: a promise to do something, of which nothing has been done.
//
// A function that returns rondo::task and contains co_await (or co_return) is a coroutine. Calling it
// keeps its arguments and hands back the task; the first line of its body runs when the task is awaited.

#include "stopwatch.hpp"

#include <rondo/rondo.hpp>

#include <string>

using example::say;

// [download]
rondo::task<> download_page(std::string url) {
    say("download begins:   ", url);
    co_await rondo::sleep(example::second);
    say("complete download: ", url);
}
// [/download]

int main(int argc, char** argv) {
    example::begin(argc, argv);

    // [lazy]
    {
        rondo::task<> page = download_page("url_1");
        say("there is a task for url_1, and nothing has begun");
    }
    say("the task for url_1 is gone; it never ran");

    rondo::run(download_page("url_2"));  // somebody wants this one
    // [/lazy]

    say("finished");
    return 0;
}

// Output:
// [0.0 s] started
// [0.0 s] there is a task for url_1, and nothing has begun
// [0.0 s] the task for url_1 is gone; it never ran
// [0.0 s] download begins:   url_2
// [1.0 s] complete download: url_2
// [1.0 s] finished
