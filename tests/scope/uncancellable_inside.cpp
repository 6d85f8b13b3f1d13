// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

// uncancellable around and inside of combinators, and at the end of a loop.

#include <support/clocks.hpp>
#include <support/journal.hpp>
#include <support/leak_check.hpp>
#include <support/tasks.hpp>
#include <support/tracked.hpp>

#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <catch2/catch_test_macros.hpp>

#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

namespace {

using namespace std::chrono_literals;
using rondo::event_loop;
using rondo::task;
using rondo::uncancellable;
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

task<> noted(lines& log, std::string name, duration time) {
    note_at_exit gone(log, name + " gone");
    log.push_back(name + " starts");
    co_await rondo::sleep(time);
    log.push_back(name + " ends");
}

std::string text_of(const std::exception_ptr& error) {
    try {
        std::rethrow_exception(error);
    } catch (const std::exception& e) {
        return e.what();
    }
}

task<> outer(lines& log, task<> inside) {
    note_at_exit gone(log, "outer gone");
    co_await [](lines& l, task<> i) -> task<> {
        note_at_exit middle(l, "middle gone");
        co_await uncancellable(std::move(i));
        l.push_back("middle goes on");
    }(log, std::move(inside));
    log.push_back("outer goes on");
}

// ---- What is inside lives as usual ----

task<> inside_is_cancelled_as_usual(lines& log) {
    const auto start = now();
    const bool in_time = co_await uncancellable(rondo::try_with_timeout(10ms, noted(log, "slow", 1h)));
    CHECK(!in_time);
    CHECK(now() - start == 10ms);
    const auto first = co_await uncancellable(rondo::when_any(noted(log, "loser", 1h), nap(10ms)));
    CHECK(first.index() == 1);
    CHECK(now() - start == 20ms);
    auto child = rondo::spawn(noted(log, "child", 1h));
    co_await rondo::yield();
    child.cancel();
    CHECK(child.done());
    bool caught = false;
    try {
        co_await uncancellable(child);
    } catch (const rondo::cancelled&) {
        caught = true;
    }
    CHECK(caught);
    CHECK(log == lines{"slow starts", "slow gone", "loser starts", "loser gone", "child starts", "child gone"});
}

task<> cancelled_around_a_timeout() {
    lines log;
    auto handle = rondo::spawn([&]() -> task<> {
        note_at_exit gone(log, "gone");
        co_await uncancellable(rondo::try_with_timeout(10ms, noted(log, "slow", 1h)));
        log.push_back("goes on");
    });
    co_await rondo::sleep(5ms);
    handle.cancel();
    CHECK(!handle.done());
    co_await rondo::sleep(10ms);
    CHECK(handle.done());
    CHECK(log == lines{"slow starts", "slow gone", "gone"});
}

// ---- Inside other combinators ----

task<> loses_a_race(lines& log) {
    const auto start = now();
    const auto first = co_await rondo::when_any(uncancellable(give_after(tracked(1), 20ms)), nap(10ms));
    CHECK(first.index() == 1);
    CHECK(now() - start == 20ms);
    log.push_back("goes on");
}

task<> beside_a_failure(lines& log) {
    const auto start = now();
    try {
        co_await rondo::when_all(uncancellable(noted(log, "op", 20ms)), fail_after("boom", 10ms));
    } catch (const std::runtime_error& error) {
        log.push_back(error.what());
    }
    CHECK(now() - start == 20ms);
}

task<> fails_second(lines& log) {
    try {
        co_await rondo::when_all(uncancellable(fail_after("second", 20ms)), fail_after("first", 10ms));
    } catch (const std::runtime_error& error) {
        log.push_back(error.what());
    }
}

task<> only_a_part_is_kept() {
    lines log;
    auto handle = rondo::spawn([&]() -> task<> {
        note_at_exit gone(log, "caller gone");
        co_await rondo::when_all(noted(log, "soft", 30ms), uncancellable(noted(log, "hard", 20ms)), rondo::sleep(1h));
    });
    co_await rondo::sleep(10ms);
    handle.cancel();
    CHECK(!handle.done());
    CHECK(log == lines{"soft starts", "hard starts", "soft gone"});
    co_await rondo::sleep(20ms);
    CHECK(handle.done());
    CHECK(log == lines{"soft starts", "hard starts", "soft gone", "hard ends", "hard gone", "caller gone"});
}

// ---- The end of the loop ----

task<> leaves_running(lines& log, duration time) {
    rondo::spawn(outer(log, noted(log, "op", time)));
    co_await rondo::sleep(1ms);
    log.push_back("main ends");
}

task<int> deep(int depth, duration time) {
    if (depth == 0) {
        co_await rondo::sleep(time);
        co_return 0;
    }
    const int below = co_await uncancellable(deep(depth - 1, time));
    co_return below + 1;
}

}  // namespace

TEST_CASE("inside of uncancellable, timeouts, races and cancel work as usual") {
    lines log;
    rondo::testing::run(inside_is_cancelled_as_usual(log));
    rondo::testing::run(cancelled_around_a_timeout());
}

TEST_CASE("a race waits for an uncancellable loser, and drops its value") {
    lines log;
    rondo::testing::run(loses_a_race(log));
    CHECK(log == lines{"goes on"});
}

TEST_CASE("when_all waits for an uncancellable child before it rethrows") {
    lines log;
    rondo::testing::run(beside_a_failure(log));
    CHECK(log == lines{"op starts", "op ends", "op gone", "boom"});
}

TEST_CASE("the failure of an uncancellable child beside another failure goes to the handler, once") {
    lines log;
    lines errors;
    event_loop loop(support::virtual_time());
    loop.on_unhandled_exception([&](std::exception_ptr error) { errors.push_back(text_of(error)); });
    loop.run(fails_second(log));
    loop.poll();
    CHECK(log == lines{"first"});
    CHECK(errors == lines{"second"});
}

TEST_CASE("cancelling when_all withdraws what can be withdrawn, and waits for the rest") {
    rondo::testing::run(only_a_part_is_kept());
}

TEST_CASE("the end of run waits for what cannot be cancelled") {
    lines log;
    rondo::testing::run(leaves_running(log, 10ms));
    CHECK(log == lines{"op starts", "main ends", "op ends", "op gone", "middle gone", "outer gone"});
}

TEST_CASE("the end of run destroys what nothing can resume any more") {
    lines log;
    rondo::testing::run(leaves_running(log, (duration::max)()));
    CHECK(log == lines{"op starts", "main ends", "op gone", "middle gone", "outer gone"});
}

TEST_CASE("the destruction of a loop waits for what cannot be cancelled") {
    for (int rounds = 0; rounds < 4; ++rounds) {
        lines log;
        auto driver = std::make_unique<rondo::testing::virtual_driver>();
        auto& time = *driver;
        std::optional<event_loop> loop(std::in_place, std::move(driver));
        loop->spawn(outer(log, noted(log, "op", 5ms)));
        for (int i = 0; i < rounds; ++i) {
            loop->poll();
            time.advance(4ms);
        }
        loop.reset();
        CHECK(log == (rounds == 0   ? lines{}
                      : rounds == 3 ? lines{"op starts", "op ends", "op gone", "middle goes on", "middle gone",
                                            "outer goes on", "outer gone"}
                                    : lines{"op starts", "op ends", "op gone", "middle gone", "outer gone"}));
    }
}

TEST_CASE("close says that an uncancellable part still runs") {
    lines log;
    auto driver = std::make_unique<rondo::testing::virtual_driver>();
    auto& time = *driver;
    event_loop loop(std::move(driver));
    loop.spawn(outer(log, noted(log, "op", 5ms)));
    loop.poll();
    CHECK(!loop.close());
    CHECK(log == lines{"op starts"});
    time.advance(5ms);
    while (loop.poll() != 0) {
    }
    CHECK(loop.close());
    CHECK(log == lines{"op starts", "op ends", "op gone", "middle gone", "outer gone"});
}

TEST_CASE("stop waits for the uncancellable part of main") {
    lines log;
    event_loop loop(support::virtual_time());
    const auto main = [&]() -> task<> {
        event_loop::current().stop();
        co_await outer(log, noted(log, "op", 5ms));
    };
    CHECK_THROWS_AS(loop.run(main()), rondo::cancelled);
    CHECK(log == lines{"op starts", "op ends", "op gone", "middle gone", "outer gone"});
}

TEST_CASE("uncancellable nested 1,000 deep ends by value, and holds a cancellation up") {
    const int depth = rondo::testing::run(deep(1000, 1ms));
    CHECK(depth == 1000);
    event_loop loop(support::virtual_time());
    auto handle = loop.spawn(deep(1000, 1ms));
    while (loop.poll() != 0) {
    }
    handle.cancel();
    CHECK(!handle.done());
    loop.run();
    CHECK(handle.done());
}
