// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

// with_timeout and try_with_timeout: what they give, who wins a tie, and the timer that goes with the operation.

#include <support/clocks.hpp>
#include <support/journal.hpp>
#include <support/leak_check.hpp>
#include <support/tasks.hpp>

#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <catch2/catch_test_macros.hpp>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
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

using duration = support::clock::duration;

auto now() { return event_loop::current().now(); }

template <class T>
task<T> give_after(T value, duration time) {
    co_await rondo::sleep(time);
    co_return std::move(value);
}

task<int&> refer_after(int& value, duration time) {
    co_await rondo::sleep(time);
    co_return value;
}

task<> fail_after(std::string text, duration time) {
    co_await rondo::sleep(time);
    throw std::runtime_error(text);
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

// ---- What it gives ----

class no_default {
public:
    explicit no_default(int n) : number(n) {}
    int number;
};

template <class T>
using timed = rondo::await_result_t<decltype(with_timeout(1s, std::declval<T>()))>;
template <class T>
using tried = rondo::await_result_t<decltype(try_with_timeout(1s, std::declval<T>()))>;

static_assert(std::is_same_v<timed<task<int>>, int>);
static_assert(std::is_same_v<timed<task<>>, void>);
static_assert(std::is_same_v<timed<task<int&>>, int&>);
static_assert(std::is_same_v<tried<task<int>>, std::optional<int>>);
static_assert(std::is_same_v<tried<task<>>, bool>);
static_assert(std::is_same_v<tried<task<int&>>, std::optional<std::reference_wrapper<int>>>);
static_assert(std::is_same_v<tried<task<std::optional<int>>>, std::optional<std::optional<int>>>);
static_assert(std::is_base_of_v<std::runtime_error, timeout_error>);

task<> gives_what_the_operation_gives() {
    const auto start = now();
    int place = 1;
    const int value = co_await with_timeout(20ms, give_after(4, 10ms));
    CHECK(value == 4);
    CHECK(now() - start == 10ms);
    co_await with_timeout(20ms, nap(10ms));
    CHECK(now() - start == 20ms);
    int& reference = co_await with_timeout(20ms, refer_after(place, 10ms));
    CHECK(&reference == &place);
    const auto owner = co_await with_timeout(20ms, give_after(std::make_unique<int>(5), 10ms));
    CHECK(*owner == 5);
    const no_default plain = co_await with_timeout(20ms, give_after(no_default(6), 10ms));
    CHECK(plain.number == 6);
    co_await with_timeout(20ms, rondo::sleep(10ms));
    CHECK(now() - start == 60ms);
}

task<> gives_an_optional() {
    int place = 1;
    const std::optional<int> value = co_await try_with_timeout(20ms, give_after(4, 10ms));
    CHECK(value == 4);
    const std::optional<int> late = co_await try_with_timeout(10ms, give_after(4, 20ms));
    CHECK(!late);
    const bool in_time = co_await try_with_timeout(20ms, nap(10ms));
    CHECK(in_time);
    const bool too_late = co_await try_with_timeout(10ms, nap(20ms));
    CHECK(!too_late);
    const auto reference = co_await try_with_timeout(20ms, refer_after(place, 10ms));
    REQUIRE(reference);
    CHECK(&reference->get() == &place);
    const auto owner = co_await try_with_timeout(20ms, give_after(std::make_unique<int>(5), 10ms));
    REQUIRE(owner);
    CHECK(**owner == 5);
    const auto no_owner = co_await try_with_timeout(10ms, give_after(std::make_unique<int>(5), 20ms));
    CHECK(!no_owner);
    const auto plain = co_await try_with_timeout(20ms, give_after(no_default(6), 10ms));
    REQUIRE(plain);
    CHECK(plain->number == 6);
}

task<> gives_up_in_time(lines& log) {
    const auto start = now();
    try {
        co_await with_timeout(10ms, wait_noted(log, 20ms));
    } catch (const timeout_error& error) {
        CHECK(std::string(error.what()).find("timed out") != std::string::npos);
        log.push_back("caught");
    }
    CHECK(now() - start == 10ms);
    const bool in_time = co_await try_with_timeout(10ms, wait_noted(log, 20ms));
    CHECK(!in_time);
    log.push_back("goes on");
    CHECK(now() - start == 20ms);
}

task<> throws_timeout_of_its_own(duration time) {
    co_await rondo::sleep(time);
    throw timeout_error();
}

task<> lets_exceptions_through() {
    lines log;
    try {
        co_await with_timeout(10ms, fail_after("boom", 5ms));
    } catch (const std::runtime_error& error) {
        log.push_back(error.what());
    }
    try {
        co_await try_with_timeout(10ms, fail_after("bang", 5ms));
    } catch (const std::runtime_error& error) {
        log.push_back(error.what());
    }
    for (const duration length : {10ms, 0ms}) {
        try {
            co_await try_with_timeout(length, throws_timeout_of_its_own(length / 2));
        } catch (const timeout_error&) {
            log.push_back("its own");
        }
    }
    CHECK(log == lines{"boom", "bang", "its own"});
}

// (With nothing to wait, throws_timeout_of_its_own(0) yields once, and is out of time.)
task<> lets_an_immediate_timeout_through(bool& thrown) {
    try {
        co_await try_with_timeout(0s, [&]() -> task<> {
            throw timeout_error();
            co_return;
        }());
    } catch (const timeout_error&) {
        thrown = true;
    }
}

task<> refuses_an_empty_task(int& thrown) {
    task<int> empty = give(1);
    co_await std::move(empty);
    try {
        co_await with_timeout(1s, std::move(empty));
    } catch (const std::logic_error&) {
        ++thrown;
    }
    try {
        co_await try_with_timeout(0s, std::move(empty));
    } catch (const std::logic_error&) {
        ++thrown;
    }
}

// ---- Ties: the result wins ----

task<> sleeps_until(support::time_point deadline, int yields) {
    for (int i = 0; i < yields; ++i) co_await rondo::yield();
    co_await rondo::sleep_until(deadline);
}

task<> op_timer_before_or_behind() {
    for (const int yields : {0, 1, 5}) {
        const bool in_time = co_await try_with_timeout(10ms, sleeps_until(now() + 10ms, yields));
        CHECK(in_time);
    }
    const bool direct = co_await try_with_timeout(10ms, rondo::sleep(10ms));
    CHECK(direct);
    const bool later = co_await try_with_timeout(10ms, rondo::sleep(10ms + 1ns));
    CHECK(!later);
}

task<> pushes_at(bounded_queue<int>& queue, support::time_point deadline, int yields) {
    for (int i = 0; i < yields; ++i) co_await rondo::yield();
    co_await rondo::sleep_until(deadline);
    queue.try_push(1);
}

task<int> pops(bounded_queue<int>& queue) {
    const std::optional<int> message = co_await queue.pop();
    co_return message.value();
}

// The message comes at the deadline, from a task whose timer is set before or after it.
task<> a_message_at_the_deadline() {
    bounded_queue<int> queue(1);
    for (const int yields : {0, 3}) {
        auto pusher = rondo::spawn(pushes_at(queue, now() + 10ms, yields));
        if (yields == 0) {
            co_await rondo::yield();
            co_await rondo::yield();
        }
        const auto direct = co_await try_with_timeout(10ms, queue.pop());
        CHECK(direct == 1);
        CHECK(queue.empty());
        co_await pusher;
        auto again = rondo::spawn(pushes_at(queue, now() + 10ms, yields));
        if (yields == 0) {
            co_await rondo::yield();
            co_await rondo::yield();
        }
        const auto by_task = co_await try_with_timeout(10ms, pops(queue));
        CHECK(by_task == 1);
        CHECK(queue.empty());
        co_await again;
    }
}

task<> a_join_at_the_deadline() {
    for (const int yields : {0, 3}) {
        auto handle = rondo::spawn(sleeps_until(now() + 10ms, yields));
        if (yields == 0) {
            co_await rondo::yield();
            co_await rondo::yield();
        }
        const bool joined = co_await try_with_timeout(10ms, handle);
        CHECK(joined);
    }
}

task<> a_failure_at_the_deadline(bool& caught) {
    try {
        co_await try_with_timeout(10ms, fail_after("boom", 10ms));
    } catch (const std::runtime_error&) {
        caught = true;
    }
}

// What has its result is not asked any more, however late its caller comes to it.
task<> the_caller_comes_late() {
    bounded_queue<int> queue(1);
    bounded_queue<int> turns(1);
    auto pusher = rondo::spawn([&]() -> task<> {
        co_await rondo::sleep(10ms);
        queue.try_push(1);
    });
    co_await rondo::yield();
    const auto message = co_await try_with_timeout(10ms, queue.pop());
    CHECK(message == 1);
    co_await pusher;
}

task<> yields_for_ever() {
    for (;;) co_await rondo::yield();
}

// ---- The timer goes with the operation ----

task<> waits_an_hour(bounded_queue<int>& queue, lines& log, bool fails) {
    try {
        const auto op = [&]() -> task<int> {
            const auto message = co_await queue.pop();
            if (fails) throw std::runtime_error("boom");
            co_return message.value();
        };
        co_await with_timeout(1h, op());
        log.push_back("value");
    } catch (const std::runtime_error&) {
        log.push_back("boom");
    }
    co_await queue.pop();
}

task<> many_timeouts() {
    bounded_queue<int> queue(1);
    for (int i = 0; i < 50'000; ++i) {
        queue.try_push(i);
        const auto at_once = co_await try_with_timeout(1h, queue.pop());
        if (at_once != i) CHECK(at_once == i);
        co_await with_timeout(1h, rondo::yield());
        co_await with_timeout(1h, support::yields(1));
    }
    CHECK(now() == support::time_point());
}

}  // namespace

TEST_CASE("with_timeout gives what the operation gives") { rondo::testing::run(gives_what_the_operation_gives()); }

TEST_CASE("try_with_timeout gives an optional, and a bool for void") { rondo::testing::run(gives_an_optional()); }

TEST_CASE("when time is up the operation is gone before the caller goes on") {
    lines log;
    rondo::testing::run(gives_up_in_time(log));
    CHECK(log == lines{"op gone", "caught", "op gone", "goes on"});
}

TEST_CASE("what the operation throws goes through, its own timeout_error too") {
    rondo::testing::run(lets_exceptions_through());
    bool thrown = false;
    rondo::testing::run(lets_an_immediate_timeout_through(thrown));
    CHECK(thrown);
}

TEST_CASE("with_timeout of an empty task throws std::logic_error") {
    int thrown = 0;
    rondo::testing::run(refuses_an_empty_task(thrown));
    CHECK(thrown == 2);
}

TEST_CASE("the result wins over the deadline, whichever timer was set first") {
    rondo::testing::run(op_timer_before_or_behind());
}

TEST_CASE("a message that comes at the deadline wins") { rondo::testing::run(a_message_at_the_deadline()); }

TEST_CASE("a task that ends at the deadline is joined") { rondo::testing::run(a_join_at_the_deadline()); }

TEST_CASE("a failure at the deadline wins") {
    bool caught = false;
    rondo::testing::run(a_failure_at_the_deadline(caught));
    CHECK(caught);
}

TEST_CASE("an operation that was granted at the deadline keeps its result until the caller comes to it") {
    rondo::testing::run(the_caller_comes_late());
}

TEST_CASE("an operation that is always ready is out of time nevertheless") {
    const bool out_of_time = rondo::testing::run(times_out(0s, yields_for_ever()));
    CHECK(out_of_time);
    support::manual_clock clock;
    clock.tick = 1ms;
    event_loop loop(clock.driver());
    const bool late = loop.run(times_out(10ms, yields_for_ever()));
    CHECK(late);
}

TEST_CASE("the timer goes when the operation ends by a value, an exception or a cancellation") {
    for (const int way : {0, 1, 2}) {
        bounded_queue<int> queue(1);
        lines log;
        event_loop loop(support::virtual_time());
        auto handle = loop.spawn(waits_an_hour(queue, log, way == 1));
        loop.poll();
        REQUIRE(loop.next_deadline() == support::time_point() + 1h);
        if (way == 2)
            handle.cancel();
        else
            queue.try_push(1);
        while (loop.poll() != 0) {
        }
        CHECK(!loop.next_deadline());
        CHECK(log == (way == 0 ? lines{"value"} : way == 1 ? lines{"boom"} : lines{}));
    }
}

TEST_CASE("timeouts that are not needed leave nothing behind") {
    event_loop loop(support::virtual_time());
    loop.run(many_timeouts());
    CHECK(!loop.next_deadline());
}
