// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

#include <support/clocks.hpp>
#include <support/leak_check.hpp>
#include <support/tasks.hpp>

#include <rondo/loop/sleep.hpp>
#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <random>
#include <ratio>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using rondo::event_loop;
using rondo::join_handle;
using rondo::task;
using support::lines;

namespace {

using nanoseconds = std::chrono::nanoseconds;

template <class Rep, class Period>
task<> sleeps(std::chrono::duration<Rep, Period> length) {
    co_await rondo::sleep(length);
}

/// How long a sleep took on virtual time.
template <class Rep, class Period>
nanoseconds slept(std::chrono::duration<Rep, Period> length) {
    event_loop loop(support::virtual_time());
    const auto start = loop.now();
    loop.run(sleeps(length));
    return loop.now() - start;
}

/// Whether a sleep is one that nothing ends: it sets no timer, and is a deadlock when it is all there is.
template <class Rep, class Period>
bool is_endless(std::chrono::duration<Rep, Period> length) {
    support::manual_clock clock;
    event_loop loop(clock.driver());
    join_handle<> handle = loop.spawn(sleeps(length));
    loop.poll();
    loop.poll();
    return !handle.done() && !loop.next_deadline().has_value();
}

/// Whether a sleep is over in the round after it began.
template <class Rep, class Period>
bool is_yield(std::chrono::duration<Rep, Period> length) {
    support::manual_clock clock;
    event_loop loop(clock.driver());
    join_handle<> handle = loop.spawn(sleeps(length));
    const bool first = loop.poll() == 1 && !handle.done();
    return first && loop.poll() == 1 && handle.done();
}

}  // namespace

// --- lengths ---

TEST_CASE("a sleep takes exactly its length on virtual time") {
    CHECK(slept(1ns) == 1ns);
    CHECK(slept(1ms) == 1ms);
    CHECK(slept(1h) == 1h);
    CHECK(slept(std::chrono::hours(24 * 365 * 100)) == std::chrono::hours(24 * 365 * 100));
}

TEST_CASE("an hour of virtual sleep takes no time") {
    const auto before = std::chrono::steady_clock::now();
    slept(1h);
    CHECK(std::chrono::steady_clock::now() - before < 1s);
}

TEST_CASE("any duration will do: unsigned, tiny, huge and floating units") {
    CHECK(slept(std::chrono::duration<unsigned char, std::milli>(std::uint8_t{200})) == 200ms);
    CHECK(slept(std::chrono::duration<std::uint64_t, std::micro>(5)) == 5us);
    CHECK(slept(std::chrono::duration<double>(0.5)) == 500ms);
    CHECK(slept(std::chrono::duration<float>(0.25F)) == 250ms);
    CHECK(slept(std::chrono::duration<double, std::ratio<3600>>(0.5)) == 30min);
    CHECK(slept(std::chrono::duration<long double, std::micro>(1.5L)) == 1500ns);
    CHECK(slept(std::chrono::duration<int, std::ratio<1, 3>>(3)) == 1s);
    CHECK(slept(std::chrono::duration<int, std::ratio<86400>>(2)) == 48h);
}

TEST_CASE("what the clock cannot express is rounded up, so that no sleep is early") {
    CHECK(slept(std::chrono::duration<std::int64_t, std::pico>(1)) == 1ns);
    CHECK(slept(std::chrono::duration<std::int64_t, std::pico>(1'000)) == 1ns);
    CHECK(slept(std::chrono::duration<std::int64_t, std::pico>(1'001)) == 2ns);
    CHECK(slept(std::chrono::duration<std::int64_t, std::atto>(1)) == 1ns);
    CHECK(slept(std::chrono::duration<double, std::nano>(0.1)) == 1ns);
    CHECK(slept(std::chrono::duration<double, std::nano>(1.5)) == 2ns);
    CHECK(slept(std::chrono::duration<int, std::ratio<1, 3>>(1)) == 333'333'334ns);
    CHECK(slept(std::chrono::duration<double>((std::numeric_limits<double>::denorm_min)())) == 1ns);
}

TEST_CASE("a sleep of zero or less is one yield, whatever its type") {
    CHECK(is_yield(0s));
    CHECK(is_yield(-1s));
    CHECK(is_yield(-1ns));
    CHECK(is_yield((std::chrono::hours::min)()));
    CHECK(is_yield((nanoseconds::min)()));
    CHECK(is_yield(std::chrono::duration<double>(0.0)));
    CHECK(is_yield(std::chrono::duration<double>(-0.0)));
    CHECK(is_yield(std::chrono::duration<double>(-1e300)));
    CHECK(is_yield(std::chrono::duration<double>(-std::numeric_limits<double>::infinity())));
    CHECK(is_yield(std::chrono::duration<std::int64_t, std::pico>(-1)));
    CHECK(is_yield(std::chrono::duration<std::int64_t, std::pico>(0)));
    CHECK(is_yield(std::chrono::duration<std::uint32_t>(0)));
}

TEST_CASE("a sleep of max(), or of anything beyond the clock's range, is for ever and sets no timer") {
    CHECK(is_endless((rondo::duration::max)()));
    CHECK(is_endless((std::chrono::seconds::max)()));
    CHECK(is_endless((std::chrono::minutes::max)()));
    CHECK(is_endless((std::chrono::hours::max)()));
    CHECK(is_endless((std::chrono::milliseconds::max)()));
    CHECK(is_endless(std::chrono::duration<std::uint64_t>((std::numeric_limits<std::uint64_t>::max)())));
    CHECK(is_endless(std::chrono::duration<std::int64_t, std::ratio<86400 * 365>>(300)));
    CHECK(is_endless(std::chrono::duration<double>(1e300)));
    CHECK(is_endless(std::chrono::duration<double>(std::numeric_limits<double>::infinity())));
    CHECK(is_endless(std::chrono::duration<float>((std::numeric_limits<float>::max)())));
    CHECK(is_endless(std::chrono::duration<double, std::nano>(9.3e18)));
}

TEST_CASE("a sleep that would end beyond the clock's range is for ever, too") {
    CHECK(is_endless((rondo::duration::max)() - 1ns));  // the clock does not stand at zero
    CHECK(!is_endless((rondo::duration::max)() - 24h));
}

TEST_CASE("no length overflows, and a long sleep beside short ones does them no harm") {
    lines log;
    event_loop loop(support::virtual_time());
    join_handle<> endless = loop.spawn(sleeps((std::chrono::hours::max)()));
    join_handle<> centuries = loop.spawn(sleeps((rondo::duration::max)() - 1h));
    loop.run(support::note_after(log, "short", 1s));
    CHECK(log == lines{"short"});
    CHECK(!endless.done());
    CHECK(!centuries.done());
}

TEST_CASE("centuries in units that do not divide a nanosecond do not overflow on the way") {
    using thirds = std::chrono::duration<std::int64_t, std::ratio<1, 3>>;
    using sixtieths = std::chrono::duration<std::int64_t, std::ratio<1, 60>>;
    const std::int64_t seconds = 8'333'333'333;  // 264 years
    CHECK(slept(thirds(seconds * 3)) == std::chrono::seconds(seconds));
    CHECK(slept(thirds(seconds * 3 + 1)) == std::chrono::seconds(seconds) + 333'333'334ns);
    CHECK(slept(sixtieths(seconds * 60)) == std::chrono::seconds(seconds));
    CHECK(is_endless(thirds((std::numeric_limits<std::int64_t>::max)())));
}

TEST_CASE("a clock may begin before zero, at the lowest time there is") {
    for (const rondo::time_point start : {rondo::time_point(-1h), (rondo::time_point::min)()}) {
        support::manual_clock clock;
        clock.now = start;
        event_loop loop(clock.driver());
        loop.run(sleeps(1ms));
        CHECK(clock.now == start + 1ms);
        loop.run(sleeps(-1h));
        CHECK(clock.now == start + 1ms);
        loop.run(sleeps((rondo::duration::max)() - 1h));
        CHECK(clock.now == start + 1ms + ((rondo::duration::max)() - 1h));
    }
}

TEST_CASE("a length that is not a number throws invalid_argument") {
    const double nan = std::numeric_limits<double>::quiet_NaN();
    CHECK_THROWS_AS(slept(std::chrono::duration<double>(nan)), std::invalid_argument);
    CHECK_THROWS_AS(slept(std::chrono::duration<float, std::nano>(std::numeric_limits<float>::quiet_NaN())),
                    std::invalid_argument);
}

TEST_CASE("an endless sleep can be cancelled, and is a deadlock when it is all there is") {
    event_loop loop(support::virtual_time());
    join_handle<> handle = loop.spawn(support::stuck());
    CHECK_THROWS_AS(loop.run(), rondo::deadlock_error);
    handle.cancel();
    CHECK(handle.done());
    loop.run();
}

TEST_CASE("the length counts from the moment the wait begins") {
    auto body = []() -> task<nanoseconds> {
        auto nap = rondo::sleep(1s);
        co_await rondo::sleep(5s);
        const auto before = event_loop::current().now();
        co_await nap;
        co_return event_loop::current().now() - before;
    };
    CHECK(rondo::testing::run(body()) == 1s);
}

// --- sleep_until ---

namespace {

task<nanoseconds> sleeps_until(nanoseconds from_now) {
    const auto start = event_loop::current().now();
    co_await rondo::sleep_until(start + from_now);
    co_return event_loop::current().now() - start;
}

task<> sleeps_until_point(rondo::time_point point) { co_await rondo::sleep_until(point); }

}  // namespace

TEST_CASE("sleep_until wakes at its deadline, and yields once when that has passed") {
    CHECK(rondo::testing::run(sleeps_until(90min)) == 90min);
    CHECK(rondo::testing::run(sleeps_until(0ns)) == 0ns);
    support::manual_clock clock;
    event_loop loop(clock.driver());
    for (const rondo::time_point past : {clock.now, clock.now - 1s, (rondo::time_point::min)()}) {
        join_handle<> handle = loop.spawn(sleeps_until_point(past));
        CHECK(loop.poll() == 1);
        CHECK(!handle.done());
        CHECK(loop.poll() == 1);
        CHECK(handle.done());
    }
}

TEST_CASE("sleep_until the end of time is for ever") {
    support::manual_clock clock;
    event_loop loop(clock.driver());
    join_handle<> handle = loop.spawn(sleeps_until_point((rondo::time_point::max)()));
    loop.poll();
    CHECK(!loop.next_deadline().has_value());
    handle.cancel();
}

// --- order ---

TEST_CASE("sleepers wake by deadline, whatever the order in which they lie down") {
    lines log;
    event_loop loop(support::virtual_time());
    for (const int seconds : {5, 1, 4, 2, 3}) {
        loop.spawn(support::note_after(log, std::to_string(seconds), std::chrono::seconds(seconds)));
    }
    loop.run();
    CHECK(log == lines{"1", "2", "3", "4", "5"});
}

TEST_CASE("equal deadlines wake in the order in which they were set") {
    lines log;
    lines expected;
    event_loop loop(support::virtual_time());
    for (int i = 0; i < 100; ++i) {
        expected.push_back(std::to_string(i));
        loop.spawn(support::note_after(log, expected.back(), 1s));
    }
    loop.run();
    CHECK(log == expected);
}

TEST_CASE("equal deadlines that were set at different times wake in the order in which they were set") {
    lines log;
    auto late = [](lines& out, std::string name, std::chrono::seconds first, std::chrono::seconds second) -> task<> {
        co_await rondo::sleep(first);
        co_await rondo::sleep(second);
        out.push_back(name);
    };
    event_loop loop(support::virtual_time());
    loop.spawn(late(log, "set third", 5s, 5s));
    loop.spawn(late(log, "set second", 3s, 7s));
    loop.spawn(late(log, "set fourth", 9s, 1s));
    loop.spawn(support::note_after(log, "set first", 10s));
    loop.run();
    CHECK(log == lines{"set first", "set second", "set third", "set fourth"});
}

TEST_CASE("sleep(0) and yield take turns") {
    lines log;
    auto naps = [](lines& out, std::string name) -> task<> {
        for (int i = 1; i <= 3; ++i) {
            out.push_back(name + std::to_string(i));
            co_await rondo::sleep(0s);
        }
    };
    event_loop loop(support::virtual_time());
    loop.spawn(naps(log, "sleep "));
    loop.spawn(support::rounds(log, "yield ", 3));
    loop.run();
    CHECK(log == lines{"sleep 1", "yield 1", "sleep 2", "yield 2", "sleep 3", "yield 3"});
}

TEST_CASE("ten thousand sleepers of random length, many of them cancelled, wake in order") {
    std::mt19937 random(1);
    event_loop loop(support::virtual_time());
    std::vector<std::pair<int, int>> woken;
    auto body = [](std::vector<std::pair<int, int>>& out, int length, int number) -> task<> {
        co_await rondo::sleep(std::chrono::milliseconds(length));
        out.emplace_back(length, number);
    };
    std::vector<join_handle<>> handles;
    std::size_t cancelled = 0;
    for (int i = 0; i < 10'000; ++i) {
        const int length = 1 + static_cast<int>(random() % 500);
        handles.push_back(loop.spawn(body(woken, length, i)));
    }
    loop.poll();
    for (join_handle<>& handle : handles) {
        if (random() % 3 == 0) {
            handle.cancel();
            ++cancelled;
        }
    }
    loop.run();
    CHECK(woken.size() + cancelled == 10'000);
    CHECK(std::is_sorted(woken.begin(), woken.end()));
}

TEST_CASE("cancelled sleeps leave no timers behind") {
    event_loop loop(support::virtual_time());
    for (int i = 0; i < 10'000; ++i) {
        join_handle<> handle = loop.spawn(support::nap(1h));
        loop.poll();
        handle.cancel();
    }
    CHECK(loop.next_deadline() == std::nullopt);
    const auto start = loop.now();
    loop.run();
    CHECK(loop.now() == start);
}

// --- real time ---

TEST_CASE("a sleep on the real clock is never early") {
    auto body = []() -> task<int> {
        int early = 0;
        for (int i = 0; i < 20; ++i) {
            const auto length = std::chrono::microseconds(100 * i + 37);
            const auto before = std::chrono::steady_clock::now();
            co_await rondo::sleep(length);
            if (std::chrono::steady_clock::now() - before < length) ++early;
        }
        co_return early;
    };
    CHECK(rondo::run(body()) == 0);
}
