// A task group: tasks whose number is not known beforehand. Who opened the group goes on when all of
// them have ended; when one fails, the others are cancelled.

#include "stopwatch.hpp"

#include <rondo/rondo.hpp>

#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

using example::say;

const std::map<std::string, std::vector<std::string>> links = {
    {"home", {"news", "about"}},
    {"news", {"home", "monday", "tuesday"}},
    {"about", {"home", "a page that is gone"}},
};

std::vector<std::string> links_on(const std::string& page) {
    const auto found = links.find(page);
    return found == links.end() ? std::vector<std::string>() : found->second;
}

// [crawl]
class crawler {
public:
    explicit crawler(bool strict) : strict_(strict) {}

    rondo::task<std::size_t> crawl(std::string start) {
        co_await rondo::with_task_group([&](rondo::task_group& group) -> rondo::task<> {
            add(group, start);
            co_return;  // the group goes on for as long as it has tasks
        });
        co_return seen_.size();
    }

private:
    void add(rondo::task_group& group, const std::string& page) {
        if (seen_.insert(page).second) {
            group.spawn(visit(group, page), page);
        }
    }

    rondo::task<> visit(rondo::task_group& group, std::string page) {
        co_await rondo::sleep(example::second);
        if (strict_ && page == "a page that is gone") {
            throw std::runtime_error(page);
        }
        say("visited: ", page);
        for (const std::string& link : links_on(page)) {
            add(group, link);  // tasks of the group may spawn more
        }
    }

    std::set<std::string> seen_;
    bool strict_;
};
// [/crawl]

rondo::task<> crawl_twice() {
    crawler patient(false);
    const std::size_t pages = co_await patient.crawl("home");
    say(pages, " pages");

    // [failure]
    crawler strict(true);
    try {
        co_await strict.crawl("about");
    } catch (const std::runtime_error& error) {
        say("failed: ", error.what());  // nothing of the crawl is left now
    }
    // [/failure]
}

int main(int argc, char** argv) {
    example::begin(argc, argv);
    rondo::run(crawl_twice());
    say("finished");
}

// Output:
// [0.0 s] started
// [1.0 s] visited: home
// [2.0 s] visited: news
// [2.0 s] visited: about
// [3.0 s] visited: monday
// [3.0 s] visited: tuesday
// [3.0 s] visited: a page that is gone
// [3.0 s] 6 pages
// [4.0 s] visited: about
// [5.0 s] visited: home
// [5.0 s] failed: a page that is gone
// [5.0 s] finished
