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
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace {

using namespace std::chrono_literals;
using rondo::event;
using rondo::event_loop;
using rondo::task;
using support::lines;
using support::note_at_exit;

using duration = support::clock::duration;

static_assert(!std::is_copy_constructible_v<event> && !std::is_move_constructible_v<event>);
static_assert(!std::is_convertible_v<bool, event>);
static_assert(std::is_same_v<rondo::await_result_t<decltype(std::declval<event&>().wait())>, void>);
static_assert(!std::is_aggregate_v<decltype(std::declval<event&>().wait())>);

void settle(event_loop& loop) {
    while (loop.poll() != 0) {
    }
}

task<> waits(event& e, lines& log, std::string name) {
    co_await e.wait();
    log.push_back(name);
}

}  // namespace

// ---- Without waiting ----

TEST_CASE("an event is set or not, as it was made and as it was told last") {
    event e;
    CHECK(!e.is_set());
    e.set();
    CHECK(e.is_set());
    e.set();
    CHECK(e.is_set());
    e.reset();
    CHECK(!e.is_set());
    e.reset();
    CHECK(!e.is_set());
    CHECK(event(true).is_set());
    CHECK(!event(false).is_set());
}

namespace {

task<> waits_for_a_set_one(event& e, lines& log) {
    rondo::spawn(support::note(log, "other"));
    co_await e.wait();
    co_await e.wait();
    log.push_back("waited twice");
    co_await rondo::yield();
}

task<> never_awaited(event& e) {
    {
        [[maybe_unused]] auto waiting = e.wait();
    }
    e.set();
    co_return;
}

}  // namespace

TEST_CASE("a wait for an event that is set lets nothing else run in between, and leaves it set") {
    event e(true);
    lines log;
    rondo::testing::run(waits_for_a_set_one(e, log));
    CHECK(log == lines{"waited twice", "other"});
    CHECK(e.is_set());
}

TEST_CASE("a wait that is never awaited does nothing") {
    event e;
    rondo::testing::run(never_awaited(e));
    CHECK(e.is_set());
}

// ---- Waiting ----

TEST_CASE("set wakes all that wait, in the order in which they came, on a later step") {
    event_loop loop(support::virtual_time());
    event e;
    lines log;
    for (const char* const name : {"a", "b", "c"}) loop.spawn(waits(e, log, name));
    settle(loop);
    CHECK(log.empty());
    e.set();
    CHECK(log.empty());
    loop.spawn(waits(e, log, "late"));
    settle(loop);
    CHECK(log == lines{"a", "b", "c", "late"});
}

TEST_CASE("set and reset at once wake those that waited, and nobody else") {
    event_loop loop(support::virtual_time());
    event e;
    lines log;
    loop.spawn(waits(e, log, "a"));
    loop.spawn(waits(e, log, "b"));
    settle(loop);
    loop.spawn(waits(e, log, "late"));
    e.set();
    e.reset();
    settle(loop);
    CHECK(log == lines{"a", "b"});
    CHECK(!e.is_set());
    e.set();
    settle(loop);
    CHECK(log == lines{"a", "b", "late"});
}

TEST_CASE("set twice wakes once") {
    event_loop loop(support::virtual_time());
    event e;
    lines log;
    loop.spawn(waits(e, log, "a"));
    settle(loop);
    e.set();
    e.set();
    e.reset();
    e.set();
    CHECK(loop.poll() == 1);
    CHECK(loop.poll() == 0);
    CHECK(log == lines{"a"});
}

namespace {

task<> waits_again_and_again(event& e, lines& log, int times) {
    for (int i = 0; i < times; ++i) {
        co_await e.wait();
        log.push_back("woken " + std::to_string(i));
        e.reset();
    }
}

task<> sets_and_resets(event& e, int times) {
    for (int i = 0; i < times; ++i) {
        co_await rondo::sleep(1ms);
        e.set();
    }
}

task<> resets_at_once(event& e, lines& log) {
    e.reset();
    log.push_back("reset");
    co_return;
}

}  // namespace

TEST_CASE("an event is set and reset and waited for again and again") {
    event_loop loop(support::virtual_time());
    event e;
    lines log;
    loop.spawn(waits_again_and_again(e, log, 3));
    loop.spawn(sets_and_resets(e, 3));
    loop.run();
    CHECK(log == lines{"woken 0", "woken 1", "woken 2"});
}

TEST_CASE("who was woken goes on though the event is reset before he runs") {
    event_loop loop(support::virtual_time());
    event e;
    lines log;
    loop.spawn(waits(e, log, "a"));
    settle(loop);
    loop.spawn(resets_at_once(e, log));
    e.set();
    settle(loop);
    CHECK(log == lines{"reset", "a"});
    CHECK(!e.is_set());
}

// ---- Cancellation ----

TEST_CASE("a wait is cancelled before its start, while it waits, when it has been woken, and after its end") {
    event_loop loop(support::virtual_time());
    event e;
    lines log;
    auto unstarted = loop.spawn(waits(e, log, "unstarted"));
    unstarted.cancel();
    auto waiting = loop.spawn(waits(e, log, "waiting"));
    auto woken = loop.spawn(waits(e, log, "woken"));
    auto last = loop.spawn(waits(e, log, "last"));
    settle(loop);
    waiting.cancel();
    CHECK(waiting.done());
    e.set();
    woken.cancel();
    CHECK(woken.done());
    settle(loop);
    CHECK(log == lines{"last"});
    last.cancel();
    CHECK(last.done());
    CHECK(e.is_set());
    CHECK(loop.poll() == 0);
}

namespace {

task<> sets_and_cancels(event& e, rondo::join_handle<>& handle) {
    e.set();
    handle.cancel();
    CHECK(handle.done());
    co_return;
}

}  // namespace

TEST_CASE("a waiter that is woken and cancelled in one step does not go on; the others do") {
    event_loop loop(support::virtual_time());
    event e;
    lines log;
    loop.spawn(waits(e, log, "a"));
    auto b = loop.spawn(waits(e, log, "b"));
    loop.spawn(waits(e, log, "c"));
    settle(loop);
    loop.spawn(sets_and_cancels(e, b));
    settle(loop);
    CHECK(log == lines{"a", "c"});
}

TEST_CASE("many waiters are woken and cancelled in linear time and constant stack") {
    constexpr std::size_t count = 100'000;
    event_loop loop(support::virtual_time());
    event e;
    lines log;
    std::vector<rondo::join_handle<>> handles;
    for (std::size_t i = 0; i < count; ++i) handles.push_back(loop.spawn(waits(e, log, "x")));
    settle(loop);
    for (std::size_t i = count; i-- > 0;)
        if (i % 4 == 0) handles[i].cancel();
    e.set();
    for (std::size_t i = count; i-- > 0;)
        if (i % 4 == 1) handles[i].cancel();
    settle(loop);
    CHECK(log.size() == count / 2);
}

// ---- Combinators ----

namespace {

task<> either(event& a, event& b, lines& log) {
    const auto won = co_await rondo::when_any(a.wait(), b.wait());
    log.push_back("won " + std::to_string(won.index()));
}

task<> both(event& a, event& b, lines& log) {
    co_await rondo::when_all(a.wait(), b.wait());
    log.push_back("both");
}

task<> wait_or_fail(event& e, lines& log) {
    try {
        co_await rondo::when_all(e.wait(), support::fail("failed"));
    } catch (const std::runtime_error& error) {
        log.push_back(error.what());
    }
}

task<> waits_within(event& e, duration time, lines& log, std::string name) {
    try {
        co_await rondo::with_timeout(time, e.wait());
        log.push_back(name + " in time");
    } catch (const rondo::timeout_error&) {
        log.push_back(name + " too late");
    }
}

task<> tries_within(event& e, duration time, lines& log, std::string name) {
    const bool in_time = co_await rondo::try_with_timeout(time, e.wait());
    log.push_back(name + (in_time ? " in time" : " too late"));
}

task<> sets_after(event& e, duration time) {
    co_await rondo::sleep(time);
    e.set();
}

task<> insists(event& e, lines& log) {
    note_at_exit gone(log, "gone");
    co_await rondo::uncancellable(e.wait());
    log.push_back("goes on");
    co_await rondo::yield();
}

task<> cleans_up(event& start, event& finish, lines& log) {
    co_await rondo::finally(start.wait(), [&finish, &log] { return waits(finish, log, "cleaned up"); });
}

task<> group_of_waiters(event& e, lines& log) {
    co_await rondo::with_task_group([&](rondo::task_group& group) -> task<> {
        for (const char* const name : {"a", "b"}) group.spawn(waits(e, log, name));
        co_await rondo::sleep(1ms);
        e.set();
    });
    log.push_back("group ends");
}

}  // namespace

TEST_CASE("when_any of two events is won by the first that is set, and the other waiter leaves") {
    event_loop loop(support::virtual_time());
    event a;
    event b;
    lines log;
    loop.spawn(either(a, b, log));
    settle(loop);
    b.set();
    a.set();
    settle(loop);
    CHECK(log == lines{"won 1"});
    loop.run(either(a, b, log));
    CHECK(log == lines{"won 1", "won 0"});
}

TEST_CASE("when_all of two events needs both, but not both at a time") {
    event_loop loop(support::virtual_time());
    event a;
    event b;
    lines log;
    loop.spawn(both(a, b, log));
    settle(loop);
    a.set();
    a.reset();
    settle(loop);
    CHECK(log.empty());
    b.set();
    b.reset();
    settle(loop);
    CHECK(log == lines{"both"});
}

TEST_CASE("the same event twice in a combinator") {
    event_loop loop(support::virtual_time());
    event e;
    lines log;
    loop.spawn(both(e, e, log));
    loop.spawn(either(e, e, log));
    loop.spawn(waits(e, log, "alone"));
    auto cancelled = loop.spawn(both(e, e, log));
    settle(loop);
    e.set();
    cancelled.cancel();
    CHECK(cancelled.done());
    settle(loop);
    CHECK(log.size() == 3);
    CHECK(loop.poll() == 0);
}

TEST_CASE("a wait whose sibling fails leaves the event") {
    event_loop loop(support::virtual_time());
    event e;
    lines log;
    loop.run(wait_or_fail(e, log));
    e.set();
    CHECK(loop.poll() == 0);
    loop.run(wait_or_fail(e, log));
    CHECK(log == lines{"failed", "failed"});
}

TEST_CASE("a wait takes no longer than its time, and what is set at the very deadline comes in time") {
    event_loop loop(support::virtual_time());
    event e;
    lines log;
    loop.spawn(waits_within(e, 5ms, log, "a"));
    loop.spawn(tries_within(e, 5ms, log, "b"));
    loop.spawn(tries_within(e, 10ms, log, "c"));
    loop.spawn(sets_after(e, 10ms));
    loop.spawn(waits_within(e, 10ms, log, "d"));
    loop.run();
    CHECK(log == lines{"a too late", "b too late", "c in time", "d in time"});
    log.clear();
    loop.run(waits_within(e, 0s, log, "a"));
    loop.run(tries_within(e, -1s, log, "b"));
    e.reset();
    loop.run(waits_within(e, 0s, log, "c"));
    loop.run(tries_within(e, -1s, log, "d"));
    CHECK(log == lines{"a in time", "b in time", "c too late", "d too late"});
    e.set();
    CHECK(loop.poll() == 0);
}

TEST_CASE("a wait that cannot be cancelled ends when the event is set, and the unwinding follows") {
    event_loop loop(support::virtual_time());
    event e;
    lines log;
    auto a = loop.spawn(insists(e, log));
    settle(loop);
    a.cancel();
    settle(loop);
    CHECK(!a.done());
    e.set();
    settle(loop);
    CHECK(a.done());
    CHECK(log == lines{"gone"});
}

TEST_CASE("a cleanup may wait for an event") {
    event_loop loop(support::virtual_time());
    event start;
    event finish;
    lines log;
    auto a = loop.spawn(cleans_up(start, finish, log));
    settle(loop);
    a.cancel();
    settle(loop);
    CHECK(!a.done());
    finish.set();
    settle(loop);
    CHECK(a.done());
    CHECK(log == lines{"cleaned up"});
}

TEST_CASE("the body of a group sets what its children wait for") {
    event e;
    lines log;
    rondo::testing::run(group_of_waiters(e, log));
    CHECK(log == lines{"a", "b", "group ends"});
}

// ---- Lifetimes: events and loops ----

namespace {

task<> stuck_wait(event& e, unsigned& line) {
    line = __LINE__ + 1;
    co_await e.wait();
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
    return report.find("event.cpp:" + std::to_string(line)) != std::string::npos;
}

task<> owns_its_event(lines& log) {
    event e;
    rondo::spawn(waits(e, log, "other"));
    co_await rondo::yield();
    e.set();
}

}  // namespace

TEST_CASE("the stuck report names the line of a wait") {
    event_loop loop(support::virtual_time());
    event e;
    unsigned line = 0;
    loop.spawn(stuck_wait(e, line));
    const std::string report = stuck_report(loop);
    INFO(report);
    CHECK(names(report, line));
    CHECK(report.find("event::wait") != std::string::npos);
    CHECK(report.find("gone") == std::string::npos);
}

TEST_CASE("those who wait for a destroyed event never resume, unwind when cancelled, and the report says so") {
    event_loop loop(support::virtual_time());
    auto e = std::make_unique<event>();
    event other;
    lines log;
    unsigned line = 0;
    auto a = loop.spawn(waits(*e, log, "a"));
    auto b = loop.spawn(stuck_wait(*e, line));
    auto all = loop.spawn(both(*e, other, log));
    loop.spawn(either(*e, other, log));
    loop.spawn(tries_within(*e, 1ms, log, "tried"));
    settle(loop);
    e.reset();
    settle(loop);
    CHECK(!a.done());
    other.set();
    const std::string report = stuck_report(loop);
    INFO(report);
    CHECK(names(report, line));
    CHECK(report.find("gone") != std::string::npos);
    for (rondo::join_handle<>* const handle : {&a, &b, &all}) {
        handle->cancel();
        CHECK(handle->done());
    }
    settle(loop);
    CHECK(log == lines{"won 1", "tried too late"});
}

TEST_CASE("those that set has woken go on though the event is destroyed before they run") {
    event_loop loop(support::virtual_time());
    auto e = std::make_unique<event>();
    event other;
    lines log;
    loop.spawn(waits(*e, log, "a"));
    loop.spawn(either(other, *e, log));
    loop.spawn(both(*e, *e, log));
    loop.spawn(tries_within(*e, 1ms, log, "tried"));
    auto cancelled = loop.spawn(waits(*e, log, "cancelled"));
    settle(loop);
    e->set();
    e.reset();
    cancelled.cancel();
    CHECK(cancelled.done());
    settle(loop);
    CHECK(log.size() == 4);
    CHECK(log[0] == "a");
    CHECK(std::count(log.begin(), log.end(), "won 1") == 1);
    CHECK(std::count(log.begin(), log.end(), "both") == 1);
    CHECK(std::count(log.begin(), log.end(), "tried in time") == 1);
}

TEST_CASE("an event may die with the task that has set it") {
    event_loop loop(support::virtual_time());
    lines log;
    loop.run(owns_its_event(log));
    settle(loop);
    CHECK(log == lines{"other"});
}

TEST_CASE("an event outlives a loop and its waiters, and is there before them") {
    event e;
    lines log;
    {
        event_loop loop(support::virtual_time());
        loop.spawn(waits(e, log, "a"));
        settle(loop);
    }
    e.set();
    CHECK(log.empty());
    rondo::testing::run(waits(e, log, "b"));
    CHECK(log == lines{"b"});
    e.reset();
    {
        event_loop loop(support::virtual_time());
        loop.spawn(waits(e, log, "woken"));
        settle(loop);
        e.set();
    }
    CHECK(log == lines{"b"});
}

TEST_CASE("an event wakes the tasks of two loops") {
    event e;
    event_loop here(support::virtual_time());
    event_loop there(support::virtual_time());
    lines log;
    here.spawn(waits(e, log, "here"));
    there.spawn(waits(e, log, "there"));
    settle(here);
    settle(there);
    e.set();
    settle(there);
    settle(here);
    CHECK(log == lines{"there", "here"});
}

TEST_CASE("a set between polls makes the waiters ready and wakes the driver") {
    support::manual_clock clock;
    event_loop loop(clock.driver());
    event e;
    event other;
    lines log;
    loop.spawn(waits(e, log, "a"));
    settle(loop);
    CHECK(!loop.next_deadline());
    int wakes = clock.wakes;
    e.set();
    CHECK(clock.wakes > wakes);
    CHECK(loop.next_deadline() == clock.now);
    settle(loop);
    CHECK(log == lines{"a"});
    e.reset();
    loop.spawn(either(other, e, log));
    settle(loop);
    wakes = clock.wakes;
    e.set();
    CHECK(clock.wakes > wakes);
    CHECK(loop.next_deadline() == clock.now);
    settle(loop);
    CHECK(log == lines{"a", "won 1"});
}

// ---- What it costs others ----

namespace {

constexpr int far_too_many = 2'000'000;

task<> spins(event& e, const bool& stop, int& turns) {
    while (!stop && turns < far_too_many) {
        co_await e.wait();
        ++turns;
    }
}

task<> waits_often(event& e, int times, int& done) {
    for (int i = 0; i < times; ++i) {
        co_await e.wait();
        ++done;
    }
}

task<> plays(event& mine, event& yours, int times) {
    for (int i = 0; i < times; ++i) {
        co_await mine.wait();
        mine.reset();
        yours.set();
    }
}

task<> counts(event& ping, event& pong, std::size_t& count) {
    for (int round = 0; round < 3; ++round) {
        const std::size_t before = support::allocations::count();
        co_await plays(ping, pong, 1000);
        count = support::allocations::count() - before;
    }
}

task<> ping_pong(std::size_t& count) {
    event ping(true);
    event pong;
    co_await rondo::when_all(counts(ping, pong, count), plays(pong, ping, 3000));
}

}  // namespace

TEST_CASE("waits that never wait do not delay a timer") {
    support::manual_clock clock;
    clock.tick = 100us;
    event_loop loop(clock.driver());
    event e(true);
    bool stopped = false;
    int turns = 0;
    const auto stops = [&]() -> task<> {
        co_await rondo::sleep(10ms);
        stopped = true;
    };
    loop.spawn(stops());
    loop.spawn(spins(e, stopped, turns));
    loop.run();
    CHECK(stopped);
    CHECK(turns < far_too_many);
}

TEST_CASE("a wait that was put off has ended, whatever becomes of the event") {
    event_loop loop(support::virtual_time());
    auto e = std::make_unique<event>(true);
    int done = 0;
    auto often = loop.spawn(waits_often(*e, 10'000, done));
    loop.poll();
    REQUIRE(!often.done());
    e->reset();
    int before = done;
    loop.poll();
    CHECK(done == before + 1);  // and now it waits
    CHECK(loop.poll() == 0);
    e->set();
    while (done < 1000) loop.poll();
    before = done;
    REQUIRE(!often.done());
    often.cancel();
    CHECK(done == before);
}

TEST_CASE("a wait that was put off counts as one without waiting") {
    event_loop loop(support::virtual_time());
    event e(true);
    int done = 0;
    bool in_time = false;
    const auto tries = [&]() -> task<> { in_time = co_await rondo::try_with_timeout(0s, waits_often(e, 1000, done)); };
    loop.run(tries());
    CHECK(in_time);
    CHECK(done == 1000);
}

TEST_CASE("an event allocates nothing") {
    std::size_t count = 1;
    rondo::testing::run(ping_pong(count));
    CHECK(count == 0);
}
