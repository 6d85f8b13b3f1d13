// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

#include <support/leak_check.hpp>
#include <support/tasks.hpp>

#include <rondo/loop/work_guard.hpp>
#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <catch2/catch_test_macros.hpp>

#include <chrono>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using rondo::event_loop;

TEST_CASE("a guard may be destroyed on another thread, which ends the run that it kept alive") {
    for (int i = 0; i < 50; ++i) {
        event_loop loop;
        std::thread other([guard = loop.keep_alive(), i]() mutable {
            if (i % 5 == 0) std::this_thread::sleep_for(1ms);
            guard.reset();
        });
        loop.run();
        other.join();
    }
}

TEST_CASE("several threads may hold guards; the run ends with the last") {
    event_loop loop;
    std::vector<std::thread> threads;
    std::vector<int> order;
    for (int i = 0; i < 4; ++i) {
        threads.emplace_back([&loop, &order, guard = loop.keep_alive(), i] {
            std::this_thread::sleep_for(std::chrono::milliseconds(i));
            loop.post([&order, i] { order.push_back(i); });
        });
    }
    loop.run();
    for (std::thread& one : threads) one.join();
    loop.run();  // a post may have come after the end of its guard
    CHECK(order.size() == 4);
}
