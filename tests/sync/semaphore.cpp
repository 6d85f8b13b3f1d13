// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

#include <support/allocations.hpp>
#include <support/clocks.hpp>
#include <support/in_child.hpp>
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
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace {

using namespace std::chrono_literals;
using rondo::event_loop;
using rondo::semaphore;
using rondo::task;
using support::lines;
using support::note_at_exit;

using duration = support::clock::duration;

static_assert(!std::is_copy_constructible_v<semaphore> && !std::is_move_constructible_v<semaphore>);
static_assert(!std::is_copy_assignable_v<semaphore> && !std::is_move_assignable_v<semaphore>);
static_assert(!std::is_convertible_v<int, semaphore>);
static_assert(!std::is_copy_constructible_v<semaphore::permit> && !std::is_copy_assignable_v<semaphore::permit>);
static_assert(std::is_nothrow_move_constructible_v<semaphore::permit>);
static_assert(std::is_nothrow_move_assignable_v<semaphore::permit>);
static_assert(std::is_same_v<rondo::await_result_t<decltype(std::declval<semaphore&>().acquire())>, void>);
static_assert(
    std::is_same_v<rondo::await_result_t<decltype(std::declval<semaphore&>().scoped_acquire())>, semaphore::permit>);
static_assert(std::is_same_v<decltype(std::declval<semaphore&>().try_acquire()), bool>);
static_assert(!std::is_aggregate_v<decltype(std::declval<semaphore&>().scoped_acquire())>);

constexpr std::size_t most = (std::numeric_limits<std::size_t>::max)() / 2;

void settle(event_loop& loop) {
    while (loop.poll() != 0) {
    }
}

// Takes a permit for good.
task<> takes(semaphore& s, lines& log, std::string name) {
    co_await s.acquire();
    log.push_back(name);
}

// Gives it back at once.
task<> passes(semaphore& s, lines& log, std::string name) {
    const semaphore::permit held = co_await s.scoped_acquire();
    log.push_back(name);
}

task<> holds(semaphore& s, lines& log, std::string name, duration time) {
    const semaphore::permit held = co_await s.scoped_acquire();
    log.push_back(name);
    co_await rondo::sleep(time);
}

task<semaphore::permit> acquired(semaphore& s) { co_return co_await s.scoped_acquire(); }

semaphore::permit permit_of(event_loop& loop, semaphore& s) { return loop.run(acquired(s)); }

// How many permits are there for the taking.
std::size_t free_permits(semaphore& s) {
    std::size_t count = 0;
    while (count < 1000 && s.try_acquire()) ++count;
    s.release(count);
    return count;
}

}  // namespace

// ---- Without waiting ----

TEST_CASE("a semaphore has the permits that it was made with") {
    semaphore three(3);
    CHECK(three.available() == 3);
    CHECK(three.try_acquire());
    CHECK(three.try_acquire());
    CHECK(three.try_acquire());
    CHECK(!three.try_acquire());
    CHECK(three.available() == 0);
    three.release();
    CHECK(three.try_acquire());
    three.release(2);
    CHECK(free_permits(three) == 2);
    semaphore none(0);
    CHECK(!none.try_acquire());
    CHECK(free_permits(none) == 0);
}

TEST_CASE("a negative number of permits throws std::invalid_argument, of whatever type it is") {
    CHECK_THROWS_AS(semaphore(-1), std::invalid_argument);
    CHECK_THROWS_AS(semaphore(-1L), std::invalid_argument);
    CHECK_THROWS_AS(semaphore((std::numeric_limits<long long>::min)()), std::invalid_argument);
    CHECK_THROWS_AS(semaphore(static_cast<signed char>(-1)), std::invalid_argument);
    CHECK(semaphore(2U).available() == 2);
    CHECK(semaphore(static_cast<unsigned char>(200)).available() == 200);
    CHECK(semaphore(most).available() == most);
}

TEST_CASE("release adds permits beyond those of the beginning, and of none adds none") {
    semaphore s(0);
    s.release(5);
    CHECK(s.available() == 5);
    s.release(0);
    CHECK(s.available() == 5);
    CHECK(free_permits(s) == 5);
}

TEST_CASE("a release beyond what can be counted throws std::logic_error and changes nothing") {
    semaphore s(1);
    CHECK_THROWS_AS(s.release(most), std::logic_error);
    CHECK(s.available() == 1);
    s.release(most - 1);
    CHECK(s.available() == most);
    CHECK_THROWS_AS(s.release(), std::logic_error);
    CHECK(s.available() == most);
    CHECK(s.try_acquire());
    s.release();
    CHECK(s.available() == most);
}

namespace {

task<> acquires_free_ones(semaphore& s, lines& log) {
    rondo::spawn(support::note(log, "other"));
    co_await s.acquire();
    co_await s.acquire();
    CHECK(s.available() == 1);
    {
        const semaphore::permit held = co_await s.scoped_acquire();
        CHECK(s.available() == 0);
    }
    CHECK(s.available() == 1);
    s.release(2);
    log.push_back("acquired");
    co_await rondo::yield();
}

task<> never_awaited(semaphore& s) {
    {
        [[maybe_unused]] auto by_hand = s.acquire();
        [[maybe_unused]] auto scoped = s.scoped_acquire();
    }
    CHECK(s.available() == 3);
    co_return;
}

}  // namespace

TEST_CASE("an acquire that need not wait lets nothing else run in between") {
    semaphore s(3);
    lines log;
    rondo::testing::run(acquires_free_ones(s, log));
    CHECK(log == lines{"acquired", "other"});
    CHECK(free_permits(s) == 3);
}

TEST_CASE("an acquire that is never awaited does nothing") {
    semaphore s(3);
    rondo::testing::run(never_awaited(s));
    CHECK(free_permits(s) == 3);
}

// ---- Permits ----

TEST_CASE("a permit goes back at the end of its life, or before, once") {
    event_loop loop(support::virtual_time());
    semaphore s(2);
    {
        const semaphore::permit held = permit_of(loop, s);
        CHECK(static_cast<bool>(held));
        CHECK(s.available() == 1);
    }
    CHECK(s.available() == 2);
    {
        semaphore::permit held = permit_of(loop, s);
        held.release();
        CHECK(!held);
        CHECK(s.available() == 2);
        CHECK_THROWS_AS(held.release(), std::logic_error);
        CHECK(s.available() == 2);
    }
    CHECK(s.available() == 2);
}

TEST_CASE("a permit that is moved is the same permit") {
    event_loop loop(support::virtual_time());
    semaphore s(2);
    semaphore::permit first = permit_of(loop, s);
    {
        semaphore::permit second(std::move(first));
        CHECK(second);
        CHECK(!first);
        CHECK_THROWS_AS(first.release(), std::logic_error);
        CHECK(s.available() == 1);
        first = std::move(second);
        CHECK(first);
        CHECK(!second);
    }
    semaphore::permit& itself = first;
    first = std::move(itself);
    CHECK(first);
    CHECK(s.available() == 1);
    first = permit_of(loop, s);  // the old one goes back
    CHECK(s.available() == 1);
}

TEST_CASE("permits of two semaphores are swapped, and each goes back to where it came from") {
    event_loop loop(support::virtual_time());
    semaphore a(1);
    semaphore b(1);
    semaphore::permit one = permit_of(loop, a);
    semaphore::permit two = permit_of(loop, b);
    std::swap(one, two);
    one.release();
    CHECK(b.available() == 1);
    CHECK(a.available() == 0);
    one = std::move(two);
    CHECK(a.available() == 0);
    one.release();
    CHECK(a.available() == 1);
}

TEST_CASE("permits may be kept in containers, outside any task") {
    event_loop loop(support::virtual_time());
    semaphore s(100);
    std::vector<semaphore::permit> permits;
    for (int i = 0; i < 100; ++i) permits.push_back(permit_of(loop, s));
    CHECK(s.available() == 0);
    permits.erase(permits.begin() + 20, permits.begin() + 60);
    CHECK(s.available() == 40);
    permits.clear();
    CHECK(s.available() == 100);
}

TEST_CASE("a permit that goes back serves the one who waits") {
    event_loop loop(support::virtual_time());
    semaphore s(1);
    lines log;
    semaphore::permit held = permit_of(loop, s);
    loop.spawn(passes(s, log, "a"));
    loop.spawn(passes(s, log, "b"));
    settle(loop);
    CHECK(log.empty());
    held.release();
    CHECK(log.empty());
    CHECK(!s.try_acquire());
    settle(loop);
    CHECK(log == lines{"a", "b"});
    CHECK(s.available() == 1);
}

namespace {

task<> fails_with_a_permit(semaphore& s) {
    const semaphore::permit held = co_await s.scoped_acquire();
    co_await rondo::yield();
    throw std::runtime_error("with a permit");
}

}  // namespace

TEST_CASE("exceptions and cancellation give a permit back") {
    event_loop loop(support::virtual_time());
    semaphore s(1);
    lines log;
    CHECK_THROWS_AS(loop.run(fails_with_a_permit(s)), std::runtime_error);
    CHECK(s.available() == 1);
    auto holder = loop.spawn(holds(s, log, "holder", 1h));
    loop.spawn(passes(s, log, "next"));
    settle(loop);
    holder.cancel();
    CHECK(!s.try_acquire());
    settle(loop);
    CHECK(log == lines{"holder", "next"});
    CHECK(s.available() == 1);
}

// ---- Waiting, in order ----

TEST_CASE("release resumes nobody by itself: the loop does") {
    event_loop loop(support::virtual_time());
    semaphore s(0);
    lines log;
    loop.spawn(takes(s, log, "a"));
    settle(loop);
    s.release();
    CHECK(log.empty());
    CHECK(s.available() == 0);
    settle(loop);
    CHECK(log == lines{"a"});
}

TEST_CASE("those who wait get permits in the order in which they came") {
    event_loop loop(support::virtual_time());
    semaphore s(2);
    lines log;
    lines expected;
    for (int i = 0; i < 100; ++i) {
        expected.push_back(std::to_string(i));
        if (i % 2 == 0)
            loop.spawn(passes(s, log, expected.back()));
        else
            loop.spawn(holds(s, log, expected.back(), 1ms));
    }
    loop.run();
    CHECK(log == expected);
    CHECK(s.available() == 2);
}

TEST_CASE("a release of several permits wakes several, in order, and leaves the rest") {
    event_loop loop(support::virtual_time());
    semaphore s(0);
    lines log;
    for (const char* const name : {"a", "b", "c", "d", "e"}) loop.spawn(takes(s, log, name));
    settle(loop);
    s.release(3);
    CHECK(s.available() == 0);
    loop.poll();
    CHECK(log == lines{"a", "b", "c"});
    settle(loop);
    CHECK(log == lines{"a", "b", "c"});
    s.release(10);
    CHECK(s.available() == 8);
    settle(loop);
    CHECK(log == lines{"a", "b", "c", "d", "e"});
    CHECK(free_permits(s) == 8);
}

TEST_CASE("a release of none wakes nobody") {
    event_loop loop(support::virtual_time());
    semaphore s(0);
    lines log;
    loop.spawn(takes(s, log, "a"));
    settle(loop);
    s.release(0);
    CHECK(loop.poll() == 0);
    CHECK(log.empty());
    s.release();
    settle(loop);
    CHECK(log == lines{"a"});
}

TEST_CASE("nobody takes a permit that was given to a waiter who has not resumed") {
    event_loop loop(support::virtual_time());
    semaphore s(0);
    lines log;
    loop.spawn(takes(s, log, "a"));
    loop.spawn(takes(s, log, "b"));
    settle(loop);
    loop.spawn(takes(s, log, "late"));
    s.release();
    CHECK(!s.try_acquire());
    s.release(2);
    CHECK(s.available() == 1);
    CHECK(s.try_acquire());  // one is left, and nobody waits any more
    CHECK(!s.try_acquire());
    settle(loop);
    CHECK(log == lines{"a", "b"});
    s.release();
    settle(loop);
    CHECK(log == lines{"a", "b", "late"});
}

namespace {

task<> in_turns(semaphore& s, lines& log, std::string name, int times) {
    for (int i = 0; i < times; ++i) {
        co_await s.acquire();
        log.push_back(name);
        co_await rondo::yield();
        s.release();
    }
}

task<> releases_and_wants_it_back(semaphore& s, lines& log) {
    s.release();
    CHECK(!s.try_acquire());
    co_await s.acquire();
    log.push_back("had it back");
}

}  // namespace

TEST_CASE("tasks that acquire again and again take turns") {
    event_loop loop(support::virtual_time());
    semaphore s(1);
    lines log;
    for (const char* const name : {"a", "b", "c"}) loop.spawn(in_turns(s, log, name, 2));
    loop.run();
    CHECK(log == lines{"a", "b", "c", "a", "b", "c"});
}

TEST_CASE("who releases and wants it back stands at the end of the queue") {
    event_loop loop(support::virtual_time());
    semaphore s(0);
    lines log;
    loop.spawn(passes(s, log, "a"));
    loop.spawn(passes(s, log, "b"));
    settle(loop);
    loop.spawn(releases_and_wants_it_back(s, log));
    settle(loop);
    CHECK(log == lines{"a", "b", "had it back"});
}

namespace {

class gauge {
public:
    gauge(int& now, int& highest) : now_(now) { highest = (std::max)(highest, ++now_); }
    gauge(const gauge&) = delete;
    gauge& operator=(const gauge&) = delete;
    ~gauge() { --now_; }

private:
    int& now_;
};

task<> works(semaphore& at_once, int number, int& inside, int& highest, int& done) {
    const semaphore::permit held = co_await at_once.scoped_acquire();
    const gauge one_more(inside, highest);
    co_await rondo::sleep(std::chrono::milliseconds(number % 7));
    ++done;
}

}  // namespace

TEST_CASE("a semaphore lets ten of 10,000 tasks in at a time, also when some are cancelled") {
    for (const bool some_cancelled : {false, true}) {
        event_loop loop(support::virtual_time());
        semaphore at_once(10);
        int inside = 0;
        int highest = 0;
        int done = 0;
        std::vector<rondo::join_handle<>> handles;
        for (int i = 0; i < 10'000; ++i) handles.push_back(loop.spawn(works(at_once, i, inside, highest, done)));
        int cancelled = 0;
        if (some_cancelled) {
            for (std::size_t i = 0; i < handles.size(); i += 3) {
                if (i % 300 == 0) loop.poll();
                if (handles[i].done()) continue;
                handles[i].cancel();
                ++cancelled;
            }
            CHECK(cancelled > 1000);
        }
        loop.run();
        CHECK(highest == 10);
        CHECK(inside == 0);
        CHECK(done == 10'000 - cancelled);
        CHECK(at_once.available() == 10);
    }
}

// ---- Cancellation ----

namespace {

enum class moment { before_start, waiting, given, over };

void cancel_at(moment when, bool by_hand) {
    event_loop loop(support::virtual_time());
    semaphore s(0);
    lines log;
    auto victim = by_hand ? loop.spawn(takes(s, log, "victim")) : loop.spawn(passes(s, log, "victim"));
    if (when != moment::before_start) settle(loop);
    auto next = loop.spawn(takes(s, log, "next"));
    if (when != moment::before_start) settle(loop);
    if (when >= moment::given) s.release();
    if (when == moment::over) settle(loop);
    victim.cancel();
    CHECK(victim.done());
    victim.cancel();
    settle(loop);
    if (when < moment::given) {
        CHECK(log.empty());
        s.release();
        settle(loop);
    }
    if (when == moment::over) {
        CHECK(log == (by_hand ? lines{"victim"} : lines{"victim", "next"}));
        if (by_hand) s.release();
        settle(loop);
        CHECK(log == lines{"victim", "next"});
    } else {
        CHECK(log == lines{"next"});
    }
    CHECK(next.done());
    CHECK(free_permits(s) == 0);
}

}  // namespace

TEST_CASE("an acquire is cancelled at any moment, and no permit is lost or made") {
    for (const moment when : {moment::before_start, moment::waiting, moment::given, moment::over}) {
        for (const bool by_hand : {false, true}) {
            INFO("moment " << static_cast<int>(when) << (by_hand ? ", by hand" : ", with a permit"));
            cancel_at(when, by_hand);
        }
    }
}

TEST_CASE("several permits whose receivers are cancelled go to the next ones, in order") {
    event_loop loop(support::virtual_time());
    semaphore s(0);
    lines log;
    std::vector<rondo::join_handle<>> handles;
    for (int i = 0; i < 8; ++i) handles.push_back(loop.spawn(takes(s, log, std::to_string(i))));
    settle(loop);
    s.release(3);  // 0, 1 and 2
    for (const std::size_t i : {1U, 0U, 4U, 3U}) handles[i].cancel();
    CHECK(!s.try_acquire());
    settle(loop);
    std::sort(log.begin(), log.end());
    CHECK(log == lines{"2", "5", "6"});
    CHECK(!handles[7].done());
    handles[7].cancel();
    CHECK(free_permits(s) == 0);
}

TEST_CASE("a permit wanders along a row of cancelled receivers, and is free in the end") {
    event_loop loop(support::virtual_time());
    semaphore s(0);
    lines log;
    std::vector<rondo::join_handle<>> handles;
    for (int i = 0; i < 100'000; ++i) handles.push_back(loop.spawn(passes(s, log, "x")));
    settle(loop);
    s.release();
    for (auto& handle : handles) {
        if (s.available() != 0) FAIL("somebody was passed over");
        handle.cancel();
    }
    settle(loop);
    CHECK(log.empty());
    CHECK(free_permits(s) == 1);
}

namespace {

task<> releases_and_cancels(semaphore& s, rondo::join_handle<>& a, lines& log) {
    s.release(2);
    a.cancel();
    CHECK(a.done());
    CHECK(!s.try_acquire());
    log.push_back("released");
    co_return;
}

}  // namespace

TEST_CASE("a permit that is given and whose receiver is cancelled in one step goes to the next") {
    event_loop loop(support::virtual_time());
    semaphore s(0);
    lines log;
    auto a = loop.spawn(takes(s, log, "a"));
    loop.spawn(takes(s, log, "b"));
    loop.spawn(takes(s, log, "c"));
    settle(loop);
    loop.spawn(releases_and_cancels(s, a, log));
    settle(loop);
    CHECK(log == lines{"released", "b", "c"});
    CHECK(free_permits(s) == 0);
}

// ---- Combinators ----

namespace {

task<> races(semaphore& a, semaphore& b, lines& log) {
    const auto won = co_await rondo::when_any(a.scoped_acquire(), b.scoped_acquire());
    log.push_back("won " + std::to_string(won.index()));
    co_await rondo::yield();
}

task<> acquire_or_sleep(semaphore& s, duration time, lines& log) {
    const auto won = co_await rondo::when_any(s.acquire(), rondo::sleep(time));
    log.push_back(won.index() == 0 ? "acquired" : "slept");
}

task<> two_of(semaphore& a, semaphore& b, lines& log) {
    const auto held = co_await rondo::when_all(a.scoped_acquire(), b.scoped_acquire());
    CHECK(std::get<0>(held));
    CHECK(std::get<1>(held));
    log.push_back("both");
    co_await rondo::yield();
}

task<> fails_later(int yields) {
    co_await support::yields(yields);
    throw std::runtime_error("failed");
}

task<> acquire_or_fail(semaphore& s, int yields, lines& log) {
    try {
        co_await rondo::when_all(s.acquire(), s.scoped_acquire(), fails_later(yields));
    } catch (const std::runtime_error& error) {
        log.push_back(error.what());
    }
}

}  // namespace

TEST_CASE("when_any of two semaphores: the first grant decides, and the other permit stays") {
    event_loop loop(support::virtual_time());
    semaphore a(0);
    semaphore b(0);
    lines log;
    loop.spawn(races(a, b, log));
    settle(loop);
    b.release();
    a.release();
    CHECK(free_permits(a) == 1);
    CHECK(free_permits(b) == 0);
    settle(loop);
    CHECK(log == lines{"won 1"});
    CHECK(free_permits(b) == 1);
    loop.spawn(races(a, b, log));
    loop.poll();
    CHECK(free_permits(b) == 1);
    settle(loop);
    CHECK(log == lines{"won 1", "won 0"});
    CHECK(free_permits(a) == 1);
}

TEST_CASE("the same semaphore twice: a race takes one permit, when_all two") {
    event_loop loop(support::virtual_time());
    semaphore s(0);
    lines log;
    auto race = loop.spawn(races(s, s, log));
    settle(loop);
    s.release(2);
    CHECK(free_permits(s) == 1);
    settle(loop);
    CHECK(race.done());
    CHECK(log == lines{"won 0"});
    CHECK(free_permits(s) == 2);
    loop.run(two_of(s, s, log));
    CHECK(free_permits(s) == 2);
    CHECK(s.try_acquire());
    auto all = loop.spawn(two_of(s, s, log));
    settle(loop);
    CHECK(!all.done());
    CHECK(free_permits(s) == 0);
    all.cancel();
    CHECK(free_permits(s) == 1);
    s.release();
    CHECK(log == lines{"won 0", "both"});
}

TEST_CASE("an acquire that lost a race leaves the queue, and one that won gives back when it is cancelled") {
    event_loop loop(support::virtual_time());
    semaphore s(0);
    lines log;
    loop.run(acquire_or_sleep(s, 1ms, log));
    CHECK(log == lines{"slept"});
    auto race = loop.spawn(acquire_or_sleep(s, 1h, log));
    loop.spawn(takes(s, log, "next"));
    settle(loop);
    s.release();
    race.cancel();
    CHECK(race.done());
    CHECK(free_permits(s) == 0);
    settle(loop);
    CHECK(log == lines{"slept", "next"});
    CHECK(!loop.next_deadline());
}

TEST_CASE("permits whose sibling fails go back") {
    event_loop loop(support::virtual_time());
    semaphore s(2);
    lines log;
    loop.run(acquire_or_fail(s, 3, log));
    CHECK(free_permits(s) == 2);
    CHECK(s.try_acquire());
    loop.run(acquire_or_fail(s, 3, log));
    CHECK(free_permits(s) == 1);
    loop.run(acquire_or_fail(s, 0, log));
    CHECK(free_permits(s) == 1);
    CHECK(log == lines{"failed", "failed", "failed"});
}

namespace {

task<> within(semaphore& s, duration time, lines& log, std::string name) {
    try {
        const semaphore::permit held = co_await rondo::with_timeout(time, s.scoped_acquire());
        log.push_back(name + " acquired");
        co_await rondo::yield();
    } catch (const rondo::timeout_error&) {
        log.push_back(name + " too late");
    }
}

task<> tries_within(semaphore& s, duration time, lines& log, std::string name) {
    const bool in_time = co_await rondo::try_with_timeout(time, s.acquire());
    log.push_back(name + (in_time ? " acquired" : " too late"));
}

task<> releases_after(semaphore& s, duration time, std::size_t count) {
    co_await rondo::sleep(time);
    s.release(count);
}

}  // namespace

TEST_CASE("a permit is waited for no longer than its time, and at the very deadline comes in time") {
    event_loop loop(support::virtual_time());
    semaphore s(0);
    lines log;
    loop.spawn(within(s, 5ms, log, "a"));
    loop.spawn(tries_within(s, 10ms, log, "b"));
    loop.spawn(tries_within(s, 5ms, log, "c"));
    loop.spawn(within(s, 20ms, log, "d"));
    loop.spawn(releases_after(s, 10ms, 2));
    loop.run();
    CHECK(log == lines{"a too late", "c too late", "b acquired", "d acquired"});
    CHECK(free_permits(s) == 1);
    log.clear();
    loop.spawn(within(s, 0s, log, "a"));
    loop.spawn(tries_within(s, -1s, log, "b"));  // behind a, who tries first and holds it still
    loop.run();
    CHECK(log == lines{"a acquired", "b too late"});
    loop.run(tries_within(s, 0s, log, "c"));
    loop.run(within(s, 0s, log, "d"));
    CHECK(log == lines{"a acquired", "b too late", "c acquired", "d too late"});
    CHECK(free_permits(s) == 0);
}

namespace {

task<> insists(semaphore& s, lines& log) {
    note_at_exit gone(log, "gone");
    const semaphore::permit held = co_await rondo::uncancellable(s.scoped_acquire());
    co_await support::for_ever();
}

task<> cleans_up(semaphore& s, lines& log) {
    co_await rondo::finally(holds(s, log, "body", 1h), [&s, &log] { return passes(s, log, "cleanup"); });
}

task<> group_of(semaphore& s, int& inside, int& highest, int& done) {
    co_await rondo::with_task_group([&](rondo::task_group& group) -> task<> {
        for (int i = 0; i < 50; ++i) group.spawn(works(s, i, inside, highest, done));
        co_return;
    });
    CHECK(done == 50);
}

task<> group_that_fails(semaphore& s, int& inside, int& highest, int& done) {
    try {
        co_await rondo::with_task_group([&](rondo::task_group& group) -> task<> {
            for (int i = 0; i < 50; ++i) group.spawn(works(s, i, inside, highest, done));
            co_await rondo::sleep(3ms);
            throw std::runtime_error("body");
        });
    } catch (const std::runtime_error&) {
        CHECK(inside == 0);
        CHECK(s.available() == 3);
        CHECK(done < 50);
        co_return;
    }
    FAIL("the group did not fail");
}

}  // namespace

TEST_CASE("an acquire that cannot be cancelled keeps its place, and is given up by the unwinding") {
    event_loop loop(support::virtual_time());
    semaphore s(0);
    lines log;
    auto a = loop.spawn(insists(s, log));
    loop.spawn(takes(s, log, "next"));
    settle(loop);
    a.cancel();
    settle(loop);
    CHECK(!a.done());
    s.release();
    settle(loop);
    CHECK(a.done());
    CHECK(log == lines{"gone", "next"});
    CHECK(free_permits(s) == 0);
}

TEST_CASE("a cleanup may have the permit that the body held") {
    event_loop loop(support::virtual_time());
    semaphore s(1);
    lines log;
    auto a = loop.spawn(cleans_up(s, log));
    settle(loop);
    a.cancel();
    settle(loop);
    CHECK(a.done());
    CHECK(log == lines{"body", "cleanup"});
    CHECK(free_permits(s) == 1);
}

TEST_CASE("the children of a group share permits, and give them back when it fails") {
    semaphore s(3);
    int inside = 0;
    int highest = 0;
    int done = 0;
    rondo::testing::run(group_of(s, inside, highest, done));
    CHECK(highest == 3);
    done = 0;
    rondo::testing::run(group_that_fails(s, inside, highest, done));
    CHECK(highest == 3);
}

// ---- Lifetimes: semaphores and loops ----

namespace {

task<> stuck_acquire(semaphore& s, unsigned& line) {
    line = __LINE__ + 1;
    co_await s.acquire();
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
    return report.find("semaphore.cpp:" + std::to_string(line)) != std::string::npos;
}

task<> destroys_what_is_out() {
    auto s = std::make_unique<semaphore>(2);
    const semaphore::permit held = co_await s->scoped_acquire();
    s.reset();
}

task<> destroys_what_is_in() {
    auto s = std::make_unique<semaphore>(2);
    semaphore::permit held = co_await s->scoped_acquire();
    co_await s->acquire();  // by hand: nothing would refer to it
    held.release();
    s.reset();
}

}  // namespace

TEST_CASE("the stuck report names the line of an acquire") {
    event_loop loop(support::virtual_time());
    semaphore s(0);
    unsigned line = 0;
    loop.spawn(stuck_acquire(s, line));
    const std::string report = stuck_report(loop);
    INFO(report);
    CHECK(names(report, line));
    CHECK(report.find("semaphore::acquire") != std::string::npos);
    CHECK(report.find("gone") == std::string::npos);
}

TEST_CASE("those who wait on a destroyed semaphore never resume, unwind when cancelled, and the report says so") {
    event_loop loop(support::virtual_time());
    auto s = std::make_unique<semaphore>(0);
    lines log;
    unsigned line = 0;
    auto given = loop.spawn(takes(*s, log, "given"));
    auto waiting = loop.spawn(passes(*s, log, "waiting"));
    auto reported = loop.spawn(stuck_acquire(*s, line));
    settle(loop);
    s->release();
    s.reset();
    settle(loop);
    CHECK(!given.done());
    const std::string report = stuck_report(loop);
    INFO(report);
    CHECK(names(report, line));
    CHECK(report.find("gone") != std::string::npos);
    for (rondo::join_handle<>* const handle : {&given, &waiting, &reported}) {
        handle->cancel();
        CHECK(handle->done());
    }
    settle(loop);
    CHECK(log.empty());
}

TEST_CASE("races that wait on a destroyed semaphore go on with what is left") {
    event_loop loop(support::virtual_time());
    auto s = std::make_unique<semaphore>(0);
    semaphore other(0);
    lines log;
    loop.spawn(acquire_or_sleep(*s, 1ms, log));
    loop.spawn(tries_within(*s, 2ms, log, "tried"));
    loop.spawn(races(*s, other, log));
    settle(loop);
    s.reset();
    other.release();
    loop.run();
    CHECK(log == lines{"won 1", "slept", "tried too late"});
    CHECK(free_permits(other) == 1);
}

#if SUPPORT_HAS_FORK

TEST_CASE("destroying a semaphore while a permit is out is fatal") {
    const support::ending end = support::in_child([] { rondo::testing::run(destroys_what_is_out()); });
    CHECK(end.fatal);
    CHECK(end.terminated);
    CHECK(end.text.find("semaphore") != std::string::npos);
    CHECK(end.text.find("permit") != std::string::npos);
}

TEST_CASE("destroying a semaphore while no permit is out is not fatal") {
    const support::ending end = support::in_child([] {
        rondo::testing::run(destroys_what_is_in());
        event_loop loop(support::virtual_time());
        lines log;
        semaphore s(0);
        loop.spawn(passes(s, log, "given"));
        settle(loop);
        s.release();
    });
    CHECK(!end.fatal);
    CHECK(end.code == 0);
}

#endif

TEST_CASE("a semaphore outlives a loop, which gives back what its tasks held or had been given") {
    semaphore s(1);
    semaphore none(0);
    lines log;
    {
        event_loop loop(support::virtual_time());
        loop.spawn(holds(s, log, "holder", 1h));
        loop.spawn(passes(s, log, "waiter"));
        loop.spawn(takes(none, log, "given"));
        settle(loop);
        none.release();
    }
    CHECK(log == lines{"holder"});
    CHECK(free_permits(s) == 1);
    CHECK(free_permits(none) == 1);
    event_loop next(support::virtual_time());
    next.spawn(passes(s, log, "next"));
    settle(next);
    CHECK(log == lines{"holder", "next"});
}

TEST_CASE("two loops on one thread share a semaphore when they are polled in turn") {
    semaphore s(1);
    event_loop here(support::virtual_time());
    event_loop there(support::virtual_time());
    lines log;
    here.spawn(in_turns(s, log, "here", 3));
    there.spawn(in_turns(s, log, "there", 3));
    while (here.poll() + there.poll() != 0) {
    }
    CHECK(log == lines{"here", "there", "here", "there", "here", "there"});
}

TEST_CASE("a release between polls makes the waiters ready and wakes the driver") {
    support::manual_clock clock;
    event_loop loop(clock.driver());
    semaphore s(0);
    semaphore other(0);
    lines log;
    loop.spawn(takes(s, log, "a"));
    settle(loop);
    CHECK(!loop.next_deadline());
    int wakes = clock.wakes;
    s.release();
    CHECK(clock.wakes > wakes);
    CHECK(loop.next_deadline() == clock.now);
    settle(loop);
    CHECK(log == lines{"a"});
    loop.spawn(races(other, s, log));
    settle(loop);
    wakes = clock.wakes;
    s.release();
    CHECK(clock.wakes > wakes);
    CHECK(loop.next_deadline() == clock.now);
    settle(loop);
    CHECK(log == lines{"a", "won 1"});
}

// ---- What it costs others ----

namespace {

constexpr int far_too_many = 2'000'000;

task<> spins(semaphore& s, const bool& stop, int& turns, bool by_hand) {
    while (!stop && turns < far_too_many) {
        if (by_hand) {
            co_await s.acquire();
            s.release();
        } else {
            const semaphore::permit held = co_await s.scoped_acquire();
        }
        ++turns;
    }
}

task<> stops_after(bool& stop, duration time) {
    co_await rondo::sleep(time);
    stop = true;
}

task<> acquires_many(semaphore& s, int times, int& done) {
    for (int i = 0; i < times; ++i) {
        co_await s.acquire();
        ++done;
    }
}

task<> contends(semaphore& s, std::size_t& count) {
    for (int round = 0; round < 3; ++round) {
        const std::size_t before = support::allocations::count();
        for (int i = 0; i < 1000; ++i) {
            const semaphore::permit held = co_await s.scoped_acquire();
            co_await rondo::yield();
        }
        count = support::allocations::count() - before;
    }
}

task<> three_contend_for_two(std::size_t& count) {
    semaphore s(2);
    std::size_t counts[2] = {1, 1};
    co_await rondo::when_all(contends(s, count), contends(s, counts[0]), contends(s, counts[1]));
    count += counts[0] + counts[1];
}

}  // namespace

TEST_CASE("acquires that never wait do not delay a timer") {
    for (const bool by_hand : {false, true}) {
        support::manual_clock clock;
        clock.tick = 100us;
        event_loop loop(clock.driver());
        semaphore s(2);
        bool stop = false;
        int turns = 0;
        loop.spawn(stops_after(stop, 10ms));
        loop.spawn(spins(s, stop, turns, by_hand));
        loop.run();
        CHECK(stop);
        CHECK(turns < far_too_many);
    }
}

TEST_CASE("an acquire that was put off has its permit, and gives it back when it is cancelled") {
    event_loop loop(support::virtual_time());
    semaphore s(10'000);
    int done = 0;
    auto taker = loop.spawn(acquires_many(s, 10'000, done));
    loop.poll();
    REQUIRE(!taker.done());
    REQUIRE(done < 10'000);
    CHECK(s.available() == static_cast<std::size_t>(10'000 - done - 1));
    taker.cancel();
    CHECK(s.available() == static_cast<std::size_t>(10'000 - done));
    settle(loop);
    CHECK(s.available() == static_cast<std::size_t>(10'000 - done));
}

TEST_CASE("an acquire that was put off counts as one without waiting") {
    event_loop loop(support::virtual_time());
    semaphore s(10'000);
    int done = 0;
    bool in_time = false;
    const auto tries = [&]() -> task<> {
        in_time = co_await rondo::try_with_timeout(0s, acquires_many(s, 10'000, done));
    };
    loop.run(tries());
    CHECK(in_time);
    CHECK(done == 10'000);
    CHECK(free_permits(s) == 0);
}

TEST_CASE("permits in a vector that grows are held until it goes") {
    semaphore s(5);
    const auto main = [&]() -> task<> {
        std::vector<semaphore::permit> held;
        for (int i = 0; i < 5; ++i) held.push_back(co_await s.scoped_acquire());
        CHECK(s.available() == 0);
        held.erase(held.begin());
        CHECK(s.available() == 1);
    };
    rondo::testing::run(main());
    CHECK(s.available() == 5);
}

TEST_CASE("a semaphore allocates nothing, whether it is waited for or not") {
    std::size_t count = 1;
    rondo::testing::run(three_contend_for_two(count));
    CHECK(count == 0);
    const std::size_t before = support::allocations::count();
    semaphore s(3);
    for (int i = 0; i < 100; ++i) {
        (void)s.try_acquire();
        s.release();
    }
    const std::size_t used = support::allocations::count() - before;
    CHECK(used == 0);
}
