// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

// when_any over operations that are no tasks: timers, queues, foreign awaitables, handles.

#include <support/clocks.hpp>
#include <support/foreign.hpp>
#include <support/journal.hpp>
#include <support/leak_check.hpp>
#include <support/native_operation.hpp>
#include <support/tasks.hpp>

#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <catch2/catch_test_macros.hpp>

#include <coroutine>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>

namespace {

using namespace std::chrono_literals;
using rondo::bounded_queue;
using rondo::event_loop;
using rondo::task;
using rondo::when_any;
using support::give;
using support::lines;
using support::nap;
using support::note_at_exit;

using duration = support::clock::duration;

auto now() { return event_loop::current().now(); }

task<int> give_after(int value, duration time) {
    co_await rondo::sleep(time);
    co_return value;
}

task<> fail_after(std::string text, duration time) {
    co_await rondo::sleep(time);
    throw std::runtime_error(text);
}

static_assert(std::is_same_v<rondo::await_result_t<decltype(when_any(std::declval<bounded_queue<int>&>().pop(),
                                                                     rondo::sleep(1ms), rondo::yield()))>,
                             std::variant<std::optional<int>, std::monostate, std::monostate>>);

// ---- Any awaitable ----

task<> timers() {
    const auto start = now();
    const auto first = co_await when_any(rondo::sleep(30ms), rondo::sleep(10ms), rondo::sleep(10ms), nap(20ms));
    CHECK(first.index() == 1);
    CHECK(now() - start == 10ms);
    const auto until = co_await when_any(rondo::sleep(30ms), rondo::sleep_until(now() + 5ms));
    CHECK(until.index() == 1);
    CHECK(now() - start == 15ms);
    const auto yields = co_await when_any(rondo::sleep(1ms), rondo::yield(), rondo::yield());
    CHECK(yields.index() == 1);
    CHECK(now() - start == 15ms);
}

task<> race_of_a_message() {
    bounded_queue<std::string> queue(1);
    const auto late = co_await when_any(queue.pop(), rondo::sleep(5ms));
    CHECK(late.index() == 1);
    queue.try_push("text");
    const auto at_once = co_await when_any(queue.pop(), rondo::sleep(5ms));
    REQUIRE(at_once.index() == 0);
    CHECK(std::get<0>(at_once) == "text");
    queue.close();
    const auto closed = co_await when_any(rondo::sleep(5ms), queue.pop());
    REQUIRE(closed.index() == 1);
    CHECK(std::get<1>(closed) == std::nullopt);
}

class ready_value {
public:
    bool await_ready() const noexcept { return true; }
    void await_suspend(std::coroutine_handle<>) const noexcept {}
    int& await_resume() noexcept { return value_; }

private:
    int value_ = 4;
};

class throws_at_once {
public:
    bool await_ready() const { throw std::runtime_error("await_ready"); }
    void await_suspend(std::coroutine_handle<>) const noexcept {}
    void await_resume() const noexcept {}
};

task<> foreign_awaitables() {
    support::parking place;
    ready_value ready;
    const auto first = co_await when_any(rondo::sleep(1ms), ready, place);
    REQUIRE(first.index() == 1);
    CHECK(std::get<1>(first).get() == 4);
    CHECK(!place.occupied());
    bool caught = false;
    try {
        co_await when_any(rondo::sleep(1ms), throws_at_once());
    } catch (const std::runtime_error&) {
        caught = true;
    }
    CHECK(caught);
}

task<> races_foreign(support::parking& place, support::native_operation& operation, lines& log) {
    const auto first = co_await when_any(place, operation, rondo::sleep(10ms));
    log.push_back("won by " + std::to_string(first.index()));
    if (first.index() == 0) CHECK(std::get<0>(first) == 7);
    if (first.index() == 1) CHECK(std::get<1>(first) == 8);
}

task<> waits_for_what_cannot_be_withdrawn(bool withdrawable) {
    support::parking place;
    support::native_operation operation;
    operation.withdrawable = withdrawable;
    lines log;
    auto handle = rondo::spawn(races_foreign(place, operation, log));
    co_await rondo::sleep(20ms);
    CHECK(operation.cancels == 1);
    CHECK(!handle.done());
    if (!withdrawable) {
        operation.complete(8);
        co_await rondo::sleep(1ms);
        CHECK(!handle.done());
    }
    CHECK(log.empty());
    place.resume(7);
    CHECK(log.empty());
    co_await handle;
    CHECK(log == lines{"won by 2"});
    CHECK(operation.resumed == 0);
}

task<> a_foreign_winner(bool native) {
    support::parking place;
    support::native_operation operation;
    lines log;
    auto handle = rondo::spawn(races_foreign(place, operation, log));
    co_await rondo::sleep(1ms);
    if (native) {
        operation.complete(8);
        co_await rondo::sleep(1ms);
        CHECK(!handle.done());
        place.resume(7);
    } else {
        place.resume(7);
        CHECK(log.empty());
        co_await rondo::sleep(1ms);
        CHECK(operation.cancels == 1);
    }
    co_await handle;
    CHECK(log == lines{native ? "won by 1" : "won by 0"});
    CHECK(operation.destroyed == 1);
}

// ---- Handles ----

task<> joins() {
    auto slow = rondo::spawn(give_after(1, 20ms));
    auto quick = rondo::spawn(give_after(2, 10ms));
    const auto first = co_await when_any(slow, quick);
    REQUIRE(first.index() == 1);
    CHECK(std::get<1>(first) == 2);
    CHECK(!slow.done());
    const auto second = co_await when_any(rondo::sleep(1ms), slow);
    CHECK(second.index() == 0);
    const int value = co_await slow;
    CHECK(value == 1);
}

task<> a_joined_failure_wins() {
    auto failing = rondo::spawn(fail_after("boom", 5ms));
    lines log;
    try {
        co_await when_any(failing, rondo::sleep(10ms));
    } catch (const std::runtime_error& error) {
        log.push_back(error.what());
    }
    CHECK(log == lines{"boom"});
    auto victim = rondo::spawn(support::stuck());
    auto canceller = rondo::spawn([&]() -> task<> {
        co_await rondo::sleep(5ms);
        victim.cancel();
    });
    try {
        co_await when_any(rondo::sleep(10ms), victim);
    } catch (const rondo::cancelled&) {
        log.push_back("cancelled");
    }
    CHECK(log == lines{"boom", "cancelled"});
    auto settled = rondo::spawn(fail_after("bang", 5ms));
    const auto first = co_await when_any(rondo::sleep(10ms), settled.settled());
    REQUIRE(first.index() == 1);
    CHECK(std::get<1>(first).error() != nullptr);
    co_await canceller;
}

// The join has lost: the failure is still the handle's to give.
task<> a_lost_join_keeps_the_failure() {
    auto failing = rondo::spawn(fail_after("boom", 5ms));
    const auto first = co_await when_any(failing, rondo::sleep(1ms));
    CHECK(first.index() == 1);
    bool caught = false;
    try {
        co_await failing;
    } catch (const std::runtime_error&) {
        caught = true;
    }
    CHECK(caught);
}

// A join and a message are granted in the same round, the message first.
task<> a_granted_join_goes_back() {
    bounded_queue<int> queue(1);
    std::optional<rondo::join_handle<int>> joined;
    auto pusher = rondo::spawn([&]() -> task<> {
        co_await rondo::sleep(5ms);
        queue.try_push(1);
    });
    joined.emplace(rondo::spawn(give_after(3, 5ms)));
    const auto first = co_await when_any(*joined, queue.pop());
    CHECK(first.index() == 1);
    const int value = co_await *joined;
    CHECK(value == 3);
}

// ---- Cancellation ----

task<> waits_directly(bounded_queue<int>& queue, lines& log) {
    note_at_exit gone(log, "gone");
    co_await when_any(queue.pop(), rondo::sleep(1h), support::for_ever(), rondo::yield(), queue.pop());
    log.push_back("goes on");
}

}  // namespace

TEST_CASE("when_any takes timers and yields") { rondo::testing::run(timers()); }

TEST_CASE("a pop wins with a message, or with nothing once the queue is closed") {
    rondo::testing::run(race_of_a_message());
}

TEST_CASE("when_any takes foreign awaitables") { rondo::testing::run(foreign_awaitables()); }

TEST_CASE("when_any waits for losers that cannot be withdrawn, and drops their results") {
    rondo::testing::run(waits_for_what_cannot_be_withdrawn(true));
    rondo::testing::run(waits_for_what_cannot_be_withdrawn(false));
}

TEST_CASE("an awaitable that is not the library's may win") {
    rondo::testing::run(a_foreign_winner(false));
    rondo::testing::run(a_foreign_winner(true));
}

TEST_CASE("a lost join leaves the task running and the handle good for another") { rondo::testing::run(joins()); }

TEST_CASE("the failure of a joined task wins") { rondo::testing::run(a_joined_failure_wins()); }

TEST_CASE("a join that loses leaves the failure with the handle") {
    rondo::testing::run(a_lost_join_keeps_the_failure());
}

TEST_CASE("a join that is granted too late leaves the value with the handle") {
    rondo::testing::run(a_granted_join_goes_back());
}

TEST_CASE("cancelling a race of operations withdraws them all") {
    for (const int rounds : {1, 2}) {
        bounded_queue<int> queue(1);
        lines log;
        event_loop loop(support::virtual_time());
        auto handle = loop.spawn(waits_directly(queue, log));
        for (int i = 0; i < rounds; ++i) loop.poll();
        if (rounds == 2) CHECK(log.empty());  // the yield has won, the caller is ready
        handle.cancel();
        CHECK(handle.done());
        CHECK(log == lines{"gone"});
        CHECK(!loop.next_deadline());
        CHECK(queue.try_push(1));
        CHECK(queue.try_pop() == 1);
    }
}

TEST_CASE("a queue destroyed under a race leaves the race to the others") {
    lines log;
    auto queue = std::make_unique<bounded_queue<int>>(1);
    event_loop loop(support::virtual_time());
    auto handle = loop.spawn([&]() -> task<> {
        const auto first = co_await when_any(queue->pop(), rondo::sleep(10ms));
        log.push_back("won by " + std::to_string(first.index()));
    });
    loop.poll();
    queue.reset();
    loop.run();
    CHECK(handle.done());
    CHECK(log == lines{"won by 1"});
}
