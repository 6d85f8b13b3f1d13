// What happens to the others when one of several tasks fails: when_all cancels them, when_all_settled
// lets each come to its own end and hands back an outcome for each.

#include "stopwatch.hpp"

#include <rondo/rondo.hpp>

#include <stdexcept>
#include <string>
#include <vector>

using example::say;

// [download]
rondo::task<std::string> download_page(std::string url, int tenths) {
    co_await rondo::sleep(example::second * tenths / 10);
    if (url == "url_2") {
        throw std::runtime_error("no such page: " + url);
    }
    say("complete download: ", url);
    co_return "the text of " + url;
}

std::vector<rondo::task<std::string>> three_pages() {
    std::vector<rondo::task<std::string>> pages;
    pages.push_back(download_page("url_1", 2));
    pages.push_back(download_page("url_2", 5));
    pages.push_back(download_page("url_3", 8));
    return pages;
}
// [/download]

// [all]
rondo::task<> all_or_nothing() {
    try {
        co_await rondo::when_all(three_pages());
    } catch (const std::runtime_error& error) {
        say("when_all threw: ", error.what(), "; url_3 is cancelled");
    }
}
// [/all]

// [settled]
rondo::task<> each_for_itself() {
    std::vector<rondo::outcome<std::string>> outcomes = co_await rondo::when_all_settled(three_pages());
    for (rondo::outcome<std::string>& outcome : outcomes) {
        if (outcome.has_value()) {
            say("here is ", outcome.value());
        } else {
            say("no page here");  // outcome.error() tells why, outcome.value() throws it
        }
    }
}
// [/settled]

int main(int argc, char** argv) {
    example::begin(argc, argv);
    rondo::run(all_or_nothing());
    rondo::run(each_for_itself());
    say("finished");
}

// Output:
// [0.0 s] started
// [0.2 s] complete download: url_1
// [0.5 s] when_all threw: no such page: url_2; url_3 is cancelled
// [0.7 s] complete download: url_1
// [1.3 s] complete download: url_3
// [1.3 s] here is the text of url_1
// [1.3 s] no page here
// [1.3 s] here is the text of url_3
// [1.3 s] finished
