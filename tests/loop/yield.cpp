// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

#include <support/clocks.hpp>
#include <support/leak_check.hpp>
#include <support/tasks.hpp>

#include <rondo/loop/yield.hpp>
#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <catch2/catch_test_macros.hpp>

#include <string>

using namespace std::chrono_literals;
using rondo::event_loop;
using rondo::join_handle;
using rondo::task;
using support::lines;

TEST_CASE("yield goes on behind everything that is ready now") {
    lines log;
    auto main = [](lines& out) -> task<> {
        rondo::spawn(support::note(out, "first"));
        event_loop::current().post([&out] { out.push_back("second"); });
        co_await rondo::yield();
        out.push_back("third");
    };
    rondo::testing::run(main(log));
    CHECK(log == lines{"first", "second", "third"});
}

TEST_CASE("yielding tasks take turns strictly, also when some stop and others join in") {
    lines log;
    event_loop loop(support::virtual_time());
    loop.spawn(support::rounds(log, "a", 2));
    loop.spawn(support::rounds(log, "b", 4));
    loop.poll();
    loop.spawn(support::rounds(log, "c", 2));
    loop.run();
    CHECK(log == lines{"a1", "b1", "a2", "b2", "c1", "b3", "c2", "b4"});
}

TEST_CASE("a lone yielder goes on in the next round") {
    event_loop loop(support::virtual_time());
    join_handle<> handle = loop.spawn(support::yields(10));
    for (int i = 0; i < 11; ++i) CHECK(loop.poll() == 1);
    CHECK(handle.done());
}

TEST_CASE("a task that only yields does not starve timers") {
    lines log;
    support::manual_clock clock;
    clock.tick = 1ms;  // each look at the clock takes a millisecond
    auto busy = [](const lines& until) -> task<> {
        while (until.empty()) co_await rondo::yield();
    };
    event_loop loop(clock.driver());
    loop.spawn(support::note_after(log, "woke", 100ms));
    loop.run(busy(log));
    CHECK(log == lines{"woke"});
}

TEST_CASE("a task that only yields does not starve the real clock's timers") {
    lines log;
    auto busy = [](const lines& until) -> task<> {
        while (until.empty()) co_await rondo::yield();
    };
    auto main = [](lines& out, decltype(busy) spins) -> task<> {
        auto handle = rondo::spawn(support::note_after(out, "woke", 5ms));
        co_await spins(out);
    };
    rondo::run(main(log, busy));
    CHECK(log == lines{"woke"});
}

TEST_CASE("virtual time stands still while a task yields") {
    auto main = []() -> task<bool> {
        const auto start = event_loop::current().now();
        auto sleeper = rondo::spawn(support::nap(1ms));
        co_await support::yields(1'000);
        co_return event_loop::current().now() == start && !sleeper.done();
    };
    CHECK(rondo::testing::run(main()));
}

TEST_CASE("a million yields take constant stack and memory") { rondo::testing::run(support::yields(1'000'000)); }
