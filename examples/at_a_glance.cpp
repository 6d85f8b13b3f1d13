// Tasks, a queue, a timeout and a lock on one page: two workers fetch six pages, and give up those that
// take too long.

#include <rondo/rondo.hpp>

#include <cstdio>
#include <optional>

using namespace std::chrono_literals;

// [glance]
rondo::task<int> fetch(int page) {
    co_await rondo::sleep(page % 3 == 0 ? 2s : 50ms);
    co_return page * 100;
}

rondo::task<> worker(rondo::bounded_queue<int>& pages, rondo::mutex& m, int& bytes) {
    while (const std::optional<int> page = co_await pages.pop()) {  // empty once closed and drained
        const std::optional<int> size = co_await rondo::try_with_timeout(500ms, fetch(*page));
        if (!size) continue;  // too slow: cancelled, and gone
        const auto guard = co_await m.scoped_lock();
        bytes += *size;
    }
}

rondo::task<int> crawl() {
    rondo::bounded_queue<int> pages(2);
    rondo::mutex m;
    int bytes = 0;
    const auto produce = [&]() -> rondo::task<> {
        for (int page = 1; page <= 6; ++page) co_await pages.push(page);  // waits while it is full
        pages.close();
    };
    co_await rondo::when_all(produce(), worker(pages, m, bytes), worker(pages, m, bytes));
    co_return bytes;
}
// [/glance]

int main() { std::printf("%d bytes\n", rondo::run(crawl())); }

// Output:
// 1200 bytes
