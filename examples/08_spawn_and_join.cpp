// 08: spawn starts a task in the background and returns a handle; awaiting the handle joins the task.
// Between the two, the one who spawned is free to do something else.

#include "stopwatch.hpp"

#include <rondo/rondo.hpp>

#include <cstddef>
#include <stdexcept>
#include <string>
#include <vector>

using example::say;

// [download]
rondo::task<std::size_t> download_page(std::string url) {
    co_await rondo::sleep(example::second);
    if (url == "url_4") {
        throw std::runtime_error("no such page: " + url);
    }
    say("complete download: ", url);
    co_return url.size();
}
// [/download]

// [spawn]
rondo::task<> five_pages() {
    std::vector<rondo::join_handle<std::size_t>> pages;
    for (int n = 1; n <= 5; ++n) {
        const std::string url = "url_" + std::to_string(n);
        pages.push_back(rondo::spawn(download_page(url), url));  // begins when we next wait
    }
    say("five downloads are on their way");

    co_await rondo::sleep(example::second / 2);
    say("something else is done meanwhile");

    for (rondo::join_handle<std::size_t>& page : pages) {
        try {
            const std::size_t bytes = co_await page;  // waits until it is done, if it is not yet
            say("joined: ", bytes, " bytes");
        } catch (const std::runtime_error& error) {
            say("failed: ", error.what());
        }
    }
}
// [/spawn]

int main(int argc, char** argv) {
    example::begin(argc, argv);
    rondo::run(five_pages());
    say("finished");
    return 0;
}

// Output:
// [0.0 s] started
// [0.0 s] five downloads are on their way
// [0.5 s] something else is done meanwhile
// [1.0 s] complete download: url_1
// [1.0 s] complete download: url_2
// [1.0 s] complete download: url_3
// [1.0 s] complete download: url_5
// [1.0 s] joined: 5 bytes
// [1.0 s] joined: 5 bytes
// [1.0 s] joined: 5 bytes
// [1.0 s] failed: no such page: url_4
// [1.0 s] joined: 5 bytes
// [1.0 s] finished
