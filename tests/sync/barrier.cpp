// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

#include <support/allocations.hpp>
#include <support/clocks.hpp>
#include <support/journal.hpp>
#include <support/leak_check.hpp>
#include <support/tasks.hpp>

#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace {

using namespace std::chrono_literals;
using rondo::barrier;
using rondo::event_loop;
using rondo::task;
using support::lines;
using support::note_at_exit;

using duration = support::clock::duration;

static_assert(!std::is_copy_constructible_v<barrier> && !std::is_move_constructible_v<barrier>);
static_assert(!std::is_convertible_v<int, barrier>);
static_assert(std::is_same_v<rondo::await_result_t<decltype(std::declval<barrier&>().arrive_and_wait())>, void>);
static_assert(!std::is_aggregate_v<decltype(std::declval<barrier&>().arrive_and_wait())>);

void settle(event_loop& loop) {
    while (loop.poll() != 0) {
    }
}

task<> arrives(barrier& b, lines& log, std::string name) {
    co_await b.arrive_and_wait();
    log.push_back(name);
}

task<> in_rounds(barrier& b, lines& log, std::string name, int rounds) {
    for (int i = 1; i <= rounds; ++i) {
        co_await b.arrive_and_wait();
        log.push_back(name + std::to_string(i));
    }
}

}  // namespace

// ---- Meeting ----

TEST_CASE("a barrier of less than one party throws std::invalid_argument") {
    CHECK_THROWS_AS(barrier(0), std::invalid_argument);
    CHECK_THROWS_AS(barrier(0U), std::invalid_argument);
    CHECK_THROWS_AS(barrier(-1), std::invalid_argument);
    CHECK_THROWS_AS(barrier((std::numeric_limits<long long>::min)()), std::invalid_argument);
}

TEST_CASE("all go on when the last one has come: he at once, the others on a later step in their order") {
    event_loop loop(support::virtual_time());
    barrier b(4);
    lines log;
    for (const char* const name : {"a", "b", "c"}) loop.spawn(arrives(b, log, name));
    settle(loop);
    CHECK(log.empty());
    loop.spawn(arrives(b, log, "d"));
    loop.poll();
    CHECK(log == lines{"d"});
    settle(loop);
    CHECK(log == lines{"d", "a", "b", "c"});
}

TEST_CASE("a barrier begins anew, again and again") {
    event_loop loop(support::virtual_time());
    barrier b(3);
    lines log;
    for (const char* const name : {"a", "b", "c"}) loop.spawn(in_rounds(b, log, name, 100));
    loop.run();
    REQUIRE(log.size() == 300);
    for (int round = 1; round <= 100; ++round) {
        const auto begin = log.begin() + 3 * (round - 1);
        lines of_round(begin, begin + 3);
        std::sort(of_round.begin(), of_round.end());
        const std::string number = std::to_string(round);
        if (of_round != lines{"a" + number, "b" + number, "c" + number}) FAIL("round " << round << " is torn");
    }
}

TEST_CASE("those who come again belong to the next round, also before the others have resumed") {
    event_loop loop(support::virtual_time());
    barrier b(2);
    lines log;
    loop.spawn(arrives(b, log, "a"));
    settle(loop);
    loop.spawn(in_rounds(b, log, "quick ", 2));
    loop.poll();
    CHECK(log == lines{"quick 1"});
    settle(loop);
    CHECK(log == lines{"quick 1", "a"});
    loop.spawn(arrives(b, log, "c"));
    settle(loop);
    CHECK(log == lines{"quick 1", "a", "c", "quick 2"});
}

TEST_CASE("more tasks than parties meet in groups, in the order in which they came") {
    event_loop loop(support::virtual_time());
    barrier b(3);
    lines log;
    std::vector<rondo::join_handle<>> handles;
    for (int i = 0; i < 8; ++i) handles.push_back(loop.spawn(arrives(b, log, std::to_string(i))));
    settle(loop);
    CHECK(log == lines{"2", "5", "0", "1", "3", "4"});
    CHECK(!handles[6].done());
    loop.spawn(arrives(b, log, "8"));
    settle(loop);
    CHECK(log == lines{"2", "5", "0", "1", "3", "4", "8", "6", "7"});
}

namespace {

task<> alone(barrier& b, lines& log) {
    rondo::spawn(support::note(log, "other"));
    {
        [[maybe_unused]] auto never_awaited = b.arrive_and_wait();
    }
    for (int i = 0; i < 5; ++i) co_await b.arrive_and_wait();
    log.push_back("alone");
    co_await rondo::yield();
}

}  // namespace

TEST_CASE("a barrier of one lets nothing else run in between") {
    barrier b(1);
    lines log;
    rondo::testing::run(alone(b, log));
    CHECK(log == lines{"alone", "other"});
}

TEST_CASE("an arrival that is never awaited does not count") {
    event_loop loop(support::virtual_time());
    barrier b(2);
    lines log;
    {
        [[maybe_unused]] auto never_awaited = b.arrive_and_wait();
    }
    auto a = loop.spawn(arrives(b, log, "a"));
    settle(loop);
    CHECK(!a.done());
}

// ---- Cancellation ----

TEST_CASE("a cancelled arrival is taken back, and another one is needed") {
    event_loop loop(support::virtual_time());
    barrier b(3);
    lines log;
    auto unstarted = loop.spawn(arrives(b, log, "unstarted"));
    unstarted.cancel();
    loop.spawn(arrives(b, log, "a"));
    auto cancelled = loop.spawn(arrives(b, log, "cancelled"));
    settle(loop);
    cancelled.cancel();
    CHECK(cancelled.done());
    loop.spawn(arrives(b, log, "b"));
    settle(loop);
    CHECK(log.empty());
    loop.spawn(arrives(b, log, "c"));
    settle(loop);
    CHECK(log == lines{"c", "a", "b"});
}

TEST_CASE("an arrival that is cancelled after all have come is not taken back: the next round starts at zero") {
    event_loop loop(support::virtual_time());
    barrier b(2);
    lines log;
    auto a = loop.spawn(arrives(b, log, "a"));
    settle(loop);
    loop.spawn(arrives(b, log, "b"));
    loop.poll();
    CHECK(log == lines{"b"});
    a.cancel();
    CHECK(a.done());
    auto c = loop.spawn(arrives(b, log, "c"));
    settle(loop);
    CHECK(!c.done());
    auto d = loop.spawn(arrives(b, log, "d"));
    settle(loop);
    CHECK(log == lines{"b", "d", "c"});
}

namespace {

task<> arrives_and_cancels(barrier& b, rondo::join_handle<>& other, lines& log) {
    co_await b.arrive_and_wait();
    other.cancel();
    CHECK(other.done());
    log.push_back("last");
}

}  // namespace

TEST_CASE("one who is let go and cancelled in one step does not go on, and the others do") {
    event_loop loop(support::virtual_time());
    barrier b(3);
    lines log;
    auto a = loop.spawn(arrives(b, log, "a"));
    loop.spawn(arrives(b, log, "b"));
    loop.spawn(arrives_and_cancels(b, a, log));
    settle(loop);
    CHECK(log == lines{"last", "b"});
}

TEST_CASE("arrivals that come and are cancelled never complete a barrier") {
    event_loop loop(support::virtual_time());
    barrier b(2);
    lines log;
    for (int i = 0; i < 100; ++i) {
        auto one = loop.spawn(arrives(b, log, "x"));
        settle(loop);
        one.cancel();
    }
    CHECK(log.empty());
    loop.spawn(arrives(b, log, "a"));
    loop.spawn(arrives(b, log, "b"));
    settle(loop);
    CHECK(log == lines{"b", "a"});
}

// ---- Combinators ----

namespace {

task<> arrive_or_sleep(barrier& b, duration time, lines& log) {
    const auto won = co_await rondo::when_any(b.arrive_and_wait(), rondo::sleep(time));
    log.push_back(won.index() == 0 ? "met" : "slept");
}

task<> arrive_twice(barrier& b, lines& log) {
    co_await rondo::when_all(b.arrive_and_wait(), b.arrive_and_wait());
    log.push_back("all");
}

task<> race_twice(barrier& b, lines& log) {
    const auto won = co_await rondo::when_any(b.arrive_and_wait(), b.arrive_and_wait());
    log.push_back("won " + std::to_string(won.index()));
}

task<> arrive_and_fail(barrier& b, int yields, lines& log) {
    const auto fails = [](int times) -> task<> {
        co_await support::yields(times);
        throw std::runtime_error("failed");
    };
    try {
        co_await rondo::when_all(b.arrive_and_wait(), fails(yields));
    } catch (const std::runtime_error& error) {
        log.push_back(error.what());
    }
}

task<> arrives_within(barrier& b, duration time, lines& log, std::string name) {
    try {
        co_await rondo::with_timeout(time, b.arrive_and_wait());
        log.push_back(name + " in time");
    } catch (const rondo::timeout_error&) {
        log.push_back(name + " too late");
    }
}

task<> tries_within(barrier& b, duration time, lines& log, std::string name) {
    const bool in_time = co_await rondo::try_with_timeout(time, b.arrive_and_wait());
    log.push_back(name + (in_time ? " in time" : " too late"));
}

task<> arrives_after(barrier& b, duration time, lines& log, std::string name) {
    co_await rondo::sleep(time);
    co_await b.arrive_and_wait();
    log.push_back(name);
}

task<> insists(barrier& b, lines& log) {
    note_at_exit gone(log, "gone");
    co_await rondo::uncancellable(b.arrive_and_wait());
    log.push_back("goes on");
    co_await rondo::yield();
}

task<> group_of_parties(lines& log) {
    barrier b(3);
    co_await rondo::with_task_group([&](rondo::task_group& group) -> task<> {
        group.spawn(in_rounds(b, log, "a", 2));
        group.spawn(in_rounds(b, log, "b", 2));
        co_await in_rounds(b, log, "body", 2);
    });
    log.push_back("group ends");
}

task<> group_that_fails(barrier& b, lines& log) {
    try {
        co_await rondo::with_task_group([&](rondo::task_group& group) -> task<> {
            group.spawn(arrives(b, log, "child"));
            co_await rondo::yield();
            co_await rondo::yield();
            throw std::runtime_error("failed");
        });
    } catch (const std::runtime_error& error) {
        log.push_back(error.what());
    }
}

task<> cleans_up(barrier& b, lines& log) {
    co_await rondo::finally(b.arrive_and_wait(), [&b, &log] { return arrives(b, log, "cleaned up"); });
}

}  // namespace

TEST_CASE("an arrival that lost a race is taken back") {
    event_loop loop(support::virtual_time());
    barrier b(2);
    lines log;
    loop.run(arrive_or_sleep(b, 1ms, log));
    CHECK(log == lines{"slept"});
    auto a = loop.spawn(arrives(b, log, "a"));
    settle(loop);
    CHECK(!a.done());
    loop.run(arrive_or_sleep(b, 1h, log));
    settle(loop);
    std::sort(log.begin(), log.end());
    CHECK(log == lines{"a", "met", "slept"});
}

TEST_CASE("the same barrier twice in when_all: each arrival counts") {
    event_loop loop(support::virtual_time());
    barrier b(2);
    lines log;
    for (int i = 0; i < 3; ++i) loop.run(arrive_twice(b, log));
    CHECK(log == lines{"all", "all", "all"});
    barrier three(3);
    auto waiting = loop.spawn(arrive_twice(three, log));
    settle(loop);
    CHECK(!waiting.done());
    waiting.cancel();
    CHECK(waiting.done());
    loop.spawn(arrive_twice(three, log));
    settle(loop);
    CHECK(log.size() == 3);
    loop.run(arrives(three, log, "last"));
    settle(loop);
    CHECK(log.size() == 5);
}

TEST_CASE("the same barrier twice in a race: it opens for both, and begins anew") {
    event_loop loop(support::virtual_time());
    barrier b(2);
    lines log;
    loop.run(race_twice(b, log));
    CHECK(log.size() == 1);
    auto a = loop.spawn(arrives(b, log, "a"));
    settle(loop);
    CHECK(!a.done());
    loop.spawn(arrives(b, log, "b"));
    settle(loop);
    CHECK(a.done());
}

TEST_CASE("an arrival whose sibling fails is taken back, unless all had come") {
    event_loop loop(support::virtual_time());
    barrier b(2);
    lines log;
    loop.run(arrive_and_fail(b, 1, log));
    loop.run(arrive_and_fail(b, 0, log));
    CHECK(log == lines{"failed", "failed"});
    auto a = loop.spawn(arrives(b, log, "a"));
    settle(loop);
    CHECK(!a.done());
    loop.run(arrive_and_fail(b, 3, log));  // the second party, and fails after that
    settle(loop);
    CHECK(a.done());
    auto c = loop.spawn(arrives(b, log, "c"));
    settle(loop);
    CHECK(!c.done());
}

TEST_CASE("an arrival within a time: too late it is taken back, at the very deadline it is in time") {
    event_loop loop(support::virtual_time());
    barrier b(3);
    lines log;
    loop.spawn(arrives_within(b, 5ms, log, "a"));
    loop.spawn(arrives_after(b, 7ms, log, "c"));
    loop.spawn(arrives_within(b, 10ms, log, "d"));
    loop.spawn(arrives_after(b, 10ms, log, "e"));
    loop.run();
    CHECK(log == lines{"a too late", "e", "d in time", "c"});
    log.clear();
    barrier two(2);
    loop.run(arrives_within(two, 0s, log, "a"));
    loop.run(tries_within(two, 5ms, log, "b"));
    auto c = loop.spawn(arrives(two, log, "c"));
    settle(loop);
    loop.run(tries_within(two, 0s, log, "d"));
    settle(loop);
    std::sort(log.begin(), log.end());
    CHECK(log == lines{"a too late", "b too late", "c", "d in time"});
    barrier one(1);
    loop.run(arrives_within(one, 0s, log, "e"));
    CHECK(log.back() == "e in time");
}

TEST_CASE("an arrival that cannot be cancelled stays, and the unwinding follows when all have come") {
    event_loop loop(support::virtual_time());
    barrier b(2);
    lines log;
    auto a = loop.spawn(insists(b, log));
    settle(loop);
    a.cancel();
    settle(loop);
    CHECK(!a.done());
    loop.run(arrives(b, log, "b"));
    settle(loop);
    CHECK(a.done());
    CHECK(log == lines{"b", "gone"});
}

TEST_CASE("the tasks of a group meet, and a group that fails takes its arrivals back") {
    lines log;
    rondo::testing::run(group_of_parties(log));
    REQUIRE(log.size() == 7);
    CHECK(log.back() == "group ends");
    log.clear();
    event_loop loop(support::virtual_time());
    barrier b(2);
    loop.run(group_that_fails(b, log));
    auto a = loop.spawn(arrives(b, log, "a"));
    settle(loop);
    CHECK(!a.done());
    CHECK(log == lines{"failed"});
}

TEST_CASE("a cleanup may arrive where the body's arrival was taken back") {
    event_loop loop(support::virtual_time());
    barrier b(2);
    lines log;
    auto a = loop.spawn(cleans_up(b, log));
    settle(loop);
    a.cancel();
    settle(loop);
    CHECK(!a.done());
    loop.run(arrives(b, log, "b"));
    settle(loop);
    CHECK(a.done());
    CHECK(log == lines{"b", "cleaned up"});
}

// ---- Lifetimes: barriers and loops ----

namespace {

task<> stuck_arrival(barrier& b, unsigned& line) {
    line = __LINE__ + 1;
    co_await b.arrive_and_wait();
}

std::string stuck_report(event_loop& loop) {
    try {
        loop.run();
    } catch (const rondo::deadlock_error& error) {
        return error.what();
    }
    return "not stuck";
}

bool names(const std::string& report, unsigned line) {
    return report.find("barrier.cpp:" + std::to_string(line)) != std::string::npos;
}

task<> owns_its_barrier(lines& log) {
    barrier b(2);
    rondo::spawn(arrives(b, log, "other"));
    co_await rondo::yield();
    co_await b.arrive_and_wait();
}

}  // namespace

TEST_CASE("the stuck report names the line of an arrival") {
    event_loop loop(support::virtual_time());
    barrier b(2);
    unsigned line = 0;
    loop.spawn(stuck_arrival(b, line));
    const std::string report = stuck_report(loop);
    INFO(report);
    CHECK(names(report, line));
    CHECK(report.find("barrier::arrive_and_wait") != std::string::npos);
    CHECK(report.find("gone") == std::string::npos);
}

TEST_CASE("those who wait at a destroyed barrier never resume, unwind when cancelled, and the report says so") {
    event_loop loop(support::virtual_time());
    auto b = std::make_unique<barrier>(9);
    lines log;
    unsigned line = 0;
    auto a = loop.spawn(arrives(*b, log, "a"));
    auto c = loop.spawn(stuck_arrival(*b, line));
    auto all = loop.spawn(arrive_twice(*b, log));
    loop.spawn(arrive_or_sleep(*b, 1ms, log));
    settle(loop);
    b.reset();
    settle(loop);
    const std::string report = stuck_report(loop);
    INFO(report);
    CHECK(names(report, line));
    CHECK(report.find("gone") != std::string::npos);
    for (rondo::join_handle<>* const handle : {&a, &c, &all}) {
        CHECK(!handle->done());
        handle->cancel();
        CHECK(handle->done());
    }
    settle(loop);
    CHECK(log == lines{"slept"});
}

TEST_CASE("those who have been let go do so though the barrier is destroyed before they run") {
    event_loop loop(support::virtual_time());
    auto b = std::make_unique<barrier>(4);
    lines log;
    loop.spawn(arrives(*b, log, "a"));
    loop.spawn(arrive_or_sleep(*b, 1ms, log));
    auto cancelled = loop.spawn(arrives(*b, log, "cancelled"));
    settle(loop);
    loop.spawn(arrives(*b, log, "last"));
    loop.poll();
    b.reset();
    cancelled.cancel();
    CHECK(cancelled.done());
    settle(loop);
    std::sort(log.begin(), log.end());
    CHECK(log == lines{"a", "last", "met"});
}

TEST_CASE("a barrier may die with the task that came last") {
    event_loop loop(support::virtual_time());
    lines log;
    loop.run(owns_its_barrier(log));
    settle(loop);
    CHECK(log == lines{"other"});
}

TEST_CASE("a barrier outlives a loop, whose arrivals are taken back, and lets the tasks of two meet") {
    barrier b(2);
    lines log;
    {
        event_loop loop(support::virtual_time());
        loop.spawn(arrives(b, log, "gone with its loop"));
        settle(loop);
    }
    event_loop here(support::virtual_time());
    event_loop there(support::virtual_time());
    here.spawn(in_rounds(b, log, "here ", 2));
    settle(here);
    CHECK(log.empty());
    there.spawn(in_rounds(b, log, "there ", 2));
    while (here.poll() + there.poll() != 0) {
    }
    CHECK(log.size() == 4);
}

TEST_CASE("the last arrival, in another loop, makes the waiters ready and wakes their driver") {
    support::manual_clock clock;
    event_loop loop(clock.driver());
    event_loop other(support::virtual_time());
    barrier b(3);
    lines log;
    loop.spawn(arrives(b, log, "a"));
    loop.spawn(arrive_or_sleep(b, 1h, log));
    settle(loop);
    const int wakes = clock.wakes;
    other.run(arrives(b, log, "last"));
    CHECK(clock.wakes > wakes);
    CHECK(loop.next_deadline() == clock.now);
    settle(loop);
    CHECK(log == lines{"last", "a", "met"});
}

// ---- What it costs others ----

namespace {

constexpr int far_too_many = 2'000'000;

task<> spins(barrier& b, const bool& stop, int& turns) {
    while (!stop && turns < far_too_many) {
        co_await b.arrive_and_wait();
        ++turns;
    }
}

task<> stops_after(bool& stop, duration time) {
    co_await rondo::sleep(time);
    stop = true;
}

task<> arrives_often(barrier& b, int times, int& done) {
    for (int i = 0; i < times; ++i) {
        co_await b.arrive_and_wait();
        ++done;
    }
}

task<> meets(barrier& b, std::size_t& count) {
    for (int round = 0; round < 3; ++round) {
        const std::size_t before = support::allocations::count();
        for (int i = 0; i < 1000; ++i) co_await b.arrive_and_wait();
        count = support::allocations::count() - before;
    }
}

task<> two_meet(std::size_t& count) {
    barrier b(2);
    std::size_t other = 1;
    co_await rondo::when_all(meets(b, count), meets(b, other));
    count += other;
}

}  // namespace

TEST_CASE("arrivals that never wait do not delay a timer") {
    support::manual_clock clock;
    clock.tick = 100us;
    event_loop loop(clock.driver());
    barrier b(1);
    bool stop = false;
    int turns = 0;
    loop.spawn(stops_after(stop, 10ms));
    loop.spawn(spins(b, stop, turns));
    loop.run();
    CHECK(stop);
    CHECK(turns < far_too_many);
}

TEST_CASE("an arrival that was put off counts as one without waiting, and is not taken back") {
    event_loop loop(support::virtual_time());
    barrier b(1);
    int done = 0;
    bool in_time = false;
    const auto tries = [&]() -> task<> {
        in_time = co_await rondo::try_with_timeout(0s, arrives_often(b, 1000, done));
    };
    loop.run(tries());
    CHECK(in_time);
    CHECK(done == 1000);
    auto cancelled = loop.spawn(arrives_often(b, 1000, done));
    loop.poll();
    REQUIRE(!cancelled.done());
    cancelled.cancel();
    lines log;
    loop.run(arrives(b, log, "a"));
    CHECK(log == lines{"a"});
}

TEST_CASE("a barrier allocates nothing") {
    std::size_t count = 1;
    rondo::testing::run(two_meet(count));
    CHECK(count == 0);
}
