// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

// with_timeout and lengths of every kind: a try, for ever, fractions, and what is not a number.

#include <support/clocks.hpp>
#include <support/journal.hpp>
#include <support/leak_check.hpp>
#include <support/tasks.hpp>
#include <support/tracked.hpp>

#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <catch2/catch_test_macros.hpp>

#include <chrono>
#include <cstdint>
#include <limits>
#include <optional>
#include <ratio>
#include <stdexcept>
#include <utility>

namespace {

using namespace std::chrono_literals;
using rondo::bounded_queue;
using rondo::event_loop;
using rondo::task;
using rondo::timeout_error;
using rondo::try_with_timeout;
using rondo::with_timeout;
using support::give;
using support::lines;
using support::nap;
using support::note_at_exit;
using support::tracked;

using duration = support::clock::duration;

auto now() { return event_loop::current().now(); }

template <class T>
task<T> give_after(T value, duration time) {
    co_await rondo::sleep(time);
    co_return std::move(value);
}

task<> wait_noted(lines& log, duration time) {
    note_at_exit gone(log, "op gone");
    co_await rondo::sleep(time);
    log.push_back("op ends");
}

/// Whether `with_timeout(length, op)` throws timeout_error, and not op.
template <class Length, class Op>
task<bool> times_out(Length length, Op op) {
    try {
        co_await with_timeout(length, std::move(op));
    } catch (const timeout_error&) {
        co_return true;
    }
    co_return false;
}

task<int> pops(bounded_queue<int>& queue) {
    const std::optional<int> message = co_await queue.pop();
    co_return message.value();
}

// ---- Lengths ----

task<> zero_is_a_try(lines& log) {
    bounded_queue<int> queue(2);
    for (const duration length : {duration(0), duration(-1), (duration::min)()}) {
        const auto empty = co_await try_with_timeout(length, queue.pop());
        CHECK(!empty);
        queue.try_push(5);
        const auto message = co_await try_with_timeout(length, queue.pop());
        CHECK(message == 5);
        queue.try_push(6);
        const auto by_task = co_await try_with_timeout(length, pops(queue));
        CHECK(by_task == 6);
        const int value = co_await with_timeout(length, give(7));
        CHECK(value == 7);
        const bool yields = co_await try_with_timeout(length, rondo::yield());
        CHECK(!yields);
        const bool sleeps = co_await try_with_timeout(length, rondo::sleep(0s));
        CHECK(!sleeps);
        const bool waits = co_await try_with_timeout(length, wait_noted(log, 1ms));
        CHECK(!waits);
    }
    CHECK(log == lines{"op gone", "op gone", "op gone"});
    CHECK(now() == support::time_point());
}

task<> zero_of_a_combinator() {
    bounded_queue<int> queue(2);
    const auto none = co_await try_with_timeout(0s, rondo::when_any(queue.pop(), rondo::sleep(1h)));
    CHECK(!none);
    queue.try_push(1);
    const auto one = co_await try_with_timeout(0s, rondo::when_any(queue.pop(), rondo::sleep(1h)));
    CHECK(one);
    queue.try_push(2);
    const auto not_both = co_await try_with_timeout(0s, rondo::when_all(queue.pop(), queue.pop()));
    CHECK(!not_both);
    CHECK(queue.size() == 1);
    queue.try_push(3);
    const auto both = co_await try_with_timeout(0s, rondo::when_all(queue.pop(), queue.pop()));
    CHECK(both);
    CHECK(queue.empty());
    const auto inner = co_await try_with_timeout(0s, try_with_timeout(1h, queue.pop()));
    CHECK(!inner);
    const auto outer = co_await try_with_timeout(1h, try_with_timeout(0s, queue.pop()));
    REQUIRE(outer);
    CHECK(!*outer);
    CHECK(now() == support::time_point());
}

task<> pops_many(bounded_queue<int>& queue, int count) {
    for (int i = 0; i < count; ++i) {
        const auto message = co_await queue.pop();
        CHECK(message == i);
    }
}

// An operation that the loop has put off for others' sake has not waited.
task<> zero_and_the_budget() {
    bounded_queue<int> queue(10'000);
    for (int i = 0; i < 10'000; ++i) queue.try_push(i);
    for (int i = 0; i < 10'000; ++i) {
        const auto message = co_await try_with_timeout(0s, queue.pop());
        if (message != i) {
            CHECK(message == i);
            break;
        }
    }
    for (int i = 0; i < 10'000; ++i) queue.try_push(i);
    const bool in_one = co_await try_with_timeout(0s, pops_many(queue, 10'000));
    CHECK(in_one);
    CHECK(queue.empty());
    for (int i = 0; i < 10'000; ++i) queue.try_push(i);
    for (int i = 0; i < 10'000; i += 2) {
        const auto pair = co_await try_with_timeout(0s, rondo::when_all(queue.pop(), queue.pop()));
        if (!pair) {
            CHECK(pair);
            break;
        }
    }
    CHECK(queue.empty());
}

task<> zero_and_the_budget_nested() {
    bounded_queue<int> queue(10'000);
    for (int i = 0; i < 10'000; ++i) queue.try_push(i);
    for (int i = 0; i < 10'000; ++i) {
        const auto message = co_await try_with_timeout(0s, with_timeout(-1s, rondo::uncancellable(queue.pop())));
        if (message != i) {
            CHECK(message == i);
            break;
        }
    }
    CHECK(queue.empty());
}

template <class Length>
task<> is_for_ever(Length length) {
    auto handle = rondo::spawn(times_out(length, support::stuck()));
    co_await rondo::yield();
    co_await rondo::yield();
    CHECK(!event_loop::current().next_deadline());
    handle.cancel();
    const int value = co_await with_timeout(length, give_after(3, 1h));
    CHECK(value == 3);
}

task<> lengths_for_ever() {
    co_await is_for_ever((duration::max)());
    co_await is_for_ever((std::chrono::hours::max)());
    co_await is_for_ever((std::chrono::duration<std::uint64_t, std::milli>::max)());
    co_await is_for_ever(std::chrono::duration<double>(std::numeric_limits<double>::infinity()));
    co_await is_for_ever(std::chrono::duration<float>(1e30F));
}

template <class Length>
task<duration> takes(Length length) {
    const auto start = now();
    const bool out_of_time = co_await times_out(length, nap(24h));
    CHECK(out_of_time);
    co_return now() - start;
}

task<> lengths_of_all_kinds() {
    const duration half = co_await takes(std::chrono::duration<double>(0.5));
    CHECK(half == 500ms);
    const duration minute = co_await takes(std::chrono::duration<unsigned char, std::ratio<60>>(2));
    CHECK(minute == 2min);
    const duration least = co_await takes(std::chrono::duration<std::int64_t, std::pico>(1));
    CHECK(least == 1ns);
    const duration little = co_await takes(std::chrono::duration<float>(1e-12F));
    CHECK(little == 1ns);
    const duration nothing = co_await takes(std::chrono::duration<double>(-std::numeric_limits<double>::infinity()));
    CHECK(nothing == 0ns);
    const duration negative = co_await takes(std::chrono::duration<double>(-0.5));
    CHECK(negative == 0ns);
}

task<> refuses_what_is_not_a_number(lines& log) {
    const auto nan = std::chrono::duration<double>(std::numeric_limits<double>::quiet_NaN());
    try {
        co_await with_timeout(nan, wait_noted(log, 1ms));
    } catch (const std::invalid_argument&) {
        log.push_back("invalid");
    }
    try {
        co_await try_with_timeout(nan, give(tracked(1)));
    } catch (const std::invalid_argument&) {
        log.push_back("invalid");
    }
}

task<> counts_from_the_first_wait(support::manual_clock& clock) {
    const auto op = [&]() -> task<> {
        clock.now += 1h;  // a busy start
        co_await rondo::sleep(5ms);
    };
    const bool in_time = co_await try_with_timeout(10ms, op());
    CHECK(in_time);
}

}  // namespace

TEST_CASE("a timeout of zero or less is a try: a value that is there without waiting is taken") {
    lines log;
    rondo::testing::run(zero_is_a_try(log));
}

TEST_CASE("a timeout of zero or less tries a combinator") { rondo::testing::run(zero_of_a_combinator()); }

TEST_CASE("a try takes what the loop has put off for others' sake") { rondo::testing::run(zero_and_the_budget()); }

TEST_CASE("a try of a try takes what the loop has put off") { rondo::testing::run(zero_and_the_budget_nested()); }

TEST_CASE("what is beyond the clock's range is for ever, and sets no timer") {
    rondo::testing::run(lengths_for_ever());
}

TEST_CASE("a timeout may be of any duration type, and is never early") { rondo::testing::run(lengths_of_all_kinds()); }

TEST_CASE("a timeout that is not a number throws, and the operation is not started") {
    lines log;
    rondo::testing::run(refuses_what_is_not_a_number(log));
    CHECK(log == lines{"invalid", "invalid"});
}

TEST_CASE("the time counts from where the operation first waits") {
    support::manual_clock clock;
    event_loop loop(clock.driver());
    loop.run(counts_from_the_first_wait(clock));
}
