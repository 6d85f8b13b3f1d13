// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

// with_timeout where the operation ends although it was asked to stop, where the caller is cancelled, and one timeout inside another.

#include <support/clocks.hpp>
#include <support/foreign.hpp>
#include <support/journal.hpp>
#include <support/leak_check.hpp>
#include <support/native_operation.hpp>
#include <support/tasks.hpp>
#include <support/tracked.hpp>

#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

namespace {

using namespace std::chrono_literals;
using rondo::bounded_queue;
using rondo::event_loop;
using rondo::task;
using rondo::timeout_error;
using rondo::try_with_timeout;
using rondo::uncancellable;
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

task<> fail_after(std::string text, duration time) {
    co_await rondo::sleep(time);
    throw std::runtime_error(text);
}

// ---- Late results ----

task<int> commits(duration time) {
    const int value = co_await uncancellable(give_after(1, time));
    co_return value + 1;
}

task<> delivers_what_exists() {
    const auto start = now();
    const auto late = co_await try_with_timeout(10ms, uncancellable(give_after(1, 30ms)));
    CHECK(late == 1);
    CHECK(now() - start == 30ms);
    const int thrown = co_await with_timeout(0s, uncancellable(give_after(2, 30ms)));
    CHECK(thrown == 2);
    CHECK(now() - start == 60ms);
    const auto twice = co_await try_with_timeout(10ms, uncancellable(uncancellable(give_after(3, 30ms))));
    CHECK(twice == 3);
    const auto moved = co_await try_with_timeout(10ms, uncancellable(give_after(std::make_unique<int>(4), 30ms)));
    REQUIRE(moved);
    CHECK(**moved == 4);
    const bool nothing = co_await try_with_timeout(10ms, uncancellable(nap(30ms)));
    CHECK(nothing);
    const bool operation = co_await try_with_timeout(10ms, uncancellable(rondo::sleep(30ms)));
    CHECK(operation);
    CHECK(now() - start == 180ms);
}

// A task that was to go on behind what cannot be cancelled is destroyed there: it has no result.
task<> a_task_in_between_is_cancelled() {
    const auto start = now();
    const auto late = co_await try_with_timeout(10ms, commits(30ms));
    CHECK(!late);
    CHECK(now() - start == 30ms);
}

task<> a_late_failure_is_delivered(lines& log) {
    try {
        co_await with_timeout(10ms, uncancellable(fail_after("late", 30ms)));
    } catch (const std::runtime_error& error) {
        log.push_back(error.what());
    }
}

task<> fails_behind(duration time) { co_await uncancellable(fail_after("second", time)); }

task<> a_late_failure_inside_of_a_task(lines& log) {
    try {
        co_await with_timeout(10ms, fails_behind(30ms));
    } catch (const timeout_error&) {
        log.push_back("timeout");
    }
}

task<> waits_for_foreign(support::parking& place, lines& log) {
    const auto value = co_await try_with_timeout(10ms, place);
    log.push_back(value ? "value " + std::to_string(*value) : "timeout");
}

task<> waits_for_native(support::native_operation& operation, lines& log) {
    const auto value = co_await try_with_timeout(10ms, operation);
    log.push_back(value ? "value " + std::to_string(*value) : "timeout");
}

task<> foreign_results() {
    support::parking place;
    lines log;
    auto late = rondo::spawn(waits_for_foreign(place, log));
    co_await rondo::sleep(20ms);
    CHECK(!late.done());
    place.resume(5);
    co_await late;
    CHECK(log == lines{"value 5"});

    for (const bool withdrawable : {true, false}) {
        log.clear();
        support::native_operation operation;
        operation.withdrawable = withdrawable;
        auto waiter = rondo::spawn(waits_for_native(operation, log));
        co_await rondo::sleep(20ms);
        CHECK(operation.cancels == 1);
        CHECK(waiter.done() == withdrawable);
        if (!withdrawable) operation.complete(6);
        co_await waiter;
        CHECK(log == lines{withdrawable ? "timeout" : "value 6"});
        CHECK(operation.resumed == (withdrawable ? 0 : 1));
        CHECK(operation.destroyed == 1);
    }
}

task<> cleans_up(lines& log, duration time) {
    co_await rondo::sleep(time);
    log.push_back("cleaned");
}

task<> a_late_cleanup() {
    lines log;
    const auto start = now();
    const auto cleanup = [&] { return cleans_up(log, 20ms); };
    // The body has its value in time; the cleanup takes longer.
    const auto value = co_await try_with_timeout(10ms, rondo::finally(give_after(1, 5ms), cleanup));
    CHECK(value == 1);
    CHECK(now() - start == 25ms);
    // The body has none.
    const auto none = co_await try_with_timeout(10ms, rondo::finally(give_after(1, 15ms), cleanup));
    CHECK(!none);
    CHECK(now() - start == 55ms);
    CHECK(log == lines{"cleaned", "cleaned"});
}

// Late for its caller, who is cancelled himself: nobody wants the value.
task<> waits_for_a_late_value(lines& log) {
    note_at_exit gone(log, "gone");
    const auto value = co_await try_with_timeout(10ms, uncancellable(give_after(tracked(1), 30ms)));
    log.push_back("goes on");
}

task<> a_late_value_for_a_cancelled_caller(duration when) {
    lines log;
    auto handle = rondo::spawn(waits_for_a_late_value(log));
    co_await rondo::yield();
    co_await rondo::sleep(when);
    handle.cancel();
    CHECK(!handle.done());
    co_await rondo::sleep(28ms - when);
    CHECK(!handle.done());
    co_await rondo::sleep(4ms);
    CHECK(handle.done());
    CHECK(log == lines{"gone"});
    CHECK(tracked::live() == 0);
}

// ---- One inside another ----

task<> nested() {
    const auto start = now();
    const auto outer_first = co_await try_with_timeout(10ms, try_with_timeout(20ms, nap(1h)));
    CHECK(!outer_first);
    CHECK(now() - start == 10ms);
    const auto inner_first = co_await try_with_timeout(20ms, try_with_timeout(10ms, nap(1h)));
    REQUIRE(inner_first);
    CHECK(!*inner_first);
    CHECK(now() - start == 20ms);
    bool thrown = false;
    try {
        co_await try_with_timeout(20ms, with_timeout(10ms, nap(1h)));
    } catch (const timeout_error&) {
        thrown = true;
    }
    CHECK(thrown);
    CHECK(now() - start == 30ms);
    const auto tie = co_await try_with_timeout(10ms, try_with_timeout(10ms, nap(1h)));
    REQUIRE(tie);  // the inner one ends at the deadline of the outer one
    CHECK(!*tie);
    CHECK(now() - start == 40ms);
    const auto value = co_await try_with_timeout(10ms, try_with_timeout(10ms, give_after(3, 10ms)));
    REQUIRE(value);
    CHECK(*value == 3);
}

task<> in_other_combinators() {
    const auto start = now();
    bounded_queue<int> queue(1);
    const auto both =
        co_await rondo::when_all(try_with_timeout(10ms, queue.pop()), try_with_timeout(20ms, give_after(2, 15ms)));
    CHECK(!std::get<0>(both));
    CHECK(std::get<1>(both) == 2);
    CHECK(now() - start == 15ms);
    const auto first = co_await rondo::when_any(try_with_timeout(10ms, queue.pop()), rondo::sleep(20ms));
    REQUIRE(first.index() == 0);
    CHECK(!std::get<0>(first));
    CHECK(now() - start == 25ms);
    const auto inside = co_await try_with_timeout(10ms, rondo::when_all(give_after(1, 10ms), give_after(2, 9ms)));
    REQUIRE(inside);
    CHECK(now() - start == 35ms);
    const auto settled = co_await rondo::when_all_settled(with_timeout(1ms, nap(5ms)), with_timeout(5ms, nap(1ms)));
    CHECK(!std::get<0>(settled).has_value());
    CHECK(!std::get<0>(settled).is_cancelled());
    CHECK(std::get<1>(settled).has_value());
    bool thrown = false;
    try {
        co_await rondo::when_any(with_timeout(1ms, nap(5ms)), nap(3ms));
    } catch (const timeout_error&) {
        thrown = true;
    }
    CHECK(thrown);
    CHECK(queue.try_push(1));
    CHECK(queue.try_pop() == 1);
}

task<int> deep(int depth, duration innermost) {
    if (depth == 0) {
        co_await rondo::sleep(innermost);
        co_return 0;
    }
    const int below = co_await with_timeout(10ms, deep(depth - 1, innermost));
    co_return below + 1;
}

// ---- Cancellation ----

task<> times(lines& log, duration time) {
    note_at_exit gone(log, "caller gone");
    const auto op = [&]() -> task<> {
        note_at_exit op_gone(log, "op gone");
        co_await rondo::sleep(time);
    };
    const bool in_time = co_await try_with_timeout(10ms, op());
    log.push_back(in_time ? "in time" : "late");
}

task<> cancelled_while_it_waits() {
    lines log;
    auto handle = rondo::spawn(times(log, 1h));
    co_await rondo::sleep(5ms);
    handle.cancel();
    CHECK(handle.done());
    CHECK(log == lines{"op gone", "caller gone"});
}

// At the deadline, before and after the timeout has had its turn.
task<> cancelled_at_the_deadline(int yields, lines& log) {
    auto handle = rondo::spawn(times(log, 1h));
    co_await rondo::yield();
    co_await rondo::sleep(10ms);
    for (int i = 0; i < yields; ++i) co_await rondo::yield();
    handle.cancel();
    CHECK(handle.done());
    CHECK(log.front() == "op gone");
    CHECK(log.back() == "caller gone");
    CHECK(std::count(log.begin(), log.end(), "caller gone") == 1);
    co_await rondo::sleep(20ms);
    CHECK(log.back() == "caller gone");
}

task<> takes_in_time(bounded_queue<int>& queue, lines& log) {
    note_at_exit gone(log, "gone");
    const auto message = co_await try_with_timeout(10ms, queue.pop());
    log.push_back("took " + std::to_string(message.value().value()));
}

task<> cancelled_once_granted() {
    bounded_queue<int> queue(1);
    lines log;
    auto handle = rondo::spawn(takes_in_time(queue, log));
    co_await rondo::sleep(1ms);
    queue.try_push(1);
    CHECK(queue.empty());
    handle.cancel();
    CHECK(handle.done());
    CHECK(log == lines{"gone"});
    CHECK(queue.try_pop() == 1);
    CHECK(queue.empty());
}

task<> granted_before_the_deadline() {
    bounded_queue<int> queue(1);
    lines log;
    auto handle = rondo::spawn(takes_in_time(queue, log));
    co_await rondo::sleep(1ms);
    queue.try_push(1);
    CHECK(!queue.try_pop());
    co_await handle;
    CHECK(log == lines{"took 1", "gone"});
    CHECK(!event_loop::current().next_deadline());
}

task<> pushes_late(bounded_queue<std::unique_ptr<int>>& queue) {
    auto message = std::make_unique<int>(2);
    bool late = false;
    try {
        co_await with_timeout(10ms, queue.push(std::move(message)));
    } catch (const timeout_error&) {
        late = true;
    }
    CHECK(late);
    REQUIRE(message);
    CHECK(*message == 2);
}

}  // namespace

TEST_CASE("an operation that cannot be cancelled gives its result late") {
    rondo::testing::run(delivers_what_exists());
}

TEST_CASE("a task that waits for what cannot be cancelled is out of time when that has ended") {
    rondo::testing::run(a_task_in_between_is_cancelled());
}

TEST_CASE("the late failure of an operation that cannot be cancelled is thrown") {
    lines log;
    rondo::testing::run(a_late_failure_is_delivered(log));
    CHECK(log == lines{"late"});
}

TEST_CASE("the late failure below a task that was cancelled goes to the handler") {
    lines log;
    event_loop loop(support::virtual_time());
    loop.on_unhandled_exception([&](std::exception_ptr) { log.push_back("unhandled"); });
    loop.run(a_late_failure_inside_of_a_task(log));
    loop.poll();
    std::sort(log.begin(), log.end());
    CHECK(log == lines{"timeout", "unhandled"});
}

TEST_CASE("an awaitable that is not the library's gives its result late, if it cannot be withdrawn") {
    rondo::testing::run(foreign_results());
}

TEST_CASE("a cleanup takes its time, and leaves what the body has given") { rondo::testing::run(a_late_cleanup()); }

TEST_CASE("a late result is dropped when the caller was cancelled") {
    rondo::testing::run(a_late_value_for_a_cancelled_caller(5ms));
    rondo::testing::run(a_late_value_for_a_cancelled_caller(20ms));
}

TEST_CASE("of two nested timeouts the shorter one ends the operation") { rondo::testing::run(nested()); }

TEST_CASE("timeouts work inside when_all and when_any, and around them") {
    rondo::testing::run(in_other_combinators());
}

TEST_CASE("with_timeout nested 1,000 deep ends by value, by timeout, and by cancellation") {
    const int depth = rondo::testing::run(deep(1000, 5ms));
    CHECK(depth == 1000);
    CHECK_THROWS_AS(rondo::testing::run(deep(1000, 1h)), timeout_error);
    event_loop loop(support::virtual_time());
    auto handle = loop.spawn(deep(1000, 1h));
    while (loop.poll() != 0) {
    }
    handle.cancel();
    CHECK(handle.done());
    CHECK(!loop.next_deadline());
}

TEST_CASE("with_timeout in a task that is cancelled before its start starts nothing") {
    lines log;
    event_loop loop(support::virtual_time());
    auto handle = loop.spawn(times(log, 1ms));
    handle.cancel();
    loop.run();
    CHECK(handle.done());
    CHECK(log.empty());
}

TEST_CASE("cancelling a waiting with_timeout destroys the operation, then the caller, before cancel returns") {
    rondo::testing::run(cancelled_while_it_waits());
}

TEST_CASE("with_timeout may be cancelled around its deadline") {
    for (int yields = 0; yields < 2; ++yields) {
        lines log;
        rondo::testing::run(cancelled_at_the_deadline(yields, log));
    }
}

TEST_CASE("a message that was granted in time goes back when the caller is cancelled") {
    rondo::testing::run(cancelled_once_granted());
}

TEST_CASE("a message that was granted in time is nobody else's") { rondo::testing::run(granted_before_the_deadline()); }

TEST_CASE("a push that is out of time leaves its value as it was") {
    bounded_queue<std::unique_ptr<int>> queue(1);
    queue.try_push(std::make_unique<int>(1));
    rondo::testing::run(pushes_late(queue));
    CHECK(queue.size() == 1);
}

TEST_CASE("a loop with timeouts may be destroyed after any number of rounds") {
    for (int rounds = 0; rounds < 8; ++rounds) {
        bounded_queue<int> queue(1);
        lines log;
        auto driver = std::make_unique<rondo::testing::virtual_driver>();
        auto& time = *driver;
        std::optional<event_loop> loop(std::in_place, std::move(driver));
        loop->spawn(times(log, 1h));
        loop->spawn(times(log, 6ms));
        loop->spawn(takes_in_time(queue, log));
        for (int i = 0; i < rounds; ++i) {
            loop->poll();
            if (i == 1) queue.try_push(1);
            time.advance(3ms);
        }
        loop.reset();
        CHECK(std::count(log.begin(), log.end(), "caller gone") == (rounds == 0 ? 0 : 2));
        CHECK(std::count(log.begin(), log.end(), "gone") == (rounds == 0 ? 0 : 1));
        const bool taken = std::count(log.begin(), log.end(), "took 1") == 1;
        CHECK(queue.size() == (rounds >= 2 && !taken ? 1U : 0U));
    }
}
