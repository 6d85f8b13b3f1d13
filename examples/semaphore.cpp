// Ten thousand downloads, ten at a time. At a second each that is a good quarter of an hour, so it is
// on virtual time.

#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <algorithm>
#include <chrono>
#include <iostream>
#include <utility>
#include <vector>

using namespace std::chrono_literals;

// [download]
struct counters {
    int now = 0;
    int most = 0;
    int done = 0;
};

rondo::task<> download_page(rondo::semaphore& at_once, counters& count) {
    const auto permit = co_await at_once.scoped_acquire();  // waits while ten are at it
    count.most = std::max(count.most, ++count.now);
    co_await rondo::sleep(1s);
    --count.now;
    ++count.done;
}  // here, or where it is cancelled, the permit goes to the next

rondo::task<> many_pages(int pages) {
    rondo::semaphore at_once(10);
    counters count;
    const auto start = rondo::event_loop::current().now();

    std::vector<rondo::task<>> downloads;
    for (int n = 0; n < pages; ++n) {
        downloads.push_back(download_page(at_once, count));
    }
    co_await rondo::when_all(std::move(downloads));

    std::cout << count.done << " downloads in " << (rondo::event_loop::current().now() - start) / 1s << " s, "
              << count.most << " at a time\n";
}
// [/download]

// [limited]
// If all that you want is a limit for these tasks, this is shorter.
rondo::task<> the_short_way(int pages) {
    const auto start = rondo::event_loop::current().now();
    std::vector<int> numbers(static_cast<std::size_t>(pages));
    co_await rondo::for_each_concurrent(numbers, 10, [](int) { return rondo::sleep(1s); });
    std::cout << "the same in " << (rondo::event_loop::current().now() - start) / 1s << " s\n";
}
// [/limited]

int main() {
    rondo::testing::run(many_pages(10'000));
    rondo::testing::run(the_short_way(10'000));
}

// Output:
// 10000 downloads in 1000 s, 10 at a time
// the same in 1000 s
