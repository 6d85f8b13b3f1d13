// 05: rondo::run is the way in from ordinary code. It makes an event loop, runs one task to its end,
// and gives back what the task returned, or throws what the task threw.

#include "stopwatch.hpp"

#include <rondo/rondo.hpp>

#include <cstddef>
#include <stdexcept>
#include <string>

using example::say;

// [download]
rondo::task<std::size_t> download_page(std::string url) {
    if (url.empty()) {
        throw std::invalid_argument("a download needs a url");
    }
    co_await rondo::sleep(example::second);
    say("complete download: ", url);
    co_return url.size();  // how many bytes have come
}
// [/download]

// [twice]
rondo::task<std::size_t> two_pages() {
    const std::size_t first = co_await download_page("url_1");  // a result comes out of co_await
    const std::size_t second = co_await download_page("url_2");
    co_return first + second;
}
// [/twice]

int main(int argc, char** argv) {
    example::begin(argc, argv);

    // [run]
    const std::size_t bytes = rondo::run(two_pages());
    say("run returned ", bytes, " bytes");

    try {
        rondo::run(download_page(""));
    } catch (const std::invalid_argument& error) {
        say("run threw: ", error.what());
    }
    // [/run]

    say("finished");
    return 0;
}

// Output:
// [0.0 s] started
// [1.0 s] complete download: url_1
// [2.0 s] complete download: url_2
// [2.0 s] run returned 10 bytes
// [2.0 s] run threw: a download needs a url
// [2.0 s] finished
