// Testing with virtual time: the clock stands still while anything is ready and jumps to the next timer
// when nothing is. An hour passes in microseconds, exactly, and every time alike.

#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <chrono>
#include <iostream>
#include <memory>
#include <stdexcept>

using namespace std::chrono_literals;

// [retry]
// What is to be tested: asks again and again, and waits twice as long each time.
rondo::task<int> connect_with_patience() {
    auto pause = 1min;
    for (int attempt = 1;; ++attempt) {
        if (attempt == 7) {
            co_return attempt;  // the server is back
        }
        co_await rondo::sleep(pause);
        pause *= 2;
    }
}

rondo::task<> test_patience() {
    const auto start = rondo::event_loop::current().now();
    const int attempts = co_await connect_with_patience();
    const auto waited = rondo::event_loop::current().now() - start;

    std::cout << attempts << " attempts, " << waited / 1min << " minutes\n";
    if (waited != 63min) {  // not about 63 minutes: 63 minutes
        throw std::logic_error("it should have waited for 63 minutes");
    }
}
// [/retry]

// [interval]
rondo::task<> test_interval() {
    rondo::interval hourly(1h);
    const auto start = rondo::event_loop::current().now();
    for (int n = 0; n < 24; ++n) {
        co_await hourly.next();
    }
    std::cout << "24 ticks, " << (rondo::event_loop::current().now() - start) / 1h << " hours\n";
}
// [/interval]

int main() {
    const auto start = std::chrono::steady_clock::now();

    // [run]
    rondo::testing::run(test_patience());

    rondo::event_loop loop(std::make_unique<rondo::testing::virtual_driver>());  // or by hand
    loop.run(test_interval());
    // [/run]

    const std::chrono::duration<double, std::milli> taken = std::chrono::steady_clock::now() - start;
    std::cout << "25 hours in " << (taken < 100ms ? "less" : "more") << " than a tenth of a second\n";
}

// Output:
// 7 attempts, 63 minutes
// 24 ticks, 24 hours
// 25 hours in less than a tenth of a second
