// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

// event_loop::poll: one round at a time, inside somebody else's loop.

#include <support/clocks.hpp>
#include <support/foreign.hpp>
#include <support/leak_check.hpp>
#include <support/tasks.hpp>

#include <rondo/loop/event_loop.hpp>
#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <optional>
#include <stdexcept>
#include <string>

using namespace std::chrono_literals;
using rondo::event_loop;
using rondo::join_handle;
using rondo::task;
using support::lines;

TEST_CASE("poll() of an idle loop takes no step") {
    event_loop loop(support::virtual_time());
    CHECK(loop.poll() == 0);
    CHECK(loop.poll() == 0);
}

TEST_CASE("a start, a resumption and a posted function are a step each") {
    event_loop loop(support::virtual_time());
    loop.spawn(support::yields(2));
    loop.spawn(support::yields(1));
    loop.post([] {});
    CHECK(loop.poll() == 3);  // two starts, one function
    CHECK(loop.poll() == 2);  // two resumptions
    CHECK(loop.poll() == 1);
    CHECK(loop.poll() == 0);
}

namespace {

task<> awaits_children_that_end_at_once() {
    for (int i = 0; i < 10; ++i) co_await support::nothing();
}

task<> joins(join_handle<>& other) { co_await other; }

}  // namespace

TEST_CASE("awaiting a child is no step of its own") {
    event_loop loop(support::virtual_time());
    loop.spawn(awaits_children_that_end_at_once());
    CHECK(loop.poll() == 1);
    CHECK(loop.poll() == 0);
}

TEST_CASE("a joiner is resumed in a step of its own") {
    event_loop loop(support::virtual_time());
    join_handle<> child = loop.spawn(support::yields(1));
    join_handle<> joiner = loop.spawn(joins(child));
    CHECK(loop.poll() == 2);
    CHECK(loop.poll() == 1);
    CHECK(child.done());
    CHECK(!joiner.done());
    CHECK(loop.poll() == 1);
    CHECK(joiner.done());
}

TEST_CASE("one poll() is one round: what a step makes ready waits for the next") {
    lines log;
    event_loop loop(support::virtual_time());
    loop.spawn(support::rounds(log, "a", 3));
    for (int round = 1; round <= 3; ++round) {
        CHECK(loop.poll() == 1);
        CHECK(log.size() == static_cast<std::size_t>(round));
    }
}

TEST_CASE("poll() never waits, and leaves virtual time where it is") {
    event_loop loop(support::virtual_time());
    const auto start = loop.now();
    join_handle<> sleeper = loop.spawn(support::nap(1s));
    CHECK(loop.poll() == 1);
    for (int i = 0; i < 10; ++i) CHECK(loop.poll() == 0);
    CHECK(loop.now() == start);
    CHECK(!sleeper.done());
    loop.run();
    CHECK(loop.now() == start + 1s);
}

TEST_CASE("poll() resumes the sleepers that have become due, in the order of their deadlines") {
    lines log;
    support::manual_clock clock;
    event_loop loop(clock.driver());
    loop.spawn(support::note_after(log, "3 s", 3s));
    loop.spawn(support::note_after(log, "1 s", 1s));
    loop.spawn(support::note_after(log, "2 s", 2s));
    loop.poll();
    clock.now += 1s;
    CHECK(loop.poll() == 1);
    CHECK(log == lines{"1 s"});
    clock.now += 5s;
    CHECK(loop.poll() == 2);
    CHECK(log == lines{"1 s", "2 s", "3 s"});
    CHECK(clock.waits == 0);
}

TEST_CASE("a loop that is only polled needs no run at all") {
    lines log;
    support::manual_clock clock;
    event_loop loop(clock.driver());
    auto body = [](lines& out) -> task<> {
        join_handle<> child = rondo::spawn(support::note_after(out, "child", 2s));
        co_await rondo::sleep(1s);
        out.push_back("parent");
        co_await child;
        out.push_back("joined");
    };
    join_handle<> handle = loop.spawn(body(log));
    int turns = 0;
    while (!handle.done()) {
        REQUIRE(++turns < 100);
        loop.poll();
        if (const std::optional<support::time_point> next = loop.next_deadline())
            clock.now = (std::max)(clock.now, *next);
    }
    CHECK(log == lines{"parent", "child", "joined"});
}

TEST_CASE("what becomes ready outside run and poll is announced by wake()") {
    support::manual_clock clock;
    support::parking place;
    event_loop loop(clock.driver());
    auto parks = [](support::parking& where) -> task<> { co_await where; };

    int before = clock.wakes;
    join_handle<> victim = loop.spawn(support::stuck());
    CHECK(clock.wakes > before);  // a task was spawned

    join_handle<> joiner = loop.spawn(joins(victim));
    join_handle<> parked = loop.spawn(parks(place));
    loop.poll();
    before = clock.wakes;
    loop.post([] {});
    CHECK(clock.wakes > before);  // a function was posted

    loop.poll();
    before = clock.wakes;
    place.resume();
    CHECK(clock.wakes > before);  // a foreign awaitable resumed
    CHECK(loop.next_deadline() == clock.now);
    loop.poll();
    CHECK(parked.done());

    before = clock.wakes;
    victim.cancel();
    CHECK(clock.wakes > before);  // its joiner became ready
    CHECK(loop.next_deadline() == clock.now);
    loop.run(support::nothing());

    before = clock.wakes;
    loop.stop();
    CHECK(clock.wakes > before);
    CHECK_THROWS_AS(loop.run(support::nothing()), rondo::cancelled);
    CHECK(joiner.done());
}

TEST_CASE("an exception that comes up outside run and poll is announced by wake(), and poll throws it") {
    support::manual_clock clock;
    event_loop loop(clock.driver());
    std::optional<join_handle<>> handle(loop.spawn(support::fail("x")));
    loop.poll();
    CHECK(loop.next_deadline() == std::nullopt);
    const int before = clock.wakes;
    handle.reset();
    CHECK(clock.wakes > before);
    CHECK(loop.next_deadline() == clock.now);
    CHECK_THROWS_AS(loop.poll(), std::runtime_error);
    CHECK(loop.next_deadline() == std::nullopt);
}

TEST_CASE("wake-ups that come while the loop runs cost the driver nothing") {
    support::manual_clock clock;
    event_loop loop(clock.driver());
    auto body = [](event_loop& own) -> task<> {
        for (int i = 0; i < 100; ++i) {
            own.post([] {});
            rondo::spawn(support::nothing());
            co_await rondo::yield();
        }
    };
    loop.spawn(body(loop));
    const int before = clock.wakes;
    loop.run();
    CHECK(clock.wakes == before);
}

TEST_CASE("while tasks only yield, poll() still lets timers come due") {
    lines log;
    support::manual_clock clock;
    event_loop loop(clock.driver());
    loop.spawn(support::note_after(log, "woke", 1s));
    join_handle<> busy = loop.spawn(support::yields(1'000'000));
    loop.poll();
    clock.now += 1s;
    loop.poll();
    CHECK(log == lines{"woke"});
    busy.cancel();
}
