// One loop, one thread; another thread hands its results in through loop_handle::post. A work_guard
// tells the loop that something may still come from outside.

#include "stopwatch.hpp"

#include <rondo/rondo.hpp>

#include <string>
#include <thread>

using example::say;

// [listener]
rondo::task<> print_results(rondo::bounded_queue<std::string>& results) {
    while (const auto result = co_await results.pop()) {
        say("result: ", *result);
    }
    say("no more results");
}
// [/listener]

int main(int argc, char** argv) {
    example::begin(argc, argv);

    // [thread]
    rondo::event_loop loop;
    rondo::bounded_queue<std::string> results(10);

    std::thread worker([&results, home = loop.handle(), guard = loop.keep_alive()]() mutable {
        for (int n = 1; n <= 3; ++n) {
            std::this_thread::sleep_for(example::second / 2);  // blocking is fine here
            home.post([&results, n] { results.try_push("number " + std::to_string(n)); });
        }
        home.post([&results] { results.close(); });
    });

    loop.run(print_results(results));  // without the guard: a deadlock_error, for nothing inside could wake it
    worker.join();
    // [/thread]
}

// Output:
// [0.0 s] started
// [0.5 s] result: number 1
// [1.0 s] result: number 2
// [1.5 s] result: number 3
// [1.5 s] no more results
