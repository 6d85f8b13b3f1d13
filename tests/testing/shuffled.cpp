// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

#include <support/journal.hpp>
#include <support/leak_check.hpp>
#include <support/tasks.hpp>

#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>
#include <rondo/testing/shuffled.hpp>

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using rondo::event_loop;
using rondo::join_handle;
using rondo::task;
using rondo::testing::shuffled;
using support::lines;

namespace {

/// What four tasks do that are ready together, each twice.
lines order_of(std::uint64_t seed, int times) {
    lines log;
    shuffled loop(seed);
    for (const char* name : {"a", "b", "c", "d"}) loop.spawn(support::rounds(log, name, times));
    loop.run();
    return log;
}

/// Relies on what a plain loop happens to do: that the task spawned first runs first.
task<> relies_on_order(bool& was_ready) {
    bool configured = false;
    auto configures = [](bool& done) -> task<> {
        done = true;
        co_return;
    };
    auto serves = [](const bool& done, bool& ready) -> task<> {
        ready = done;
        co_return;
    };
    auto first = rondo::spawn(configures(configured));
    auto second = rondo::spawn(serves(configured, was_ready));
    co_await first;
    co_await second;
}

}  // namespace

// --- the order ---

TEST_CASE("the same seed gives the same order") {
    for (std::uint64_t seed = 0; seed < 50; ++seed) CHECK(order_of(seed, 3) == order_of(seed, 3));
}

TEST_CASE("every order of four ready tasks comes up") {
    std::set<lines> orders;
    for (std::uint64_t seed = 0; seed < 1'000; ++seed) orders.insert(order_of(seed, 1));
    CHECK(orders.size() == 24);
}

TEST_CASE("a task may come several times before another comes once") {
    std::set<lines> orders;
    for (std::uint64_t seed = 0; seed < 1'000; ++seed) orders.insert(order_of(seed, 2));
    const bool any = std::any_of(orders.begin(), orders.end(),
                                 [](const lines& order) { return order[0] == "a1" && order[1] == "a2"; });
    CHECK(any);
    for (const lines& order : orders)
        for (const std::string name : {"a", "b", "c", "d"})
            CHECK(std::find(order.begin(), order.end(), name + "1") <
                  std::find(order.begin(), order.end(), name + "2"));
}

TEST_CASE("large seeds give orders, too, and neighbours give different ones") {
    const std::uint64_t last = ~std::uint64_t{0};
    CHECK(order_of(last, 3) == order_of(last, 3));
    CHECK(order_of(last, 3) != order_of(last - 1, 3));
}

TEST_CASE("a program that relies on the order of spawning shows") {
    bool was_ready = false;
    rondo::testing::run(relies_on_order(was_ready));
    CHECK(was_ready);
    int failures = 0;
    for (std::uint64_t seed = 0; seed < 100; ++seed) {
        shuffled loop(seed);
        loop.run(relies_on_order(was_ready));
        if (!was_ready) ++failures;
    }
    CHECK(failures > 0);
    CHECK(failures < 100);
}

TEST_CASE("an update that is lost in some order is lost for some seed") {
    int lost = 0;
    for (std::uint64_t seed = 0; seed < 100; ++seed) {
        int counter = 0;
        auto increments = [](int& number) -> task<> {
            const int before = number;
            co_await rondo::yield();
            number = before + 1;
        };
        shuffled loop(seed);
        loop.spawn(increments(counter));
        loop.spawn(increments(counter));
        loop.run();
        REQUIRE((counter == 1 || counter == 2));
        if (counter == 1) ++lost;
    }
    CHECK(lost > 0);
    CHECK(lost < 100);
}

TEST_CASE("posted functions are steps, and come in any order, too") {
    std::set<lines> orders;
    for (std::uint64_t seed = 0; seed < 100; ++seed) {
        lines log;
        shuffled loop(seed);
        loop.spawn(support::note(log, "task"));
        loop.post([&] { log.push_back("post"); });
        loop.run();
        REQUIRE(log.size() == 2);
        orders.insert(log);
    }
    CHECK(orders.size() == 2);
}

// --- time ---

TEST_CASE("time is virtual and starts at zero") {
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
        shuffled loop(seed);
        CHECK(loop.now() == rondo::time_point());
        loop.run(support::nap(1'000h));
        CHECK(loop.now() == rondo::time_point() + 1'000h);
    }
}

TEST_CASE("time stands still while anything is ready, in any order") {
    for (std::uint64_t seed = 0; seed < 100; ++seed) {
        shuffled loop(seed);
        auto busy = [](event_loop& l) -> task<> {
            for (int i = 0; i < 20; ++i) co_await rondo::yield();
            CHECK(l.now() == rondo::time_point());
        };
        loop.spawn(support::nap(1ms));
        loop.spawn(busy(loop));
        loop.spawn(busy(loop));
        loop.run();
        CHECK(loop.now() == rondo::time_point() + 1ms);
    }
}

TEST_CASE("a later timer never comes before an earlier one") {
    for (std::uint64_t seed = 0; seed < 100; ++seed) {
        lines log;
        shuffled loop(seed);
        for (int i = 9; i > 0; --i) loop.spawn(support::note_after(log, std::to_string(i), i * 1ms));
        loop.run();
        CHECK(log == lines{"1", "2", "3", "4", "5", "6", "7", "8", "9"});
    }
}

TEST_CASE("those who wake at the same instant come in any order") {
    std::set<lines> orders;
    for (std::uint64_t seed = 0; seed < 500; ++seed) {
        lines log;
        shuffled loop(seed);
        for (const char* name : {"a", "b", "c"}) loop.spawn(support::note_after(log, name, 1s));
        loop.run();
        orders.insert(log);
    }
    CHECK(orders.size() == 6);
}

// --- it is an event_loop ---

TEST_CASE("it is an event_loop: run gives main's result, and spawned tasks stay") {
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
        shuffled own(seed);
        event_loop& loop = own;
        auto main = [](event_loop& here) -> task<int> {
            CHECK(&event_loop::current() == &here);
            const int value = co_await rondo::spawn(support::give(20));
            co_return value + 1;
        };
        join_handle<> stays = loop.spawn(support::stuck());
        CHECK(loop.run(main(loop)) == 21);
        CHECK(!stays.done());
        stays.cancel();
        CHECK(stays.done());
        loop.run();
    }
}

TEST_CASE("poll takes a step that is ready, and none when there is none") {
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
        shuffled loop(seed);
        CHECK(loop.poll() == 0);
        lines log;
        loop.spawn(support::rounds(log, "a", 2));
        loop.spawn(support::rounds(log, "b", 2));
        std::size_t steps = 0;
        while (const std::size_t taken = loop.poll()) steps += taken;
        CHECK(steps == 6);  // a start and two resumptions each
        CHECK(log.size() == 4);
    }
}

TEST_CASE("failures, stop and deadlocks end a run as they do elsewhere") {
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
        shuffled loop(seed);
        CHECK_THROWS_AS(loop.run(support::fail("main")), std::runtime_error);
        loop.spawn(support::fail("nobody's"));
        CHECK_THROWS_AS(loop.run(support::stuck()), std::runtime_error);
        loop.stop();
        CHECK_THROWS_AS(loop.run(support::yields(3)), rondo::cancelled);
        CHECK_THROWS_AS(loop.run(support::stuck()), rondo::deadlock_error);
        CHECK(loop.run(support::give(1)) == 1);
    }
}

TEST_CASE("a loop that goes in the middle takes its tasks along, whatever the order") {
    for (std::uint64_t seed = 0; seed < 50; ++seed) {
        lines log;
        {
            shuffled loop(seed);
            auto cleans = [](lines& out) -> task<> {
                const auto cleanup = [&out]() -> task<> {
                    co_await rondo::yield();
                    out.push_back("clean");
                };
                co_await rondo::finally(support::stuck(), cleanup);
            };
            for (int i = 0; i < 3; ++i) loop.spawn(cleans(log));
            loop.spawn(support::waits_for_ever(log, "waiter"));
            for (int i = 0; i < 6; ++i) loop.poll();
        }
        CHECK(std::count(log.begin(), log.end(), "clean") == 3);
        CHECK(std::count(log.begin(), log.end(), "waiter gone") == 1);
    }
}

TEST_CASE("two shuffled loops know nothing of each other") {
    const lines alone = order_of(7, 3);
    lines log, other_log;
    shuffled loop(7), other(8);
    for (const char* name : {"a", "b", "c", "d"}) loop.spawn(support::rounds(log, name, 3));
    for (const char* name : {"a", "b", "c", "d"}) other.spawn(support::rounds(other_log, name, 3));
    while (loop.poll() + other.poll() != 0) {
    }
    CHECK(log == alone);
    CHECK(other_log == order_of(8, 3));
}
