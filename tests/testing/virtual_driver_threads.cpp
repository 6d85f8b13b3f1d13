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
#include <optional>
#include <thread>

using namespace std::chrono_literals;
using rondo::event_loop;

TEST_CASE("with no timer to jump to, virtual time waits for a real wake-up") {
    event_loop loop(support::virtual_time());
    const auto start = loop.now();
    std::optional<rondo::work_guard> guard(loop.keep_alive());
    bool ran = false;
    std::thread other([&] {
        std::this_thread::sleep_for(10ms);
        loop.post([&] {
            ran = true;
            guard.reset();
        });
    });
    loop.run();
    other.join();
    CHECK(ran);
    CHECK(loop.now() == start);
}

TEST_CASE("a post that comes before the wait is not slept over") {
    for (int i = 0; i < 100; ++i) {
        event_loop loop(support::virtual_time());
        auto guard = std::optional(loop.keep_alive());
        std::thread other([&] { loop.post([&] { guard.reset(); }); });
        loop.run();
        other.join();
    }
}
