// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

// The default driver alone, and a loop on it: real time is the subject here.

#include <support/leak_check.hpp>
#include <support/tasks.hpp>

#include <rondo/loop/default_driver.hpp>
#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <catch2/catch_test_macros.hpp>

#include <chrono>
#include <ctime>
#include <optional>

using namespace std::chrono_literals;
using rondo::default_driver;

namespace {

[[maybe_unused]] std::chrono::duration<double> cpu_time() {
    return std::chrono::duration<double>(double(std::clock()) / CLOCKS_PER_SEC);
}

}  // namespace

TEST_CASE("the default driver shows the steady clock") {
    default_driver driver;
    const auto before = std::chrono::steady_clock::now();
    const auto shown = driver.now();
    CHECK(before <= shown);
    CHECK(shown <= std::chrono::steady_clock::now());
}

TEST_CASE("waiting for a deadline ends when that is reached, not before") {
    default_driver driver;
    for (int i = 0; i < 5; ++i) {
        const auto deadline = driver.now() + 3ms;
        driver.wait(deadline);
        CHECK(driver.now() >= deadline);
    }
}

TEST_CASE("a deadline that has passed is no wait") {
    default_driver driver;
    const auto before = driver.now();
    driver.wait(before);
    driver.wait(before - 1h);
    driver.wait((rondo::time_point::min)());
    CHECK(driver.now() - before < 1s);
}

TEST_CASE("a wake-up before the wait is not lost, and ends one wait") {
    default_driver driver;
    driver.wake();
    driver.wake();
    driver.wait(std::nullopt);
    driver.wake();
    driver.wait(driver.now() + 1h);
    driver.wake();
    driver.wait((rondo::time_point::max)());
    const auto deadline = driver.now() + 3ms;
    driver.wait(deadline);
    CHECK(driver.now() >= deadline);
}

#ifndef _WIN32  // where std::clock() shows the time of the day
TEST_CASE("two idle seconds cost less than 10 ms of processor time") {
    rondo::run(support::nap(1ms));  // what has never run may have to be loaded
    const auto cpu_before = cpu_time();
    const auto before = std::chrono::steady_clock::now();
    rondo::run(support::nap(2s));
    CHECK(std::chrono::steady_clock::now() - before >= 2s);
    CHECK(cpu_time() - cpu_before < 10ms);
}
#endif

TEST_CASE("tasks that sleep side by side take as long as the longest") {
    auto main = []() -> rondo::task<> {
        auto first = rondo::spawn(support::nap(200ms));
        auto second = rondo::spawn(support::nap(200ms));
        auto third = rondo::spawn(support::nap(200ms));
        co_await first;
        co_await second;
        co_await third;
    };
    const auto before = std::chrono::steady_clock::now();
    rondo::run(main());
    const auto took = std::chrono::steady_clock::now() - before;
    CHECK(took >= 200ms);
    CHECK(took < 590ms);  // not one after another
}
