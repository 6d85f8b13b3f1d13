// Results in the order in which they come: for_each_completed. Each comes as an outcome, with its
// place in the vector.

#include "stopwatch.hpp"

#include <rondo/rondo.hpp>

#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using example::say;

rondo::task<std::string> download_page(std::string url, int tenths) {
    co_await rondo::sleep(example::second * tenths / 10);
    if (url == "url_1") {
        throw std::runtime_error("no such page: " + url);
    }
    co_return "the text of " + url;
}

// [completed]
rondo::task<> show_as_they_come() {
    std::vector<rondo::task<std::string>> pages;
    pages.push_back(download_page("url_0", 7));
    pages.push_back(download_page("url_1", 1));
    pages.push_back(download_page("url_2", 4));

    co_await rondo::for_each_completed(std::move(pages), [](std::size_t n, rondo::outcome<std::string> page) {
        if (page.has_value()) {
            say("number ", n, ": ", page.value());
        } else {
            say("number ", n, ": no page");  // page.error() tells why, page.value() throws it
        }
    });
}
// [/completed]

int main(int argc, char** argv) {
    example::begin(argc, argv);
    rondo::run(show_as_they_come());
    say("finished");
}

// Output:
// [0.0 s] started
// [0.1 s] number 1: no page
// [0.4 s] number 2: the text of url_2
// [0.7 s] number 0: the text of url_0
// [0.7 s] finished
