// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

// Cleanups at the end of a loop: run, stop, deadlock, close and destruction let them run to their end.

#include <support/clocks.hpp>
#include <support/foreign.hpp>
#include <support/journal.hpp>
#include <support/leak_check.hpp>
#include <support/tasks.hpp>
#include <support/tracked.hpp>

#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_exception.hpp>

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
using rondo::finally;
using rondo::task;
using support::lines;
using support::nap;
using support::note_at_exit;

using duration = support::clock::duration;

task<> clean(lines& log, duration time) {
    note_at_exit gone(log, "cleanup gone");
    log.push_back("cleanup");
    co_await rondo::sleep(time);
    log.push_back("cleanup ends");
}

task<> guards(lines& log, duration body_time, duration cleanup_time) {
    note_at_exit gone(log, "caller gone");
    const auto cleanup = [&log, cleanup_time] { return clean(log, cleanup_time); };
    co_await finally(nap(body_time), cleanup);
    log.push_back("goes on");
}

const lines cleaned{"cleanup", "cleanup ends", "cleanup gone", "caller gone"};

task<> leaves_behind(lines& log, duration cleanup_time, bool fails) {
    rondo::spawn(guards(log, 1h, cleanup_time));
    co_await rondo::sleep(1ms);
    if (fails) throw std::runtime_error("main fails");
}

// What a cleanup spawns at the end of the loop is its own: it joins it.
task<> spawns_and_joins(lines& log) {
    auto helper = rondo::spawn(
        [](lines& l) -> task<int> {
            co_await rondo::sleep(2ms);
            l.push_back("helper ends");
            co_return 3;
        },
        std::ref(log));
    const auto end = co_await helper.settled();
    log.push_back(end.has_value() ? "joined " + std::to_string(end.value()) : "helper cancelled");
}

task<> guards_with_helper(lines& log) {
    const auto cleanup = [&log] { return spawns_and_joins(log); };
    co_await finally(support::stuck(), cleanup);
}

task<> leaves_helper_behind(lines& log) {
    rondo::spawn(guards_with_helper(log));
    co_await rondo::sleep(1ms);
}

task<> fails_in_cleanup() {
    const auto cleanup = []() -> task<> {
        co_await rondo::sleep(1ms);
        throw std::runtime_error("cleanup fails");
    };
    co_await finally(support::stuck(), cleanup);
}

task<> leaves_a_failing_cleanup() {
    rondo::spawn(fails_in_cleanup());
    co_await rondo::sleep(1ms);
}

task<> ticks(int& count) {
    for (; count < 1000; ++count) co_await rondo::sleep(1ms);
}

task<> pushes(bounded_queue<int>& queue) { co_await queue.push(7); }

}  // namespace

TEST_CASE("the end of run lets cleanups run to their end") {
    lines log;
    rondo::testing::run(leaves_behind(log, 1h, false));
    CHECK(log == cleaned);
    log.clear();
    CHECK_THROWS_WITH(rondo::testing::run(leaves_behind(log, 1h, true)), "main fails");
    CHECK(log == cleaned);
}

TEST_CASE("the end of run destroys a cleanup that nothing can resume") {
    lines log;
    rondo::testing::run(leaves_behind(log, (duration::max)(), false));
    CHECK(log == lines{"cleanup", "cleanup gone", "caller gone"});
}

TEST_CASE("main's own cleanup runs when it fails, is stopped, or is stuck") {
    lines log;
    const auto failing = [&]() -> task<> {
        const auto cleanup = [&] { return clean(log, 1ms); };
        co_await finally(support::fail("boom"), cleanup);
    };
    CHECK_THROWS_WITH(rondo::testing::run(failing()), "boom");
    CHECK(log == lines{"cleanup", "cleanup ends", "cleanup gone"});

    log.clear();
    const auto stopping = [&]() -> task<> {
        event_loop::current().stop();
        co_await guards(log, 1h, 1ms);
    };
    CHECK_THROWS_AS(rondo::testing::run(stopping()), rondo::cancelled);
    CHECK(log == cleaned);

    log.clear();
    CHECK_THROWS_AS(rondo::testing::run(guards(log, (duration::max)(), 1ms)), rondo::deadlock_error);
    CHECK(log == cleaned);
}

TEST_CASE("a cleanup that is stuck in a deadlock is destroyed") {
    lines log;
    CHECK_THROWS_AS(rondo::testing::run(guards(log, 1ms, (duration::max)())), rondo::deadlock_error);
    CHECK(log == lines{"cleanup", "cleanup gone", "caller gone"});
    log.clear();
    CHECK_THROWS_AS(rondo::testing::run(guards(log, (duration::max)(), (duration::max)())), rondo::deadlock_error);
    CHECK(log == lines{"cleanup", "cleanup gone", "caller gone"});
}

TEST_CASE("a cleanup may spawn and join while the loop ends") {
    lines log;
    rondo::testing::run(leaves_helper_behind(log));
    CHECK(log == lines{"helper ends", "joined 3"});
    log.clear();
    {
        event_loop loop(support::virtual_time());
        loop.spawn(guards_with_helper(log));
        loop.poll();
    }
    CHECK(log == lines{"helper ends", "joined 3"});
}

TEST_CASE("the exception of a cleanup at the end of run is thrown by run") {
    CHECK_THROWS_WITH(rondo::testing::run(leaves_a_failing_cleanup()), "cleanup fails");
}

TEST_CASE("the exception of a cleanup at the end of a loop goes to the handler") {
    int errors = 0;
    {
        event_loop loop(support::virtual_time());
        loop.on_unhandled_exception([&](std::exception_ptr) { ++errors; });
        loop.spawn(fails_in_cleanup());
        loop.poll();
    }
    CHECK(errors == 1);
}

TEST_CASE("a loop may be destroyed at every stage of a finally, and the cleanup runs if the body has started") {
    for (int rounds = 0; rounds < 9; ++rounds) {
        lines log;
        auto driver = std::make_unique<rondo::testing::virtual_driver>();
        auto& time = *driver;
        std::optional<event_loop> loop(std::in_place, std::move(driver));
        loop->spawn(guards(log, 8ms, 8ms));
        for (int i = 0; i < rounds; ++i) {
            loop->poll();
            time.advance(3ms);
        }
        loop.reset();
        lines expected = cleaned;
        if (rounds == 0) expected.clear();
        if (rounds >= 7) expected.insert(expected.end() - 1, "goes on");
        CHECK(log == expected);
    }
}

TEST_CASE("close says that a cleanup still runs") {
    lines log;
    auto driver = std::make_unique<rondo::testing::virtual_driver>();
    auto& time = *driver;
    event_loop loop(std::move(driver));
    loop.spawn(guards(log, 1h, 5ms));
    loop.poll();
    CHECK(!loop.close());
    loop.poll();
    CHECK(!loop.close());
    CHECK(log == lines{"cleanup"});
    time.advance(5ms);
    while (loop.poll() != 0) {
    }
    CHECK(loop.close());
    CHECK(log == cleaned);
}

TEST_CASE("run without main, stopped, lets cleanups run to their end") {
    lines log;
    event_loop loop(support::virtual_time());
    loop.spawn(guards(log, 1h, 5ms));
    loop.spawn(
        [](event_loop& l) -> task<> {
            co_await rondo::sleep(1ms);
            l.stop();
        },
        std::ref(loop));
    loop.run();
    if (log != cleaned) {  // run() has cancelled them, and returned
        CHECK(std::count(log.begin(), log.end(), "goes on") == 0);
        while (!loop.close()) loop.run();
    }
    CHECK(log == cleaned);
}

TEST_CASE("a cleanup that waits for something foreign holds the end of the loop up") {
    lines log;
    support::parking place;
    support::manual_clock clock;
    {
        event_loop loop(clock.driver());
        loop.spawn(
            [](support::parking& p, lines& l) -> task<> {
                const auto cleanup = [&]() -> task<> {
                    co_await p;
                    l.push_back("cleaned");
                };
                co_await finally(support::stuck(), cleanup);
            },
            std::ref(place), std::ref(log));
        loop.poll();
        clock.on_wait = [&] {
            if (place.occupied()) place.resume();
        };
    }
    CHECK(log == lines{"cleaned"});
}

TEST_CASE("the end of a loop cancels all tasks at once, also when one was cancelled before and still cleans up") {
    lines log;
    int count = 0;
    bounded_queue<int> queue(1);
    queue.try_push(1);
    {
        event_loop loop(support::virtual_time());
        loop.spawn(ticks(count));
        loop.spawn(pushes(queue));
        auto handle = loop.spawn(guards(log, 1h, 10ms));
        loop.poll();
        handle.cancel();
        CHECK(!handle.done());
    }
    CHECK(count == 0);
    CHECK(log == cleaned);
    CHECK(queue.try_pop() == 1);
    CHECK(queue.try_pop() == std::nullopt);
}

TEST_CASE("a push that waits at the end of a loop leaves the queue, also behind a task that was cancelled before") {
    lines log;
    bounded_queue<int> queue(1);
    queue.try_push(1);
    {
        event_loop loop(support::virtual_time());
        loop.spawn(pushes(queue));
        auto handle = loop.spawn(guards(log, 1h, 0ms));
        loop.poll();
        handle.cancel();
        CHECK(!handle.done());
    }
    CHECK(log == cleaned);
    CHECK(queue.try_pop() == 1);
    CHECK(queue.try_pop() == std::nullopt);
}
