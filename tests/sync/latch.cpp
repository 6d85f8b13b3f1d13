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
using rondo::event_loop;
using rondo::latch;
using rondo::task;
using support::lines;
using support::note_at_exit;

using duration = support::clock::duration;

static_assert(!std::is_copy_constructible_v<latch> && !std::is_move_constructible_v<latch>);
static_assert(!std::is_convertible_v<int, latch>);
static_assert(std::is_same_v<rondo::await_result_t<decltype(std::declval<latch&>().wait())>, void>);
static_assert(std::is_same_v<rondo::await_result_t<decltype(std::declval<latch&>().arrive_and_wait())>, void>);
static_assert(!std::is_aggregate_v<decltype(std::declval<latch&>().arrive_and_wait())>);

void settle(event_loop& loop) {
    while (loop.poll() != 0) {
    }
}

task<> waits(latch& l, lines& log, std::string name) {
    co_await l.wait();
    log.push_back(name);
}

task<> arrives(latch& l, lines& log, std::string name) {
    co_await l.arrive_and_wait();
    log.push_back(name);
}

// Says "too many" for an arrival that the latch refuses.
task<> may_arrive(latch& l, lines& log, std::string name) {
    try {
        co_await l.arrive_and_wait();
        log.push_back(name);
    } catch (const std::invalid_argument&) {
        log.push_back(name + " too many");
    }
}

// How many more counts it takes.
std::size_t left_of(latch& l) {
    std::size_t count = 0;
    while (!l.try_wait()) {
        l.count_down();
        ++count;
    }
    return count;
}

}  // namespace

// ---- Counting ----

TEST_CASE("a latch counts down to zero, one or more at a time") {
    latch l(4);
    CHECK(!l.try_wait());
    l.count_down();
    l.count_down(2);
    CHECK(!l.try_wait());
    l.count_down(0);
    CHECK(!l.try_wait());
    l.count_down();
    CHECK(l.try_wait());
    l.count_down(0);
    CHECK(l.try_wait());
}

TEST_CASE("a latch of zero is open from the beginning") {
    latch l(0);
    lines log;
    CHECK(l.try_wait());
    rondo::testing::run(waits(l, log, "a"));
    CHECK(log == lines{"a"});
    CHECK_THROWS_AS(l.count_down(), std::invalid_argument);
}

TEST_CASE("a negative latch throws std::invalid_argument") {
    CHECK_THROWS_AS(latch(-1), std::invalid_argument);
    CHECK_THROWS_AS(latch((std::numeric_limits<long long>::min)()), std::invalid_argument);
    CHECK(!latch(1U).try_wait());
}

TEST_CASE("counting below zero throws std::invalid_argument and changes nothing") {
    event_loop loop(support::virtual_time());
    latch l(3);
    lines log;
    loop.spawn(waits(l, log, "a"));
    settle(loop);
    CHECK_THROWS_AS(l.count_down(4), std::invalid_argument);
    CHECK_THROWS_AS(l.count_down((std::numeric_limits<std::size_t>::max)()), std::invalid_argument);
    settle(loop);
    CHECK(log.empty());
    l.count_down(2);
    CHECK_THROWS_AS(l.count_down(2), std::invalid_argument);
    CHECK(!l.try_wait());
    l.count_down();
    CHECK(l.try_wait());
    CHECK_THROWS_AS(l.count_down(), std::invalid_argument);
    CHECK(l.try_wait());
    settle(loop);
    CHECK(log == lines{"a"});
}

// ---- Waiting ----

TEST_CASE("the last count wakes all that wait, in the order in which they came, on a later step") {
    event_loop loop(support::virtual_time());
    latch l(2);
    lines log;
    for (const char* const name : {"a", "b", "c"}) loop.spawn(waits(l, log, name));
    settle(loop);
    l.count_down();
    settle(loop);
    CHECK(log.empty());
    l.count_down();
    CHECK(log.empty());
    settle(loop);
    CHECK(log == lines{"a", "b", "c"});
}

TEST_CASE("tasks that arrive and wait go on when the last of them has come, which need not wait") {
    event_loop loop(support::virtual_time());
    latch l(3);
    lines log;
    for (const char* const name : {"a", "b", "c"}) loop.spawn(arrives(l, log, name));
    loop.poll();
    CHECK(log == lines{"c"});
    settle(loop);
    CHECK(log == lines{"c", "a", "b"});
    CHECK(l.try_wait());
}

TEST_CASE("a finished latch lets everybody through, and stays finished") {
    event_loop loop(support::virtual_time());
    latch l(1);
    lines log;
    loop.run(arrives(l, log, "a"));
    loop.run(waits(l, log, "b"));
    loop.run(waits(l, log, "c"));
    loop.run(may_arrive(l, log, "d"));
    CHECK(log == lines{"a", "b", "c", "d too many"});
    loop.run(waits(l, log, "e"));
    CHECK(log.back() == "e");
}

namespace {

task<> waits_for_a_finished_one(latch& l, lines& log) {
    rondo::spawn(support::note(log, "other"));
    co_await l.wait();
    {
        [[maybe_unused]] auto never_awaited = l.arrive_and_wait();
    }
    co_await l.wait();
    log.push_back("waited twice");
    co_await rondo::yield();
}

}  // namespace

TEST_CASE("a wait for a finished latch lets nothing else run in between") {
    latch l(0);
    lines log;
    rondo::testing::run(waits_for_a_finished_one(l, log));
    CHECK(log == lines{"waited twice", "other"});
}

TEST_CASE("an arrival that is never awaited does not count") {
    latch l(1);
    {
        [[maybe_unused]] auto never_awaited = l.arrive_and_wait();
    }
    CHECK(!l.try_wait());
}

// ---- Cancellation ----

TEST_CASE("a cancelled wait leaves the queue, at any moment") {
    event_loop loop(support::virtual_time());
    latch l(1);
    lines log;
    auto unstarted = loop.spawn(waits(l, log, "unstarted"));
    unstarted.cancel();
    auto waiting = loop.spawn(waits(l, log, "waiting"));
    auto woken = loop.spawn(waits(l, log, "woken"));
    loop.spawn(waits(l, log, "last"));
    settle(loop);
    waiting.cancel();
    CHECK(waiting.done());
    l.count_down();
    woken.cancel();
    CHECK(woken.done());
    settle(loop);
    CHECK(log == lines{"last"});
    CHECK(l.try_wait());
}

TEST_CASE("a cancelled arrival keeps the count down; one that never started does not count") {
    event_loop loop(support::virtual_time());
    latch l(3);
    lines log;
    auto unstarted = loop.spawn(arrives(l, log, "unstarted"));
    unstarted.cancel();
    auto arrived = loop.spawn(arrives(l, log, "arrived"));
    settle(loop);
    arrived.cancel();
    CHECK(arrived.done());
    loop.spawn(arrives(l, log, "a"));
    settle(loop);
    CHECK(log.empty());
    loop.spawn(arrives(l, log, "b"));
    settle(loop);
    CHECK(log == lines{"b", "a"});
    CHECK(l.try_wait());
}

// ---- Combinators ----

namespace {

task<> wait_or_sleep(latch& l, duration time, lines& log) {
    const auto won = co_await rondo::when_any(l.wait(), rondo::sleep(time));
    log.push_back(won.index() == 0 ? "waited" : "slept");
}

task<> arrive_or_sleep(latch& l, duration time, lines& log) {
    const auto won = co_await rondo::when_any(l.arrive_and_wait(), rondo::sleep(time));
    log.push_back(won.index() == 0 ? "waited" : "slept");
}

task<> arrive_twice(latch& l, lines& log) {
    co_await rondo::when_all(l.arrive_and_wait(), l.arrive_and_wait(), l.wait());
    log.push_back("all");
}

task<> arrive_and_fail(latch& l, lines& log) {
    try {
        co_await rondo::when_all(l.arrive_and_wait(), support::fail("failed"));
    } catch (const std::runtime_error& error) {
        log.push_back(error.what());
    }
}

task<> arrives_too_often(latch& l, lines& log) {
    bool caught = false;
    try {
        co_await rondo::when_all(l.arrive_and_wait(), l.arrive_and_wait(), l.arrive_and_wait());
    } catch (const std::invalid_argument&) {
        caught = true;
    }
    log.push_back(caught ? "too many" : "all");
}

task<> arrives_within(latch& l, duration time, lines& log, std::string name) {
    const bool in_time = co_await rondo::try_with_timeout(time, l.arrive_and_wait());
    log.push_back(name + (in_time ? " in time" : " too late"));
}

task<> waits_within(latch& l, duration time, lines& log, std::string name) {
    try {
        co_await rondo::with_timeout(time, l.wait());
        log.push_back(name + " in time");
    } catch (const rondo::timeout_error&) {
        log.push_back(name + " too late");
    }
}

task<> counts_after(latch& l, duration time) {
    co_await rondo::sleep(time);
    l.count_down();
}

task<> insists(latch& l, lines& log) {
    note_at_exit gone(log, "gone");
    co_await rondo::uncancellable(l.arrive_and_wait());
    log.push_back("goes on");
    co_await rondo::yield();
}

task<> group_of_workers(lines& log) {
    latch l(3);
    co_await rondo::with_task_group([&](rondo::task_group& group) -> task<> {
        for (int i = 1; i <= 3; ++i) group.spawn(counts_after(l, std::chrono::milliseconds(i)));
        co_await l.wait();
        log.push_back("all at work");
    });
}

task<> cleans_up(latch& l, lines& log) {
    co_await rondo::finally(support::for_ever(), [&l, &log] { return arrives(l, log, "cleaned up"); });
}

}  // namespace

TEST_CASE("a wait that lost a race leaves the latch; an arrival that lost has counted") {
    event_loop loop(support::virtual_time());
    latch l(2);
    lines log;
    loop.run(wait_or_sleep(l, 1ms, log));
    loop.run(arrive_or_sleep(l, 1ms, log));
    CHECK(log == lines{"slept", "slept"});
    CHECK(!l.try_wait());
    loop.run(arrive_or_sleep(l, 1ms, log));
    CHECK(log.back() == "waited");
    CHECK(l.try_wait());
    CHECK(!loop.next_deadline());
}

TEST_CASE("the same latch several times in when_all: each arrival counts") {
    event_loop loop(support::virtual_time());
    latch l(2);
    lines log;
    loop.run(arrive_twice(l, log));
    CHECK(log == lines{"all"});
    latch small(2);
    loop.run(arrives_too_often(small, log));
    CHECK(log == lines{"all", "too many"});
    CHECK(small.try_wait());
    latch big(4);
    loop.spawn(arrive_twice(big, log));
    settle(loop);
    CHECK(log.size() == 2);
    big.count_down(2);
    settle(loop);
    CHECK(log.size() == 3);
}

TEST_CASE("an arrival whose sibling fails has counted") {
    event_loop loop(support::virtual_time());
    latch l(2);
    lines log;
    loop.run(arrive_and_fail(l, log));
    CHECK(log == lines{"failed"});
    CHECK(left_of(l) == 1);
}

TEST_CASE("a latch within a time: too late, in time, at the very deadline, at once") {
    event_loop loop(support::virtual_time());
    latch l(3);
    lines log;
    loop.spawn(waits_within(l, 5ms, log, "a"));
    loop.spawn(arrives_within(l, 5ms, log, "b"));  // too late, but it has counted
    loop.spawn(arrives_within(l, 20ms, log, "c"));
    loop.spawn(counts_after(l, 10ms));
    loop.spawn(waits_within(l, 10ms, log, "d"));
    loop.run();
    CHECK(log == lines{"a too late", "b too late", "c in time", "d in time"});
    log.clear();
    latch one(2);
    loop.run(waits_within(one, 0s, log, "a"));
    loop.run(arrives_within(one, 0s, log, "b"));
    loop.run(arrives_within(one, -1s, log, "c"));
    loop.run(waits_within(one, -1s, log, "d"));
    CHECK(log == lines{"a too late", "b too late", "c in time", "d in time"});
}

TEST_CASE("an arrival that cannot be cancelled ends with the latch, and the unwinding follows") {
    event_loop loop(support::virtual_time());
    latch l(2);
    lines log;
    auto a = loop.spawn(insists(l, log));
    settle(loop);
    a.cancel();
    settle(loop);
    CHECK(!a.done());
    l.count_down();
    settle(loop);
    CHECK(a.done());
    CHECK(log == lines{"gone"});
}

TEST_CASE("the body of a group waits until its children have counted, and a cleanup may arrive") {
    lines log;
    rondo::testing::run(group_of_workers(log));
    CHECK(log == lines{"all at work"});
    event_loop loop(support::virtual_time());
    latch l(2);
    auto a = loop.spawn(cleans_up(l, log));
    settle(loop);
    a.cancel();
    settle(loop);
    CHECK(!a.done());
    l.count_down();
    settle(loop);
    CHECK(a.done());
    CHECK(log == lines{"all at work", "cleaned up"});
}

// ---- Lifetimes: latches and loops ----

namespace {

task<> stuck_wait(latch& l, unsigned& line) {
    line = __LINE__ + 1;
    co_await l.wait();
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
    return report.find("latch.cpp:" + std::to_string(line)) != std::string::npos;
}

task<> owns_its_latch(lines& log) {
    latch l(2);
    rondo::spawn(arrives(l, log, "other"));
    co_await rondo::yield();
    l.count_down();
}

}  // namespace

TEST_CASE("the stuck report names the line of a wait") {
    event_loop loop(support::virtual_time());
    latch l(1);
    unsigned line = 0;
    loop.spawn(stuck_wait(l, line));
    const std::string report = stuck_report(loop);
    INFO(report);
    CHECK(names(report, line));
    CHECK(report.find("latch::") != std::string::npos);
    CHECK(report.find("gone") == std::string::npos);
}

TEST_CASE("those who wait for a destroyed latch never resume, unwind when cancelled, and the report says so") {
    event_loop loop(support::virtual_time());
    auto l = std::make_unique<latch>(5);
    lines log;
    unsigned line = 0;
    auto a = loop.spawn(waits(*l, log, "a"));
    auto b = loop.spawn(arrives(*l, log, "b"));
    auto c = loop.spawn(stuck_wait(*l, line));
    auto all = loop.spawn(arrive_twice(*l, log));
    loop.spawn(wait_or_sleep(*l, 1ms, log));
    settle(loop);
    l.reset();
    settle(loop);
    const std::string report = stuck_report(loop);
    INFO(report);
    CHECK(names(report, line));
    CHECK(report.find("gone") != std::string::npos);
    for (rondo::join_handle<>* const handle : {&a, &b, &c, &all}) {
        CHECK(!handle->done());
        handle->cancel();
        CHECK(handle->done());
    }
    settle(loop);
    CHECK(log == lines{"slept"});
}

TEST_CASE("those that the last count has woken go on though the latch is destroyed before they run") {
    event_loop loop(support::virtual_time());
    auto l = std::make_unique<latch>(4);
    lines log;
    loop.spawn(waits(*l, log, "a"));
    loop.spawn(arrives(*l, log, "b"));
    loop.spawn(wait_or_sleep(*l, 1ms, log));
    loop.spawn(arrive_twice(*l, log));
    auto cancelled = loop.spawn(waits(*l, log, "cancelled"));
    settle(loop);
    l->count_down();
    l.reset();
    cancelled.cancel();
    CHECK(cancelled.done());
    settle(loop);
    std::sort(log.begin(), log.end());
    CHECK(log == lines{"a", "all", "b", "waited"});
}

TEST_CASE("a latch may die with the task that has counted it down") {
    event_loop loop(support::virtual_time());
    lines log;
    loop.run(owns_its_latch(log));
    settle(loop);
    CHECK(log == lines{"other"});
}

TEST_CASE("a latch outlives a loop, is there before it, and wakes the tasks of two") {
    latch l(3);
    lines log;
    {
        event_loop loop(support::virtual_time());
        loop.spawn(arrives(l, log, "gone with its loop"));
        settle(loop);
    }
    event_loop here(support::virtual_time());
    event_loop there(support::virtual_time());
    here.spawn(arrives(l, log, "here"));
    there.spawn(waits(l, log, "there"));
    settle(here);
    settle(there);
    CHECK(log.empty());
    l.count_down();
    settle(here);
    settle(there);
    CHECK(log == lines{"here", "there"});
}

TEST_CASE("a count between polls makes the waiters ready and wakes the driver") {
    support::manual_clock clock;
    event_loop loop(clock.driver());
    latch l(2);
    lines log;
    loop.spawn(waits(l, log, "a"));
    loop.spawn(wait_or_sleep(l, 1h, log));
    settle(loop);
    const int wakes = clock.wakes;
    l.count_down();
    CHECK(clock.wakes == wakes);
    l.count_down();
    CHECK(clock.wakes > wakes);
    CHECK(loop.next_deadline() == clock.now);
    settle(loop);
    CHECK(log == lines{"a", "waited"});
}

// ---- What it costs others ----

namespace {

constexpr int far_too_many = 2'000'000;

task<> spins(latch& l, const bool& stop, int& turns) {
    while (!stop && turns < far_too_many) {
        co_await l.wait();
        ++turns;
    }
}

task<> stops_after(bool& stop, duration time) {
    co_await rondo::sleep(time);
    stop = true;
}

task<> arrives_often(latch& gate, int times, int& done) {
    for (int i = 0; i < times; ++i) {
        latch l(1);
        co_await l.arrive_and_wait();
        co_await gate.wait();
        ++done;
    }
}

task<> meets(std::vector<latch>& all, std::size_t& count) {
    for (std::size_t round = 0; round < 3; ++round) {
        const std::size_t before = support::allocations::count();
        for (std::size_t i = 0; i < all.size() / 3; ++i) co_await all[round * all.size() / 3 + i].arrive_and_wait();
        count = support::allocations::count() - before;
    }
}

task<> two_meet(std::vector<latch>& all, std::size_t& count) {
    std::size_t other = 1;
    co_await rondo::when_all(meets(all, count), meets(all, other));
    count += other;
}

}  // namespace

TEST_CASE("waits that never wait do not delay a timer") {
    support::manual_clock clock;
    clock.tick = 100us;
    event_loop loop(clock.driver());
    latch l(0);
    bool stop = false;
    int turns = 0;
    loop.spawn(stops_after(stop, 10ms));
    loop.spawn(spins(l, stop, turns));
    loop.run();
    CHECK(stop);
    CHECK(turns < far_too_many);
}

TEST_CASE("an arrival that was put off has counted once, and counts as one without waiting") {
    event_loop loop(support::virtual_time());
    latch gate(0);
    int done = 0;
    bool in_time = false;
    const auto tries = [&]() -> task<> {
        in_time = co_await rondo::try_with_timeout(0s, arrives_often(gate, 1000, done));
    };
    loop.run(tries());
    CHECK(in_time);
    CHECK(done == 1000);
}

TEST_CASE("a latch allocates nothing") {
    const std::vector<int> twos(300, 2);
    std::vector<latch> all(twos.begin(), twos.end());
    std::size_t count = 1;
    rondo::testing::run(two_meet(all, count));
    CHECK(count == 0);
}
