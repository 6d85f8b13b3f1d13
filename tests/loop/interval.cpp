// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

#include <support/clocks.hpp>
#include <support/leak_check.hpp>
#include <support/tasks.hpp>

#include <rondo/loop/interval.hpp>
#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <catch2/catch_test_macros.hpp>

#include <chrono>
#include <limits>
#include <stdexcept>
#include <vector>

using namespace std::chrono_literals;
using rondo::event_loop;
using rondo::join_handle;
using rondo::missed_ticks;
using rondo::task;

namespace {

using milliseconds = std::chrono::milliseconds;
using times = std::vector<milliseconds>;

milliseconds since(rondo::time_point start) {
    return std::chrono::duration_cast<milliseconds>(event_loop::current().now() - start);
}

task<times> regular(int count) {
    const auto start = event_loop::current().now();
    rondo::interval ticks(1s);
    times seen;
    for (int i = 0; i < count; ++i) {
        co_await ticks.next();
        seen.push_back(since(start));
        co_await rondo::sleep(milliseconds(i % 2 == 0 ? 300 : 999));  // work that fits in
    }
    co_return seen;
}

/// Misses the ticks at 1, 2 and 3 s.
task<times> late(missed_ticks policy, milliseconds absence) {
    const auto start = event_loop::current().now();
    rondo::interval ticks(1s, policy);
    co_await rondo::sleep(absence);
    times seen;
    for (int i = 0; i < 5; ++i) {
        co_await ticks.next();
        seen.push_back(since(start));
    }
    co_return seen;
}

}  // namespace

TEST_CASE("an interval ticks first after one period, and then keeps its pace without drift") {
    CHECK(rondo::testing::run(regular(5)) == times{1s, 2s, 3s, 4s, 5s});
}

TEST_CASE("missed ticks can be skipped: the next one is the next multiple of the period") {
    CHECK(rondo::testing::run(late(missed_ticks::skip, 3500ms)) == times{4s, 5s, 6s, 7s, 8s});
    CHECK(rondo::testing::run(late(missed_ticks::skip, 3s)) == times{3s, 4s, 5s, 6s, 7s});
}

TEST_CASE("of missed ticks one can come at once, from which the period counts anew") {
    CHECK(rondo::testing::run(late(missed_ticks::delay, 3500ms)) == times{3500ms, 4500ms, 5500ms, 6500ms, 7500ms});
}

TEST_CASE("missed ticks can all come at once") {
    CHECK(rondo::testing::run(late(missed_ticks::burst, 3500ms)) == times{3500ms, 3500ms, 3500ms, 4s, 5s});
}

TEST_CASE("without a choice missed ticks are skipped") {
    auto body = []() -> task<milliseconds> {
        const auto start = event_loop::current().now();
        rondo::interval ticks(1s);
        co_await rondo::sleep(2500ms);
        co_await ticks.next();
        co_return since(start);
    };
    CHECK(rondo::testing::run(body()) == 3s);
}

TEST_CASE("a tick that is due lets others go first") {
    auto other = [](bool& ran) -> task<> {
        ran = true;
        co_return;
    };
    auto body = [](decltype(other) sets) -> task<bool> {
        rondo::interval ticks(1s, missed_ticks::burst);
        co_await rondo::sleep(5s);
        bool ran = false;
        auto handle = rondo::spawn(sets(ran));
        co_await ticks.next();
        co_return ran;
    };
    CHECK(rondo::testing::run(body(other)));
}

TEST_CASE("cancelling a wait for a tick leaves no timer behind") {
    event_loop loop(support::virtual_time());
    auto body = []() -> task<> {
        rondo::interval ticks(1s);
        for (;;) co_await ticks.next();
    };
    join_handle<> handle = loop.spawn(body());
    loop.poll();
    CHECK(loop.next_deadline().has_value());
    handle.cancel();
    CHECK(!loop.next_deadline().has_value());
}

TEST_CASE("a cancelled wait for a tick uses up no tick") {
    auto waits = [](rondo::interval& ticks, times& seen, rondo::time_point start) -> task<> {
        co_await ticks.next();
        seen.push_back(since(start));
    };
    auto body = [](decltype(waits) wait_for) -> task<times> {
        const auto start = event_loop::current().now();
        rondo::interval ticks(1s);
        times seen;
        join_handle<> first = rondo::spawn(wait_for(ticks, seen, start));
        co_await rondo::sleep(500ms);
        first.cancel();
        co_await wait_for(ticks, seen, start);
        co_await wait_for(ticks, seen, start);
        co_return seen;
    };
    CHECK(rondo::testing::run(body(waits)) == times{1s, 2s});
}

TEST_CASE("an interval may have any duration for its period, but not zero, less, or no number") {
    auto ticks_after = [](auto period) -> task<std::chrono::nanoseconds> {
        const auto start = event_loop::current().now();
        rondo::interval ticks(period);
        co_await ticks.next();
        co_return event_loop::current().now() - start;
    };
    CHECK(rondo::testing::run(ticks_after(std::chrono::duration<double>(0.5))) == 500ms);
    CHECK(rondo::testing::run(ticks_after(std::chrono::duration<long long, std::pico>(1))) == 1ns);
    CHECK_THROWS_AS(rondo::testing::run(ticks_after(0s)), std::invalid_argument);
    CHECK_THROWS_AS(rondo::testing::run(ticks_after(-1s)), std::invalid_argument);
    const std::chrono::duration<double> no_number(std::numeric_limits<double>::quiet_NaN());
    CHECK_THROWS_AS(rondo::testing::run(ticks_after(no_number)), std::invalid_argument);
}

TEST_CASE("an interval of more than the clock can express never ticks") {
    auto body = []() -> task<> {
        rondo::interval ticks((std::chrono::hours::max)());
        co_await ticks.next();
    };
    CHECK_THROWS_AS(rondo::testing::run(body()), rondo::deadlock_error);
}
