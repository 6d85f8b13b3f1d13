// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

#include <support/leak_check.hpp>
#include <support/tasks.hpp>

#include <rondo/loop/default_driver.hpp>
#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <catch2/catch_test_macros.hpp>

#include <atomic>
#include <chrono>
#include <ctime>
#include <optional>
#include <thread>

using namespace std::chrono_literals;
using rondo::default_driver;
using rondo::event_loop;

TEST_CASE("another thread's wake-up ends a wait, with and without a deadline") {
    default_driver driver;
    for (const bool with_deadline : {true, false}) {
        std::thread other([&] {
            std::this_thread::sleep_for(5ms);
            driver.wake();
        });
        const auto before = driver.now();
        driver.wait(with_deadline ? std::optional(driver.now() + 1h) : std::nullopt);
        CHECK(driver.now() - before < 1min);
        other.join();
    }
}

TEST_CASE("wake-ups from several threads are never lost") {
    default_driver driver;
    std::atomic<int> sent = 0;
    std::atomic<bool> stop = false;
    std::thread others[2];
    for (std::thread& one : others) {
        one = std::thread([&] {
            while (!stop) {
                ++sent;
                driver.wake();
            }
        });
    }
    for (int i = 0; i < 2'000; ++i) {
        const int before = sent;
        driver.wait(std::nullopt);
        CHECK(sent >= before);
    }
    stop = true;
    for (std::thread& one : others) one.join();
}

#ifndef _WIN32  // where std::clock() shows the time of the day
TEST_CASE("an idle loop that is woken now and then uses next to no processor time") {
    event_loop loop;
    auto guard = std::optional(loop.keep_alive());
    std::thread other([&loop, &guard] {
        for (int i = 0; i < 10; ++i) {
            std::this_thread::sleep_for(50ms);
            loop.post([] {});
        }
        loop.post([&guard] { guard.reset(); });
    });
    const std::clock_t before = std::clock();
    loop.run();
    const double used = double(std::clock() - before) / CLOCKS_PER_SEC;
    other.join();
    CHECK(used < 0.02);
}
#endif
