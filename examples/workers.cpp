// Workers on a queue, a page that fails, and a ticker that shows progress and ends with the work, however that ends.

#include "stopwatch.hpp"

#include <rondo/rondo.hpp>

#include <optional>
#include <stdexcept>
#include <string>

using example::say;

rondo::task<> download(int page) {
    co_await rondo::sleep(example::second);
    if (page == 4) {
        throw std::runtime_error("page 4 does not exist");
    }
}

// [worker]
rondo::task<> worker(rondo::bounded_queue<int>& pages, int& done) {
    for (;;) {
        const std::optional<int> page = co_await pages.pop();
        if (!page) {
            co_return;  // closed, and nothing left
        }
        try {
            co_await download(*page);
            ++done;
        } catch (const std::exception& error) {
            say("failed: ", error.what());
        }
    }
}

rondo::task<> show_progress(const int& done) {
    rondo::interval ticks(example::second * 7 / 5);
    for (;;) {
        co_await ticks.next();
        say(done, " pages so far");
    }
}

rondo::task<> produce(rondo::bounded_queue<int>& pages) {
    for (int page = 1; page <= 9; ++page) {
        co_await pages.push(page);  // waits while the queue is full
    }
    pages.close();
}

// [crawl]
rondo::task<> crawl() {
    rondo::bounded_queue<int> pages(2);
    int done = 0;
    co_await rondo::with_task_group([&](rondo::task_group& group) -> rondo::task<> {
        group.spawn(show_progress(done), "progress");  // may refer to `done`, which outlives the group
        // Under one when_all, a worker that throws would cancel the others and the producer.
        co_await rondo::when_all(produce(pages), worker(pages, done), worker(pages, done), worker(pages, done));
        group.cancel();  // the ticker would go on for ever
    });
    say(done, " pages done");
}
// [/crawl]
// [/worker]

int main(int argc, char** argv) {
    example::begin(argc, argv);
    rondo::run(crawl());
    say("finished");
}

// Output:
// [0.0 s] started
// [1.4 s] 3 pages so far
// [2.0 s] failed: page 4 does not exist
// [2.8 s] 5 pages so far
// [3.0 s] 8 pages done
// [3.0 s] finished
