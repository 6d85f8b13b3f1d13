// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

#include <support/clocks.hpp>
#include <support/leak_check.hpp>
#include <support/tasks.hpp>

#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>
#include <rondo/testing/virtual_driver.hpp>

#include <catch2/catch_test_macros.hpp>

#include <chrono>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using rondo::event_loop;
using rondo::task;
using rondo::testing::virtual_driver;
using support::lines;

TEST_CASE("virtual time jumps to the deadline, and never back") {
    virtual_driver driver;
    const auto start = driver.now();
    CHECK(driver.now() == start);
    driver.wait(start + 5s);
    CHECK(driver.now() == start + 5s);
    driver.wait(start + 1s);
    CHECK(driver.now() == start + 5s);
}

TEST_CASE("virtual time can be moved by hand") {
    auto owned = std::make_unique<virtual_driver>();
    virtual_driver& driver = *owned;
    lines log;
    event_loop loop(std::move(owned));
    loop.spawn(support::note_after(log, "woke", 5s));
    loop.poll();
    driver.advance(4s);
    CHECK(loop.poll() == 0);
    driver.advance(1s);
    CHECK(loop.poll() == 1);
    CHECK(log == lines{"woke"});
}

TEST_CASE("virtual time stands still while anything is ready") {
    event_loop loop(support::virtual_time());
    const auto start = loop.now();
    loop.spawn(support::nap(1s));
    loop.run(support::yields(100));
    CHECK(loop.now() == start);
}

TEST_CASE("a year of work takes no time") {
    auto body = []() -> task<int> {
        int days = 0;
        for (; days < 365; ++days) co_await rondo::sleep(24h);
        co_return days;
    };
    const auto before = std::chrono::steady_clock::now();
    event_loop loop(support::virtual_time());
    const auto start = loop.now();
    CHECK(loop.run(body()) == 365);
    CHECK(loop.now() - start == 365 * 24h);
    CHECK(std::chrono::steady_clock::now() - before < 1s);
}

namespace {

task<> wanders(std::vector<std::string>& trace, unsigned seed) {
    std::mt19937 random(seed);
    for (int i = 0; i < 20; ++i) {
        const auto now = event_loop::current().now().time_since_epoch();
        trace.push_back(std::to_string(seed) + " at " + std::to_string(now.count()));
        switch (random() % 4) {
            case 0:
                co_await rondo::yield();
                break;
            case 1:
                co_await rondo::sleep(std::chrono::milliseconds(random() % 3));
                break;
            case 2:
                co_await support::yields(static_cast<int>(random() % 3));
                break;
            default:
                rondo::spawn(support::note(trace, std::to_string(seed) + " spawned"));
                break;
        }
    }
}

std::vector<std::string> trace_of_a_run() {
    std::vector<std::string> trace;
    event_loop loop(support::virtual_time());
    for (unsigned seed = 0; seed < 30; ++seed) loop.spawn(wanders(trace, seed));
    loop.run();
    return trace;
}

}  // namespace

TEST_CASE("two runs on virtual time take the same steps at the same times") {
    const std::vector<std::string> first = trace_of_a_run();
    CHECK(first.size() >= 600);
    CHECK(first == trace_of_a_run());
}
