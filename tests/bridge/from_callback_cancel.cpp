// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

// from_callback where its waiter is cancelled, in combinators, and where its loop goes.

#include <support/clocks.hpp>
#include <support/journal.hpp>
#include <support/leak_check.hpp>
#include <support/legacy.hpp>
#include <support/sweeps.hpp>
#include <support/tasks.hpp>
#include <support/tracked.hpp>

#include <rondo/bridge/from_callback.hpp>
#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <catch2/catch_test_macros.hpp>

#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

namespace {

using namespace std::chrono_literals;
using rondo::callback;
using rondo::callback_dropped;
using rondo::event_loop;
using rondo::from_callback;
using rondo::task;
using support::answer_after;
using support::ask;
using support::asks;
using support::asks_and_notes;
using support::legacy;
using support::lines;
using support::note_at_exit;
using support::tracked;

std::string text_of(const std::exception_ptr& error) {
    try {
        std::rethrow_exception(error);
    } catch (const std::exception& e) {
        return e.what();
    }
}

// ---- Cancellation ----

task<> cancels(legacy<int>& api, lines& log) {
    auto waiter = rondo::spawn(asks_and_notes(api, log));
    co_await rondo::yield();
    waiter.cancel();
    CHECK(waiter.done());
    CHECK(api.withdrawn == 1);
    CHECK(log == lines{"asks", "gone"});
    api.answer(1);
    co_await support::yields(2);
    CHECK(api.withdrawn == 1);
    CHECK(log == lines{"asks", "gone"});
}

task<> cancels_before_the_start(legacy<int>& api, lines& log) {
    auto waiter = rondo::spawn(asks_and_notes(api, log));
    waiter.cancel();
    co_await rondo::yield();
    CHECK(log.empty());
    CHECK(api.asked == 0);
    CHECK(api.withdrawn == 0);
}

task<> cancels_what_was_called(legacy<tracked>& api) {
    auto waiter = rondo::spawn(asks(api));
    co_await rondo::yield();
    api.answer(7);
    CHECK(tracked::live() == 1);
    waiter.cancel();
    CHECK(waiter.done());
    CHECK(api.withdrawn == 0);  // there is nothing to withdraw any more
    CHECK(tracked::live() == 0);
}

task<> cancels_what_has_failed(legacy<int>& api) {
    auto waiter = rondo::spawn(asks(api));
    co_await rondo::yield();
    api.take().fail(std::make_exception_ptr(std::runtime_error("nobody asks any more")));
    waiter.cancel();
    co_await support::yields(2);
    const auto end = co_await waiter.settled();
    CHECK(end.is_cancelled());
    CHECK(api.withdrawn == 0);
}

task<> asks_with(std::function<void(callback<int>)> start, std::function<void()> on_cancel) {
    co_await from_callback<int>(std::move(start), std::move(on_cancel));
}

task<> on_cancel_answers(legacy<int>& api, int& cancels) {
    const auto answer = [&] {
        ++cancels;
        for (const callback<int>& one : api.waiting) one(1);
        api.waiting.front().fail(std::make_exception_ptr(std::runtime_error("aborted")));
    };
    const auto drop = [&] {
        ++cancels;
        api.waiting.clear();
    };
    const auto start = [&](callback<int> done) { api.ask(std::move(done)); };
    auto answered = rondo::spawn(asks_with(start, answer));
    co_await rondo::yield();
    answered.cancel();
    CHECK(answered.done());
    CHECK(cancels == 1);
    api.waiting.clear();
    auto dropped = rondo::spawn(asks_with(start, drop));
    co_await rondo::yield();
    dropped.cancel();
    CHECK(dropped.done());
    CHECK(cancels == 2);
    co_await support::yields(2);
    const auto one = co_await answered.settled();
    const auto other = co_await dropped.settled();
    CHECK(one.is_cancelled());
    CHECK(other.is_cancelled());
}

task<> on_cancel_answers_somebody_else(legacy<int>& first, legacy<int>& second, lines& log) {
    auto other = rondo::spawn(asks_and_notes(second, log, "other "));
    const auto hands_over = [&] { second.answer(5); };
    const auto start = [&](callback<int> done) { first.ask(std::move(done)); };
    auto waiter = rondo::spawn(asks_with(start, hands_over));
    co_await rondo::yield();
    waiter.cancel();
    CHECK(log == lines{"other asks"});
    co_await other;
    CHECK(log == lines{"other asks", "other got 5", "other gone"});
}

task<> no_cancel_without_cancellation(int& withdrawn) {
    const auto on_cancel = [&] { ++withdrawn; };
    co_await from_callback<int>([](callback<int> done) { done(1); }, on_cancel);
    try {
        co_await from_callback<int>([](const callback<int>&) {}, on_cancel);
    } catch (const callback_dropped&) {
    }
    try {
        co_await from_callback<int>(
            [](callback<int> done) { done.fail(std::make_exception_ptr(std::runtime_error("x"))); }, on_cancel);
    } catch (const std::runtime_error&) {
    }
    try {
        co_await from_callback<int>([](const callback<int>&) { throw std::runtime_error("x"); }, on_cancel);
    } catch (const std::runtime_error&) {
    }
    legacy<int> api;
    event_loop::current().post([&] { api.answer(1); });
    co_await from_callback<int>([&](callback<int> done) { api.ask(std::move(done)); }, on_cancel);
    event_loop::current().post([&] { api.waiting.clear(); });
    try {
        co_await from_callback<int>([&](callback<int> done) { api.ask(std::move(done)); }, on_cancel);
    } catch (const callback_dropped&) {
    }
}

task<> start_cancels_its_own_task(legacy<int>& api, lines& log) {
    std::optional<rondo::join_handle<>> self;
    auto body = [](legacy<int>& a, lines& l, std::optional<rondo::join_handle<>>& me) -> task<> {
        note_at_exit gone(l, "gone");
        const auto start = [&](callback<int> done) {
            a.ask(std::move(done));
            me->cancel();
            l.push_back("started");
        };
        co_await from_callback<int>(start, [&a] { ++a.withdrawn; });
        l.push_back("goes on");
    };
    self.emplace(rondo::spawn(body(api, log, self)));
    co_await support::yields(2);
    CHECK(self->done());
    CHECK(log == lines{"started", "gone"});
    CHECK(api.withdrawn == 1);
    api.answer(1);
    co_await rondo::yield();
}

task<> start_cancels_its_own_task_and_answers(lines& log) {
    std::optional<rondo::join_handle<>> self;
    int withdrawn = 0;
    auto body = [](lines& l, int& w, std::optional<rondo::join_handle<>>& me) -> task<> {
        const auto start = [&](const callback<int>& done) {
            me->cancel();
            done(1);
        };
        const int value = co_await from_callback<int>(start, [&w] { ++w; });
        l.push_back("goes on with " + std::to_string(value));
        co_await rondo::yield();
        l.push_back("never");
    };
    self.emplace(rondo::spawn(body(log, withdrawn, self)));
    co_await support::yields(3);
    CHECK(self->done());
    CHECK(withdrawn == 0);
    CHECK(log == lines{"goes on with 1"});
}

task<> answers_while_it_is_unwound(legacy<int>& api) {
    const auto answer = [&api] { api.answer(4); };
    const support::call_at_exit leave(answer);
    co_await support::for_ever();
}

task<> a_destructor_answers(legacy<int>& api) {
    auto waiter = rondo::spawn(asks(api));
    auto answerer = rondo::spawn(answers_while_it_is_unwound(api));
    co_await rondo::yield();
    answerer.cancel();
    CHECK(!waiter.done());
    const int value = co_await waiter;
    CHECK(value == 4);
}

task<> holds_the_callback_of_another(legacy<int>& api) {
    const callback<int> done = api.take();
    co_await support::for_ever();
    done(1);
}

// asyncio's future whose producer is cancelled: here the callback dies with the frame.
task<> the_answering_task_is_cancelled(legacy<int>& api, lines& log) {
    auto waiter = rondo::spawn(asks(api));
    co_await rondo::yield();
    auto answerer = rondo::spawn(holds_the_callback_of_another(api));
    co_await rondo::yield();
    answerer.cancel();
    try {
        co_await waiter;
    } catch (const callback_dropped&) {
        log.push_back("dropped");
    }
}

// ---- In combinators ----

task<> loses_a_race(legacy<int>& api) {
    const auto winner = co_await rondo::when_any(ask(api), rondo::sleep(1ms));
    CHECK(winner.index() == 1);
    CHECK(api.withdrawn == 1);
    api.answer(1);
    co_await rondo::yield();
}

task<> wins_a_race(legacy<int>& winner, legacy<int>& loser, legacy<int>& in_a_task) {
    event_loop::current().post([&] { winner.answer(3); });
    const auto first = co_await rondo::when_any(ask(loser), ask(winner), asks(in_a_task), rondo::sleep(1h));
    REQUIRE(first.index() == 1);
    CHECK(std::get<1>(first) == 3);
    CHECK(winner.withdrawn == 0);
    CHECK(loser.withdrawn == 1);
    CHECK(in_a_task.withdrawn == 1);
}

task<> both_are_answered_in_one_step(legacy<int>& first, legacy<tracked>& second) {
    event_loop::current().post([&] {
        second.answer(2);
        if (!first.waiting.empty()) first.answer(1);
    });
    auto decided = co_await rondo::when_any(ask(first), ask(second));
    REQUIRE(decided.index() == 1);
    CHECK(std::get<1>(decided).number() == 2);
    CHECK(first.withdrawn == 1);
    CHECK(second.withdrawn == 0);
}

task<> wins_at_once(legacy<int>& later) {
    const auto first = co_await rondo::when_any(from_callback<int>([](callback<int> done) { done(8); }), ask(later));
    REQUIRE(first.index() == 0);
    CHECK(std::get<0>(first) == 8);
    CHECK(later.asked == 0);
    CHECK(later.withdrawn == 0);
}

task<> gathers(legacy<int>& numbers, legacy<void>& signals, legacy<std::unique_ptr<int>>& owned) {
    event_loop::current().post([&] {
        owned.answer(std::make_unique<int>(3));
        numbers.answer(1);
        signals.answer();
        numbers.answer(2);
    });
    const auto all = co_await rondo::when_all(ask(numbers), ask(signals), asks(numbers), ask(owned));
    CHECK(std::get<0>(all) == 1);
    CHECK(std::get<2>(all) == 2);
    CHECK(*std::get<3>(all) == 3);
}

task<> gathers_a_failure(legacy<int>& failing, legacy<int>& other, std::string& said) {
    event_loop::current().post([&] { failing.take().fail(std::make_exception_ptr(std::runtime_error("one failed"))); });
    try {
        co_await rondo::when_all(ask(other), ask(failing), asks(other));
    } catch (const std::runtime_error& error) {
        said = error.what();
    }
    CHECK(other.withdrawn == 2);
    CHECK(failing.withdrawn == 0);
}

task<> gathers_a_failing_start(legacy<int>& other, std::string& said) {
    try {
        co_await rondo::when_all(ask(other),
                                 from_callback<int>([](const callback<int>&) { throw std::runtime_error("start"); }));
    } catch (const std::runtime_error& error) {
        said = error.what();
    }
    CHECK(other.withdrawn == 1);
}

task<> settles(legacy<int>& api) {
    event_loop::current().post([&] {
        api.answer(1);
        api.waiting.erase(api.waiting.begin());
        api.take().fail(std::make_exception_ptr(std::runtime_error("third")));
    });
    const auto all = co_await rondo::when_all_settled(ask(api), ask(api), ask(api));
    const auto& [first, second, third] = all;
    CHECK(first.value() == 1);
    CHECK_THROWS_AS(second.value(), callback_dropped);
    REQUIRE(third.error() != nullptr);
    CHECK(text_of(third.error()) == "third");
}

task<> times_out(legacy<int>& api, lines& log) {
    try {
        co_await rondo::with_timeout(10ms, ask(api));
    } catch (const rondo::timeout_error&) {
        log.push_back("timeout");
    }
    CHECK(api.withdrawn == 1);
    const auto in_a_task = co_await rondo::try_with_timeout(10ms, asks(api));
    CHECK(!in_a_task);
    CHECK(api.withdrawn == 2);
    for (const callback<int>& late : api.waiting) late(1);
    api.waiting.clear();
    const auto tried = co_await rondo::try_with_timeout(0ms, ask(api));
    CHECK(!tried);
    CHECK(api.withdrawn == 3);
    const auto at_once =
        co_await rondo::try_with_timeout(0ms, from_callback<int>([](callback<int> done) { done(11); }));
    CHECK(at_once == 11);
    event_loop::current().post([&] { api.waiting.back()(6); });
    const auto in_time = co_await rondo::try_with_timeout(10ms, ask(api));
    CHECK(in_time == 6);
    CHECK(api.withdrawn == 3);
}

task<> answered_at_the_deadline(legacy<int>& api) {
    auto answerer = rondo::spawn(answer_after(api, 5, 10ms));
    co_await rondo::yield();
    const auto value = co_await rondo::try_with_timeout(10ms, ask(api));
    CHECK(value == 5);
    CHECK(api.withdrawn == 0);
    co_await answerer;
}

task<> commits(legacy<int>& api, lines& log) {
    note_at_exit gone(log, "gone");
    co_await rondo::uncancellable(ask(api));
    log.push_back("goes on");
}

task<> cannot_be_cancelled(legacy<int>& api, lines& log) {
    auto waiter = rondo::spawn(commits(api, log));
    co_await rondo::yield();
    waiter.cancel();
    co_await rondo::yield();
    CHECK(!waiter.done());
    CHECK(api.withdrawn == 0);
    api.answer(1);
    co_await support::yields(2);
    CHECK(waiter.done());
    CHECK(log == lines{"gone"});
}

task<> cleans_up_with_a_callback(legacy<int>& api, lines& log) {
    const auto body = [] { return support::stuck(); };
    const auto cleanup = [&api, &log] { return asks_and_notes(api, log, "cleanup "); };
    co_await rondo::finally(body, cleanup);
}

task<> cleanup_waits(legacy<int>& api, lines& log) {
    auto waiter = rondo::spawn(cleans_up_with_a_callback(api, log));
    co_await rondo::yield();
    waiter.cancel();
    co_await rondo::yield();
    CHECK(!waiter.done());
    api.answer(1);
    co_await support::yields(2);
    CHECK(waiter.done());
    CHECK(log == lines{"cleanup asks", "cleanup got 1", "cleanup gone"});
}

task<> groups(legacy<int>& api, std::string& said) {
    const auto body = [&api](rondo::task_group& group) -> task<> {
        group.spawn(asks(api));
        group.spawn(asks(api));
        co_await rondo::yield();
        co_await rondo::yield();
        api.take().fail(std::make_exception_ptr(std::runtime_error("child")));
        co_await ask(api);
    };
    try {
        co_await rondo::with_task_group(body);
    } catch (const std::runtime_error& error) {
        said = error.what();
    }
    CHECK(api.withdrawn == 2);
}

// ---- The loop ----

task<> asks_then_is_stuck(legacy<int>& api) {
    co_await ask(api);
    co_await support::for_ever();
}

task<> cancels_and_is_stuck(legacy<int>& api) {
    auto waiter = rondo::spawn(asks(api));
    co_await rondo::yield();
    waiter.cancel();
    co_await support::for_ever();
}

task<> answers_the_other_loop(legacy<int>& api) {
    co_await rondo::yield();
    api.answer(6);
}

// ---- Under disturbance ----

/// Each operation is delivered, fails or is withdrawn, at most once.
class operations final : public support::swept {
public:
    task<> program() override {
        co_await is_answered(1, way::at_once);
        co_await is_answered(2, way::from_a_post);
        co_await rondo::when_all(is_answered(3, way::from_a_post), is_answered(4, way::fails_in_a_post));
        co_await rondo::when_any(is_answered(5, way::from_a_post), is_answered(6, way::never), support::stuck());
        co_await rondo::try_with_timeout(0ms, is_answered(7, way::from_a_post));
        auto spawned = rondo::spawn(is_answered(8, way::from_a_post));
        co_await spawned;
    }
    void check(support::disturbance by) override {
        // One that was answered, and cancelled before its step, is none of the three.
        REQUIRE(delivered + failed + withdrawn <= asked);
        if (by != support::disturbance::none) return;
        REQUIRE(asked == 8);
        REQUIRE(delivered + failed + withdrawn == asked);
    }

private:
    enum class way { at_once, from_a_post, fails_in_a_post, never };

    task<int> is_answered(int value, way how) {
        const presence here(*this);
        std::optional<callback<int>> kept;
        const auto start = [&](callback<int> done) {
            ++asked;
            if (how == way::at_once) return done(value);
            kept = std::move(done);
            if (how == way::never) return;
            event_loop::current().post([value, how, copy = *kept] {
                if (how == way::from_a_post) return copy(value);
                copy.fail(std::make_exception_ptr(std::runtime_error("second")));
            });
        };
        try {
            const int got = co_await from_callback<int>(start, [this] { ++withdrawn; });
            ++delivered;
            co_return got;
        } catch (const std::runtime_error&) {
            ++failed;
        }
        co_return 0;
    }

    int asked = 0, delivered = 0, failed = 0, withdrawn = 0;
};

}  // namespace

TEST_CASE("cancelling the waiter withdraws the operation, once, at once; a late call does nothing") {
    legacy<int> api;
    lines log;
    rondo::testing::run(cancels(api, log));
}

TEST_CASE("a task cancelled before its first step does not start the operation") {
    legacy<int> api;
    lines log;
    rondo::testing::run(cancels_before_the_start(api, log));
}

TEST_CASE("a waiter cancelled between the call and its step withdraws nothing; value and failure are dropped") {
    legacy<tracked> api;
    rondo::testing::run(cancels_what_was_called(api));
    legacy<int> failing;
    rondo::testing::run(cancels_what_has_failed(failing));
}

TEST_CASE("on_cancel may call the callback, fail it, and drop it") {
    legacy<int> api;
    int cancels = 0;
    rondo::testing::run(on_cancel_answers(api, cancels));
    CHECK(cancels == 2);
}

TEST_CASE("on_cancel may answer somebody else") {
    legacy<int> first;
    legacy<int> second;
    lines log;
    rondo::testing::run(on_cancel_answers_somebody_else(first, second, log));
}

TEST_CASE("on_cancel is not called for an operation that ends by itself, however it ends") {
    int withdrawn = 0;
    rondo::testing::run(no_cancel_without_cancellation(withdrawn));
    CHECK(withdrawn == 0);
}

TEST_CASE("a start that cancels its own task is unwound where it would wait") {
    legacy<int> api;
    lines log;
    rondo::testing::run(start_cancels_its_own_task(api, log));
    lines other;
    rondo::testing::run(start_cancels_its_own_task_and_answers(other));
}

TEST_CASE("a destructor on the way of an unwinding may call the callback") {
    legacy<int> api;
    rondo::testing::run(a_destructor_answers(api));
}

TEST_CASE("a callback that dies with the task that was to call it is dropped") {
    legacy<int> api;
    lines log;
    rondo::testing::run(the_answering_task_is_cancelled(api, log));
    CHECK(log == lines{"dropped"});
}

TEST_CASE("the loser of a race is withdrawn, and the winner is not") {
    legacy<int> api;
    rondo::testing::run(loses_a_race(api));
    legacy<int> winner;
    legacy<int> loser;
    legacy<int> in_a_task;
    rondo::testing::run(wins_a_race(winner, loser, in_a_task));
}

TEST_CASE("of two callbacks called in one step the first decides the race") {
    legacy<int> first;
    legacy<tracked> second;
    rondo::testing::run(both_are_answered_in_one_step(first, second));
}

TEST_CASE("behind a callback that is called at once, later operands are not started") {
    legacy<int> later;
    rondo::testing::run(wins_at_once(later));
}

TEST_CASE("when_all gathers callbacks") {
    legacy<int> numbers;
    legacy<void> signals;
    legacy<std::unique_ptr<int>> owned;
    rondo::testing::run(gathers(numbers, signals, owned));
}

TEST_CASE("a callback that fails withdraws its siblings") {
    legacy<int> failing;
    legacy<int> other;
    std::string said;
    rondo::testing::run(gathers_a_failure(failing, other, said));
    CHECK(said == "one failed");
    legacy<int> only;
    rondo::testing::run(gathers_a_failing_start(only, said));
    CHECK(said == "start");
}

TEST_CASE("when_all_settled tells of the callback that was dropped") {
    legacy<int> api;
    rondo::testing::run(settles(api));
}

TEST_CASE("a timeout withdraws the operation") {
    legacy<int> api;
    lines log;
    rondo::testing::run(times_out(api, log));
    CHECK(log == lines{"timeout"});
}

TEST_CASE("a callback called at the instant of the deadline is in time") {
    legacy<int> api;
    rondo::testing::run(answered_at_the_deadline(api));
}

TEST_CASE("uncancellable waits for the callback") {
    legacy<int> api;
    lines log;
    rondo::testing::run(cannot_be_cancelled(api, log));
}

TEST_CASE("a cleanup may wait for a callback") {
    legacy<int> api;
    lines log;
    rondo::testing::run(cleanup_waits(api, log));
}

TEST_CASE("the failure of a child in a group withdraws what body and siblings wait for") {
    legacy<int> api;
    std::string said;
    rondo::testing::run(groups(api, said));
    CHECK(said == "child");
}

TEST_CASE("an idle loop waits for an outstanding callback, and for none that is over") {
    support::manual_clock clock;
    legacy<int> api;
    clock.on_wait = [&] {
        if (clock.waits == 3) api.answer(4);
    };
    event_loop loop(clock.driver());
    CHECK(loop.run(asks(api)) == 4);
    CHECK(clock.waits >= 3);
    clock.waits = 0;
    CHECK_THROWS_AS(loop.run(asks_then_is_stuck(api)), rondo::deadlock_error);
    clock.on_wait = nullptr;
    CHECK_THROWS_AS(loop.run(cancels_and_is_stuck(api)), rondo::deadlock_error);
}

TEST_CASE("a loop without main waits for its tasks' callbacks") {
    support::manual_clock clock;
    legacy<int> api;
    clock.on_wait = [&] {
        if (!api.waiting.empty()) api.answer(1);
    };
    event_loop loop(clock.driver());
    auto first = loop.spawn(asks(api));
    auto second = loop.spawn(asks(api));
    loop.run();
    CHECK(first.done());
    CHECK(second.done());
}

TEST_CASE("destroying the loop withdraws the operation; what the callback does after is nothing") {
    for (const bool close_first : {false, true}) {
        legacy<tracked> api;
        {
            event_loop loop(support::virtual_time());
            loop.spawn(asks(api));
            loop.spawn(asks(api));
            loop.spawn(asks(api));
            loop.poll();
            CHECK(api.asked == 3);
            if (close_first) CHECK(loop.close());
        }
        CHECK(api.withdrawn == 3);
        CHECK(rondo::testing::live_frames() == 0);
        api.answer(1);
        CHECK(tracked::live() == 0);
        api.take().fail(std::make_exception_ptr(std::runtime_error("late")));
        api.waiting.clear();
        CHECK(api.withdrawn == 3);
    }
}

TEST_CASE("a callback called before its loop goes, and not delivered, is dropped with its value") {
    legacy<tracked> api;
    {
        event_loop loop(support::virtual_time());
        loop.spawn(asks(api));
        loop.poll();
        api.answer(1);
        CHECK(tracked::live() == 1);
    }
    CHECK(tracked::live() == 0);
    CHECK(api.withdrawn == 0);
}

TEST_CASE("a callback whose loop is gone does not reach one that took its place in memory") {
    legacy<int> old;
    legacy<int> fresh;
    std::optional<event_loop> loop(std::in_place, support::virtual_time());
    loop->spawn(asks(old));
    loop->poll();
    loop.emplace(support::virtual_time());
    auto waiter = loop->spawn(asks(fresh));
    loop->poll();
    old.answer(1);
    CHECK(loop->poll() == 0);
    CHECK(!waiter.done());
    fresh.answer(2);
    while (loop->poll() != 0) {
    }
    CHECK(waiter.done());
}

TEST_CASE("a callback may be called by a task of another loop") {
    legacy<int> api;
    event_loop first(support::virtual_time());
    event_loop second(support::virtual_time());
    auto waiter = first.spawn(asks(api));
    first.poll();
    second.run(answers_the_other_loop(api));
    CHECK(!waiter.done());
    first.run();
    CHECK(waiter.done());
}

TEST_CASE("stop() while the main task waits for a callback withdraws it") {
    support::manual_clock clock;
    legacy<int> api;
    event_loop loop(clock.driver());
    clock.on_wait = [&] { loop.stop(); };
    CHECK_THROWS_AS(loop.run(asks(api)), rondo::cancelled);
    CHECK(api.withdrawn == 1);
}

TEST_CASE("wherever it is cancelled, each operation is delivered, failed or withdrawn, at most once") {
    support::sweeps::all<operations>(40, 7);
}
