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
#include <cstdlib>
#include <memory>
#include <new>
#include <optional>
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
using rondo::mutex;
using rondo::task;
using support::lines;
using support::note_at_exit;

using duration = support::clock::duration;

static_assert(!std::is_copy_constructible_v<mutex> && !std::is_move_constructible_v<mutex>);
static_assert(!std::is_copy_assignable_v<mutex> && !std::is_move_assignable_v<mutex>);
static_assert(!std::is_copy_constructible_v<mutex::guard> && !std::is_copy_assignable_v<mutex::guard>);
static_assert(std::is_nothrow_move_constructible_v<mutex::guard> && std::is_nothrow_move_assignable_v<mutex::guard>);
static_assert(std::is_nothrow_swappable_v<mutex::guard>);
static_assert(std::is_same_v<rondo::await_result_t<decltype(std::declval<mutex&>().lock())>, void>);
static_assert(std::is_same_v<rondo::await_result_t<decltype(std::declval<mutex&>().scoped_lock())>, mutex::guard>);
static_assert(std::is_same_v<decltype(std::declval<mutex&>().try_lock()), bool>);
static_assert(!std::is_aggregate_v<decltype(std::declval<mutex&>().scoped_lock())>);

void settle(event_loop& loop) {
    while (loop.poll() != 0) {
    }
}

// Notes its name when it has the lock, and gives it up at once.
task<> takes(mutex& m, lines& log, std::string name) {
    const mutex::guard held = co_await m.scoped_lock();
    log.push_back(name);
}

task<> takes_by_hand(mutex& m, lines& log, std::string name) {
    co_await m.lock();
    log.push_back(name);
    m.unlock();
}

// Holds the lock for `time`.
task<> holds(mutex& m, lines& log, std::string name, duration time) {
    const mutex::guard held = co_await m.scoped_lock();
    log.push_back(name);
    co_await rondo::sleep(time);
}

// Holds the lock until it is cancelled.
task<> keeps(mutex& m, lines& log, std::string name) {
    const mutex::guard held = co_await m.scoped_lock();
    log.push_back(name);
    co_await support::for_ever();
}

task<mutex::guard> locked(mutex& m) { co_return co_await m.scoped_lock(); }

mutex::guard guard_of(event_loop& loop, mutex& m) { return loop.run(locked(m)); }

bool is_free(mutex& m) {
    if (!m.try_lock()) return false;
    m.unlock();
    return true;
}

}  // namespace

// ---- Without waiting ----

TEST_CASE("a new mutex is free, and is locked by one at a time") {
    mutex m;
    CHECK(!m.is_locked());
    CHECK(m.try_lock());
    CHECK(m.is_locked());
    CHECK(!m.try_lock());
    m.unlock();
    CHECK(!m.is_locked());
    CHECK(m.try_lock());
    m.unlock();
}

namespace {

task<> locks_a_free_one(mutex& m, lines& log) {
    rondo::spawn(support::note(log, "other"));
    co_await m.lock();
    CHECK(m.is_locked());
    m.unlock();
    {
        const mutex::guard held = co_await m.scoped_lock();
        CHECK(held.owns_lock());
        CHECK(m.is_locked());
    }
    CHECK(!m.is_locked());
    log.push_back("locked twice");
    co_await rondo::yield();
}

task<> never_awaited(mutex& m) {
    {
        [[maybe_unused]] auto by_hand = m.lock();
        [[maybe_unused]] auto scoped = m.scoped_lock();
    }
    CHECK(!m.is_locked());
    co_return;
}

}  // namespace

TEST_CASE("a lock that need not wait lets nothing else run in between") {
    mutex m;
    lines log;
    rondo::testing::run(locks_a_free_one(m, log));
    CHECK(log == lines{"locked twice", "other"});
}

TEST_CASE("a lock that is never awaited does nothing") {
    mutex m;
    rondo::testing::run(never_awaited(m));
    CHECK(is_free(m));
}

TEST_CASE("unlocking a mutex that is not locked throws std::logic_error") {
    mutex m;
    CHECK_THROWS_AS(m.unlock(), std::logic_error);
    CHECK(m.try_lock());
    m.unlock();
    CHECK_THROWS_AS(m.unlock(), std::logic_error);
    CHECK(is_free(m));
}

TEST_CASE("unlocking a mutex that a guard holds throws std::logic_error, and the guard holds it still") {
    event_loop loop(support::virtual_time());
    mutex m;
    lines log;
    {
        const mutex::guard held = guard_of(loop, m);
        CHECK_THROWS_AS(m.unlock(), std::logic_error);
        CHECK(held.owns_lock());
        CHECK(!m.try_lock());
        loop.spawn(takes(m, log, "a"));
        settle(loop);
        CHECK_THROWS_AS(m.unlock(), std::logic_error);
        settle(loop);
        CHECK(log.empty());
    }
    settle(loop);
    CHECK(log == lines{"a"});
    CHECK_THROWS_AS(m.unlock(), std::logic_error);
}

TEST_CASE("unlocking a mutex that was handed to a waiter who has not resumed throws std::logic_error") {
    event_loop loop(support::virtual_time());
    mutex m;
    lines log;
    CHECK(m.try_lock());
    loop.spawn(takes(m, log, "scoped"));
    loop.spawn(takes_by_hand(m, log, "by hand"));
    loop.spawn(takes(m, log, "last"));
    settle(loop);
    m.unlock();
    CHECK_THROWS_AS(m.unlock(), std::logic_error);
    CHECK(m.is_locked());
    loop.poll();
    CHECK(log == lines{"scoped"});
    CHECK_THROWS_AS(m.unlock(), std::logic_error);
    loop.poll();
    CHECK(log == lines{"scoped", "by hand"});
    CHECK_THROWS_AS(m.unlock(), std::logic_error);
    settle(loop);
    CHECK(log == lines{"scoped", "by hand", "last"});
    CHECK(is_free(m));
}

// ---- Guards ----

TEST_CASE("a guard unlocks at the end of its life, or before, once") {
    event_loop loop(support::virtual_time());
    mutex m;
    {
        const mutex::guard held = guard_of(loop, m);
        CHECK(held.owns_lock());
        CHECK(static_cast<bool>(held));
        CHECK(m.is_locked());
    }
    CHECK(!m.is_locked());
    {
        mutex::guard held = guard_of(loop, m);
        held.unlock();
        CHECK(!held.owns_lock());
        CHECK(!held);
        CHECK(!m.is_locked());
        CHECK_THROWS_AS(held.unlock(), std::logic_error);
        CHECK(m.try_lock());  // somebody else's: the guard leaves it alone
    }
    CHECK(m.is_locked());
    m.unlock();
}

TEST_CASE("a guard that is moved takes the lock along") {
    event_loop loop(support::virtual_time());
    mutex m;
    mutex::guard first = guard_of(loop, m);
    {
        mutex::guard second(std::move(first));
        CHECK(second.owns_lock());
        CHECK(!first.owns_lock());
        CHECK_THROWS_AS(first.unlock(), std::logic_error);
        CHECK(m.is_locked());
        first = std::move(second);
        CHECK(first.owns_lock());
        CHECK(!second.owns_lock());
    }
    CHECK(m.is_locked());
    mutex::guard& itself = first;
    first = std::move(itself);
    CHECK(first.owns_lock());
    CHECK(m.is_locked());
    first.unlock();
    CHECK(is_free(m));
}

TEST_CASE("assigning to a guard gives up what it held") {
    event_loop loop(support::virtual_time());
    mutex a;
    mutex b;
    mutex::guard one = guard_of(loop, a);
    mutex::guard two = guard_of(loop, b);
    one = std::move(two);
    CHECK(is_free(a));
    CHECK(b.is_locked());
    CHECK_THROWS_AS(b.unlock(), std::logic_error);
    two = guard_of(loop, a);
    CHECK(a.is_locked());
    one.unlock();
    CHECK(is_free(b));
    one = std::move(two);
    CHECK(a.is_locked());
    one = mutex::guard(std::move(one));
    CHECK(one.owns_lock());
}

TEST_CASE("guards are swapped, and each unlocks what it has then") {
    event_loop loop(support::virtual_time());
    mutex a;
    mutex b;
    mutex::guard one = guard_of(loop, a);
    mutex::guard two = guard_of(loop, b);
    std::swap(one, two);
    one.unlock();
    CHECK(is_free(b));
    CHECK(a.is_locked());
    std::swap(one, two);
    CHECK(one.owns_lock());
    CHECK(!two.owns_lock());
    one.unlock();
    CHECK(is_free(a));
}

TEST_CASE("guards may be kept in containers, outside any task") {
    event_loop loop(support::virtual_time());
    std::vector<mutex> many(100);
    std::vector<mutex::guard> guards;
    for (mutex& m : many) guards.push_back(guard_of(loop, m));
    CHECK(std::all_of(many.begin(), many.end(), [](const mutex& m) { return m.is_locked(); }));
    guards.erase(guards.begin(), guards.begin() + 50);
    CHECK(std::count_if(many.begin(), many.end(), [](const mutex& m) { return m.is_locked(); }) == 50);
    CHECK(!many[49].is_locked());
    CHECK(many[50].is_locked());
    guards.clear();
    CHECK(std::none_of(many.begin(), many.end(), [](const mutex& m) { return m.is_locked(); }));
}

namespace {

task<> fails_with_the_lock(mutex& m) {
    const mutex::guard held = co_await m.scoped_lock();
    co_await rondo::yield();
    throw std::runtime_error("with the lock");
}

task<> unlocks_early(mutex& m, lines& log) {
    mutex::guard held = co_await m.scoped_lock();
    co_await rondo::yield();
    held.unlock();
    log.push_back("unlocked");
    co_await rondo::yield();
    co_await rondo::yield();
    log.push_back("ends");
}

task<> locks_again(mutex& m, int depth) {
    if (depth == 0) co_return;
    mutex::guard held = co_await m.scoped_lock();
    held.unlock();
    co_await locks_again(m, depth - 1);
    held = co_await m.scoped_lock();
}

}  // namespace

TEST_CASE("an exception that leaves its scope makes a guard unlock") {
    event_loop loop(support::virtual_time());
    mutex m;
    lines log;
    loop.spawn(takes(m, log, "before"));
    CHECK_THROWS_AS(loop.run(fails_with_the_lock(m)), std::runtime_error);
    loop.spawn(takes(m, log, "after"));
    settle(loop);
    CHECK(log == lines{"before", "after"});
    CHECK(is_free(m));
}

TEST_CASE("cancelling the task that holds a guard unlocks, and the next one has the lock") {
    event_loop loop(support::virtual_time());
    mutex m;
    lines log;
    auto holder = loop.spawn(keeps(m, log, "a"));
    loop.spawn(takes(m, log, "b"));
    loop.spawn(takes(m, log, "c"));
    settle(loop);
    CHECK(log == lines{"a"});
    holder.cancel();
    CHECK(holder.done());
    CHECK(!m.try_lock());
    settle(loop);
    CHECK(log == lines{"a", "b", "c"});
    CHECK(is_free(m));
}

TEST_CASE("a guard that is unlocked early lets the next one in, on a later step") {
    event_loop loop(support::virtual_time());
    mutex m;
    lines log;
    loop.spawn(unlocks_early(m, log));
    loop.spawn(takes(m, log, "next"));
    loop.run();
    CHECK(log == lines{"unlocked", "next", "ends"});
}

TEST_CASE("a guard may be filled again") {
    mutex m;
    rondo::testing::run(locks_again(m, 10));
    CHECK(is_free(m));
}

// ---- Waiting, in order ----

TEST_CASE("unlock resumes nobody by itself: the loop does") {
    event_loop loop(support::virtual_time());
    mutex m;
    lines log;
    CHECK(m.try_lock());
    loop.spawn(takes(m, log, "a"));
    settle(loop);
    CHECK(log.empty());
    m.unlock();
    CHECK(log.empty());
    CHECK(m.is_locked());
    settle(loop);
    CHECK(log == lines{"a"});
    CHECK(!m.is_locked());
}

TEST_CASE("those who wait get the lock in the order in which they came") {
    event_loop loop(support::virtual_time());
    mutex m;
    lines log;
    lines expected;
    CHECK(m.try_lock());
    for (int i = 0; i < 100; ++i) {
        expected.push_back(std::to_string(i));
        if (i % 3 == 0)
            loop.spawn(takes_by_hand(m, log, expected.back()));
        else if (i % 3 == 1)
            loop.spawn(takes(m, log, expected.back()));
        else
            loop.spawn(holds(m, log, expected.back(), 1ms));
    }
    settle(loop);
    m.unlock();
    loop.run();
    CHECK(log == expected);
}

TEST_CASE("nobody takes a lock that was handed to a waiter who has not resumed") {
    event_loop loop(support::virtual_time());
    mutex m;
    lines log;
    CHECK(m.try_lock());
    loop.spawn(takes(m, log, "a"));
    settle(loop);
    loop.spawn(takes(m, log, "late"));
    m.unlock();
    CHECK(m.is_locked());
    CHECK(!m.try_lock());
    settle(loop);
    CHECK(log == lines{"a", "late"});
}

namespace {

task<> tries(mutex& m, lines& log) {
    log.push_back(m.try_lock() ? "took it" : "refused");
    co_return;
}

task<> unlocks_and_wants_it_back(mutex& m, lines& log) {
    m.unlock();
    CHECK(!m.try_lock());
    co_await m.lock();
    log.push_back("had it back");
    m.unlock();
}

task<> takes_turns(mutex& m, lines& log, std::string name, int times) {
    for (int i = 0; i < times; ++i) {
        const mutex::guard held = co_await m.scoped_lock();
        log.push_back(name);
        co_await rondo::yield();
    }
}

}  // namespace

TEST_CASE("nobody takes a handed lock: not a task of the same round that runs before the receiver") {
    event_loop loop(support::virtual_time());
    mutex m;
    lines log;
    CHECK(m.try_lock());
    loop.spawn(takes(m, log, "a"));
    settle(loop);
    loop.spawn(tries(m, log));
    loop.spawn(takes(m, log, "late"));
    m.unlock();
    loop.spawn(tries(m, log));
    settle(loop);
    CHECK(log == lines{"refused", "a", "refused", "late"});
    CHECK(is_free(m));
}

TEST_CASE("who unlocks and wants it back stands at the end of the queue") {
    event_loop loop(support::virtual_time());
    mutex m;
    lines log;
    CHECK(m.try_lock());
    loop.spawn(takes(m, log, "a"));
    loop.spawn(takes(m, log, "b"));
    settle(loop);
    loop.spawn(unlocks_and_wants_it_back(m, log));
    settle(loop);
    CHECK(log == lines{"a", "b", "had it back"});
}

TEST_CASE("tasks that lock again and again take turns") {
    event_loop loop(support::virtual_time());
    mutex m;
    lines log;
    for (const char* const name : {"a", "b", "c"}) loop.spawn(takes_turns(m, log, name, 3));
    loop.run();
    CHECK(log == lines{"a", "b", "c", "a", "b", "c", "a", "b", "c"});
}

namespace {

task<> increments(mutex& m, int& inside, int& sum, int times) {
    for (int i = 0; i < times; ++i) {
        const mutex::guard held = co_await m.scoped_lock();
        CHECK(++inside == 1);
        const int before = sum;
        co_await rondo::sleep(std::chrono::milliseconds(i % 3));
        sum = before + 1;
        --inside;
    }
}

}  // namespace

TEST_CASE("never are two inside at a time, across any number of awaits") {
    event_loop loop(support::virtual_time());
    mutex m;
    int inside = 0;
    int sum = 0;
    for (int i = 0; i < 20; ++i) loop.spawn(increments(m, inside, sum, 20));
    loop.run();
    CHECK(sum == 400);
}

// ---- Cancellation ----

namespace {

enum class moment { before_start, waiting, handed_over, holding, over };

void cancel_at(moment when, bool by_hand) {
    event_loop loop(support::virtual_time());
    mutex m;
    lines log;
    CHECK(m.try_lock());
    auto victim = when == moment::holding ? loop.spawn(keeps(m, log, "victim"))
                  : by_hand               ? loop.spawn(takes_by_hand(m, log, "victim"))
                                          : loop.spawn(takes(m, log, "victim"));
    if (when != moment::before_start) settle(loop);
    auto next = loop.spawn(takes(m, log, "next"));
    if (when != moment::before_start) settle(loop);
    if (when >= moment::handed_over) m.unlock();
    if (when >= moment::holding) loop.poll();
    if (when == moment::over) settle(loop);
    victim.cancel();
    CHECK(victim.done());
    victim.cancel();
    settle(loop);
    if (when < moment::handed_over) {
        CHECK(log.empty());
        CHECK(!next.done());
        m.unlock();
        settle(loop);
    }
    CHECK(next.done());
    CHECK(log == (when < moment::holding ? lines{"next"} : lines{"victim", "next"}));
    CHECK(is_free(m));
}

}  // namespace

TEST_CASE("a lock is cancelled at any moment, and the mutex is never lost") {
    for (const moment when :
         {moment::before_start, moment::waiting, moment::handed_over, moment::holding, moment::over}) {
        for (const bool by_hand : {false, true}) {
            INFO("moment " << static_cast<int>(when) << (by_hand ? ", by hand" : ", with a guard"));
            cancel_at(when, by_hand);
        }
    }
}

TEST_CASE("a handed lock whose receiver is cancelled goes back when nobody else waits") {
    event_loop loop(support::virtual_time());
    mutex m;
    lines log;
    CHECK(m.try_lock());
    auto a = loop.spawn(takes(m, log, "a"));
    settle(loop);
    m.unlock();
    CHECK(!m.try_lock());
    a.cancel();
    CHECK(is_free(m));
    CHECK_THROWS_AS(m.unlock(), std::logic_error);
    CHECK(loop.poll() == 0);
}

TEST_CASE("a handed lock wanders along a row of cancelled receivers") {
    event_loop loop(support::virtual_time());
    mutex m;
    lines log;
    CHECK(m.try_lock());
    std::vector<rondo::join_handle<>> handles;
    for (int i = 0; i < 100; ++i)
        handles.push_back(loop.spawn(i % 2 == 0 ? takes(m, log, "x") : takes_by_hand(m, log, "x")));
    loop.spawn(takes(m, log, "last"));
    settle(loop);
    m.unlock();
    for (auto& handle : handles) {
        handle.cancel();
        CHECK(!m.try_lock());
    }
    settle(loop);
    CHECK(log == lines{"last"});
    CHECK(is_free(m));
}

TEST_CASE("those in the middle of the queue leave it without a trace") {
    event_loop loop(support::virtual_time());
    mutex m;
    lines log;
    CHECK(m.try_lock());
    std::vector<rondo::join_handle<>> handles;
    for (const char* const name : {"a", "b", "c", "d", "e"}) handles.push_back(loop.spawn(takes(m, log, name)));
    settle(loop);
    handles[1].cancel();
    handles[3].cancel();
    m.unlock();
    settle(loop);
    CHECK(log == lines{"a", "c", "e"});
}

namespace {

task<> unlocks_and_cancels(mutex& m, rondo::join_handle<>& a, rondo::join_handle<>& b, lines& log) {
    m.unlock();
    a.cancel();
    CHECK(a.done());
    b.cancel();
    CHECK(b.done());
    CHECK(!m.try_lock());
    log.push_back("unlocked");
    co_return;
}

task<> cancels_and_unlocks(mutex& m, rondo::join_handle<>& a, lines& log) {
    a.cancel();
    m.unlock();
    CHECK(!m.try_lock());
    log.push_back("unlocked");
    co_return;
}

}  // namespace

TEST_CASE("a lock that is handed over and cancelled in one step goes to the next") {
    event_loop loop(support::virtual_time());
    mutex m;
    lines log;
    CHECK(m.try_lock());
    auto a = loop.spawn(takes(m, log, "a"));
    auto b = loop.spawn(takes(m, log, "b"));
    loop.spawn(takes(m, log, "c"));
    settle(loop);
    loop.spawn(unlocks_and_cancels(m, a, b, log));
    settle(loop);
    CHECK(log == lines{"unlocked", "c"});
    CHECK(is_free(m));
}

TEST_CASE("one who is cancelled just before the unlock does not get the lock") {
    event_loop loop(support::virtual_time());
    mutex m;
    lines log;
    CHECK(m.try_lock());
    auto a = loop.spawn(takes(m, log, "a"));
    loop.spawn(takes(m, log, "b"));
    settle(loop);
    loop.spawn(cancels_and_unlocks(m, a, log));
    settle(loop);
    CHECK(log == lines{"unlocked", "b"});
}

namespace {

task<> cancels_itself(std::optional<rondo::join_handle<>>& own, mutex& m, lines& log) {
    note_at_exit gone(log, "gone");
    own->cancel();
    const mutex::guard held = co_await m.scoped_lock();
    log.push_back("locked");
    co_await rondo::yield();
    log.push_back("goes on");
}

}  // namespace

TEST_CASE("a task that cancels itself is unwound where it first suspends, and leaves the mutex free") {
    for (const bool locked_before : {false, true}) {
        event_loop loop(support::virtual_time());
        mutex m;
        lines log;
        if (locked_before) CHECK(m.try_lock());
        std::optional<rondo::join_handle<>> own;
        own.emplace(loop.spawn(cancels_itself(own, m, log)));
        settle(loop);
        CHECK(own->done());
        if (locked_before) {
            CHECK(log == lines{"gone"});
            m.unlock();
        } else {
            CHECK(log == lines{"locked", "gone"});
        }
        CHECK(is_free(m));
    }
}

TEST_CASE("many waiters are cancelled in linear time and constant stack") {
    constexpr std::size_t count = 100'000;
    event_loop loop(support::virtual_time());
    mutex m;
    lines log;
    CHECK(m.try_lock());
    std::vector<rondo::join_handle<>> handles;
    for (std::size_t i = 0; i < count; ++i) handles.push_back(loop.spawn(takes(m, log, "x")));
    settle(loop);
    for (std::size_t i = count; i-- > 0;)
        if (i % 2 == 1) handles[i].cancel();
    m.unlock();
    settle(loop);
    CHECK(log.size() == count / 2);
    CHECK(m.try_lock());
    log.clear();
    handles.clear();
    for (std::size_t i = 0; i < count; ++i) handles.push_back(loop.spawn(takes(m, log, "y")));
    settle(loop);
    m.unlock();
    for (std::size_t i = 0; i + 1 < count; ++i) handles[i].cancel();  // each was handed the lock
    settle(loop);
    CHECK(log == lines{"y"});
}

// ---- Combinators ----

namespace {

task<> first_grant_decides(mutex& a, mutex& b, lines& log) {
    auto won = co_await rondo::when_any(a.scoped_lock(), b.scoped_lock());
    log.push_back("won " + std::to_string(won.index()));
    CHECK((won.index() == 0 ? std::get<0>(won).owns_lock() : std::get<1>(won).owns_lock()));
    co_await rondo::yield();
    log.push_back("ends");
}

task<> lock_or_sleep(mutex& m, duration time, lines& log) {
    const auto won = co_await rondo::when_any(m.scoped_lock(), rondo::sleep(time));
    log.push_back(won.index() == 0 ? "locked" : "slept");
}

task<> wins_at_once(mutex& a, mutex& b) {
    const auto won = co_await rondo::when_any(a.scoped_lock(), b.scoped_lock());
    CHECK(won.index() == 0);
    CHECK(a.is_locked());
    CHECK(!b.is_locked());
}

task<> both(mutex& a, mutex& b, lines& log, std::string name) {
    const auto held = co_await rondo::when_all(a.scoped_lock(), b.scoped_lock());
    CHECK(std::get<0>(held).owns_lock());
    CHECK(std::get<1>(held).owns_lock());
    log.push_back(name);
    co_await rondo::yield();
}

task<> lock_or_fail(mutex& m, int yields, lines& log) {
    const auto fails = [](int times) -> task<> {
        co_await support::yields(times);
        throw std::runtime_error("failed");
    };
    try {
        const auto held = co_await rondo::when_all(m.scoped_lock(), fails(yields));
        log.push_back("both");
    } catch (const std::runtime_error& error) {
        log.push_back(error.what());
    }
}

}  // namespace

TEST_CASE("when_any of two locks: the first grant decides, and the other lock stays with others") {
    event_loop loop(support::virtual_time());
    mutex a;
    mutex b;
    lines log;
    CHECK(a.try_lock());
    CHECK(b.try_lock());
    loop.spawn(first_grant_decides(a, b, log));
    settle(loop);
    b.unlock();
    CHECK(!b.try_lock());
    a.unlock();  // decided already
    CHECK(is_free(a));
    loop.spawn(takes(b, log, "next"));
    settle(loop);
    CHECK(log == lines{"won 1", "ends", "next"});
}

TEST_CASE("when_any of two free locks takes the first, and leaves the second alone") {
    mutex a;
    mutex b;
    rondo::testing::run(wins_at_once(a, b));
    CHECK(is_free(a));
    CHECK(is_free(b));
}

TEST_CASE("a lock that lost a race leaves its place in the queue") {
    event_loop loop(support::virtual_time());
    mutex m;
    lines log;
    CHECK(m.try_lock());
    loop.spawn(lock_or_sleep(m, 1ms, log));
    loop.spawn(takes(m, log, "next"));
    loop.run(support::nap(2ms));
    CHECK(log == lines{"slept"});
    m.unlock();
    settle(loop);
    CHECK(log == lines{"slept", "next"});
    CHECK(is_free(m));
}

TEST_CASE("a lock that won a race is handed on when its task is cancelled before it resumes") {
    event_loop loop(support::virtual_time());
    mutex a;
    mutex b;
    lines log;
    CHECK(a.try_lock());
    CHECK(b.try_lock());
    auto race = loop.spawn(first_grant_decides(a, b, log));
    settle(loop);
    loop.spawn(takes(a, log, "next"));
    settle(loop);
    a.unlock();
    race.cancel();
    CHECK(race.done());
    CHECK(!a.try_lock());
    b.unlock();
    CHECK(is_free(b));
    settle(loop);
    CHECK(log == lines{"next"});
    CHECK(is_free(a));
}

TEST_CASE("the same mutex twice in a race: one wins, and one lock is taken") {
    event_loop loop(support::virtual_time());
    mutex m;
    lines log;
    CHECK(m.try_lock());
    loop.spawn(first_grant_decides(m, m, log));
    loop.spawn(takes(m, log, "next"));
    settle(loop);
    m.unlock();
    settle(loop);
    CHECK(log == lines{"won 0", "ends", "next"});
    CHECK(is_free(m));
    log.clear();
    loop.spawn(first_grant_decides(m, m, log));
    settle(loop);
    CHECK(log == lines{"won 0", "ends"});
    CHECK(is_free(m));
}

TEST_CASE("when_all holds the locks that it has been granted while it waits for the others") {
    event_loop loop(support::virtual_time());
    mutex a;
    mutex b;
    lines log;
    CHECK(b.try_lock());
    loop.spawn(both(a, b, log, "both"));
    loop.spawn(takes(a, log, "a"));
    settle(loop);
    CHECK(!a.try_lock());
    CHECK_THROWS_AS(a.unlock(), std::logic_error);
    loop.spawn(takes(b, log, "b"));
    settle(loop);
    b.unlock();
    settle(loop);
    CHECK(log.front() == "both");
    std::sort(log.begin(), log.end());  // a tuple gives its guards back in an order of its own
    CHECK(log == lines{"a", "b", "both"});
    CHECK(is_free(a));
    CHECK(is_free(b));
}

TEST_CASE("a when_all that is cancelled gives back what it has been granted") {
    for (const bool all_granted : {false, true}) {
        event_loop loop(support::virtual_time());
        mutex a;
        mutex b;
        lines log;
        CHECK(b.try_lock());
        auto waits = loop.spawn(both(a, b, log, "both"));
        loop.spawn(takes(a, log, "a"));
        loop.spawn(takes(b, log, "b"));
        settle(loop);
        if (all_granted) b.unlock();
        waits.cancel();
        CHECK(waits.done());
        CHECK(!a.try_lock());
        if (!all_granted) b.unlock();
        CHECK(!b.try_lock());
        settle(loop);
        std::sort(log.begin(), log.end());
        CHECK(log == lines{"a", "b"});
        CHECK(is_free(a));
        CHECK(is_free(b));
    }
}

TEST_CASE("a lock whose sibling fails goes back, granted or not") {
    event_loop loop(support::virtual_time());
    mutex m;
    lines log;
    loop.spawn(lock_or_fail(m, 2, log));
    settle(loop);
    CHECK(log == lines{"failed"});
    CHECK(is_free(m));
    CHECK(m.try_lock());
    loop.spawn(lock_or_fail(m, 2, log));
    settle(loop);
    CHECK(log == lines{"failed", "failed"});
    m.unlock();
    CHECK(is_free(m));
    loop.spawn(lock_or_fail(m, 0, log));
    loop.spawn(takes(m, log, "next"));
    settle(loop);
    CHECK(log == lines{"failed", "failed", "failed", "next"});
    CHECK(is_free(m));
}

TEST_CASE("the same mutex twice in when_all is a deadlock, and goes free when that is unwound") {
    mutex m;
    lines log;
    CHECK_THROWS_AS(rondo::testing::run(both(m, m, log, "both")), rondo::deadlock_error);
    CHECK(log.empty());
    CHECK(is_free(m));
}

namespace {

task<> settles(mutex& m, lines& log) {
    auto ends = co_await rondo::when_all_settled(m.scoped_lock(), support::fail("failed"), m.lock());
    CHECK(std::get<0>(ends).has_value());
    CHECK(std::get<1>(ends).error() != nullptr);
    CHECK(std::get<2>(ends).has_value());
    log.push_back("settled");
}

task<> loses_with_the_lock(mutex& m, lines& log) {
    const auto won = co_await rondo::when_any(keeps(m, log, "child"), support::nap(1ms));
    CHECK(won.index() == 1);
    CHECK(is_free(m));
    log.push_back("parent");
}

task<> many_compete(mutex& m, int& wins) {
    for (int i = 0; i < 100; ++i) {
        const auto won = co_await rondo::when_any(m.scoped_lock(), m.scoped_lock());
        ++wins;
        co_await rondo::yield();
    }
}

}  // namespace

TEST_CASE("when_all_settled with a lock twice waits for ever, and gives back what it had") {
    mutex m;
    lines log;
    CHECK_THROWS_AS(rondo::testing::run(settles(m, log)), rondo::deadlock_error);
    CHECK(log.empty());
    CHECK(is_free(m));
}

TEST_CASE("what a losing task had locked goes free with its guard before the winner's parent goes on") {
    mutex m;
    lines log;
    rondo::testing::run(loses_with_the_lock(m, log));
    CHECK(log == lines{"child", "parent"});
}

TEST_CASE("races for the same mutex, by many tasks, all come to their end") {
    event_loop loop(support::virtual_time());
    mutex m;
    int wins = 0;
    for (int i = 0; i < 10; ++i) loop.spawn(many_compete(m, wins));
    loop.run();
    CHECK(wins == 1000);
    CHECK(is_free(m));
}

namespace {

template <class Rep, class Period>
task<> locks_within(mutex& m, std::chrono::duration<Rep, Period> time, lines& log, std::string name) {
    try {
        const mutex::guard held = co_await rondo::with_timeout(time, m.scoped_lock());
        log.push_back(name + " locked");
        co_await rondo::yield();
    } catch (const rondo::timeout_error&) {
        log.push_back(name + " too late");
    }
}

template <class Rep, class Period>
task<> tries_within(mutex& m, std::chrono::duration<Rep, Period> time, lines& log, std::string name) {
    const std::optional<mutex::guard> held = co_await rondo::try_with_timeout(time, m.scoped_lock());
    log.push_back(name + (held ? " locked" : " too late"));
    if (held) CHECK(held->owns_lock());
}

task<> tries_by_hand_within(mutex& m, duration time, lines& log, std::string name) {
    const bool locked_it = co_await rondo::try_with_timeout(time, m.lock());
    log.push_back(name + (locked_it ? " locked" : " too late"));
    if (locked_it) m.unlock();
}

task<> unlocks_after(mutex& m, duration time) {
    co_await rondo::sleep(time);
    m.unlock();
}

task<> task_with_timeout(mutex& m, duration time, lines& log) {
    const bool in_time = co_await rondo::try_with_timeout(time, takes(m, log, "taken"));
    log.push_back(in_time ? "in time" : "too late");
}

}  // namespace

TEST_CASE("a lock is waited for no longer than its time, and leaves its place in the queue") {
    event_loop loop(support::virtual_time());
    mutex m;
    lines log;
    CHECK(m.try_lock());
    loop.spawn(locks_within(m, 5ms, log, "a"));
    loop.spawn(locks_within(m, 20ms, log, "b"));
    loop.spawn(tries_within(m, 5ms, log, "c"));
    loop.spawn(tries_within(m, 20ms, log, "d"));
    loop.spawn(tries_by_hand_within(m, 5ms, log, "e"));
    loop.spawn(tries_by_hand_within(m, 20ms, log, "f"));
    loop.spawn(unlocks_after(m, 10ms));
    loop.run();
    CHECK(log == lines{"a too late", "c too late", "e too late", "b locked", "d locked", "f locked"});
    CHECK(is_free(m));
}

TEST_CASE("an unlock at the very deadline comes in time") {
    for (const bool unlock_first : {false, true}) {
        event_loop loop(support::virtual_time());
        mutex m;
        lines log;
        CHECK(m.try_lock());
        if (unlock_first) loop.spawn(unlocks_after(m, 5ms));
        loop.spawn(locks_within(m, 5ms, log, "a"));
        loop.spawn(tries_within(m, 5ms, log, "b"));
        if (!unlock_first) loop.spawn(unlocks_after(m, 5ms));
        loop.run();
        CHECK(log[0] == "a locked");
        CHECK(log.size() == 2);
        CHECK(is_free(m));
    }
}

TEST_CASE("no time, or less, means try") {
    event_loop loop(support::virtual_time());
    mutex m;
    lines log;
    loop.run(locks_within(m, 0s, log, "a"));
    loop.run(tries_within(m, -1h, log, "b"));
    loop.run(tries_by_hand_within(m, 0s, log, "c"));
    loop.run(task_with_timeout(m, 0s, log));
    CHECK(log == lines{"a locked", "b locked", "c locked", "taken", "in time"});
    log.clear();
    CHECK(m.try_lock());
    loop.run(locks_within(m, 0s, log, "a"));
    loop.run(tries_within(m, -1h, log, "b"));
    loop.run(tries_by_hand_within(m, 0s, log, "c"));
    loop.run(task_with_timeout(m, 0s, log));
    CHECK(log == lines{"a too late", "b too late", "c too late", "too late"});
    m.unlock();
    CHECK(is_free(m));
    // Handed to a waiter who has not resumed: not there for a try.
    CHECK(m.try_lock());
    log.clear();
    loop.spawn(takes(m, log, "waiter"));
    settle(loop);
    loop.spawn(tries_within(m, 0s, log, "a"));
    m.unlock();
    loop.spawn(tries_within(m, 0s, log, "b"));
    settle(loop);
    CHECK(std::count(log.begin(), log.end(), "a too late") == 1);
    CHECK(std::count(log.begin(), log.end(), "waiter") == 1);
    CHECK(is_free(m));
}

TEST_CASE("all time there is sets no timer") {
    event_loop loop(support::virtual_time());
    mutex m;
    lines log;
    CHECK(m.try_lock());
    loop.spawn(locks_within(m, (duration::max)(), log, "a"));
    settle(loop);
    CHECK(!loop.next_deadline());
    m.unlock();
    settle(loop);
    CHECK(log == lines{"a locked"});
}

namespace {

task<> insists(mutex& m, lines& log, std::string name) {
    note_at_exit gone(log, name + " gone");
    const mutex::guard held = co_await rondo::uncancellable(m.scoped_lock());
    log.push_back(name + " locked");
    co_await support::for_ever();
}

task<> cleans_up_with_the_lock(mutex& m, lines& log) {
    co_await rondo::finally(keeps(m, log, "body"), [&m, &log]() -> task<> {
        const mutex::guard held = co_await m.scoped_lock();
        log.push_back("cleanup");
        co_await rondo::yield();
    });
}

task<> finally_around_the_lock(mutex& m, lines& log) {
    const auto cleanup = [&log]() -> task<> {
        log.push_back("cleanup");
        co_return;
    };
    const mutex::guard held = co_await rondo::finally(m.scoped_lock(), cleanup);
    log.push_back("locked");
    co_await rondo::yield();
}

task<> group_in_turns(mutex& m, lines& log) {
    co_await rondo::with_task_group([&](rondo::task_group& group) -> task<> {
        for (const char* const name : {"a", "b", "c"}) group.spawn(holds(m, log, name, 1ms));
        co_return;
    });
    log.push_back("group ends");
}

task<> group_that_fails(mutex& m, lines& log) {
    try {
        co_await rondo::with_task_group([&](rondo::task_group& group) -> task<> {
            group.spawn(fails_with_the_lock(m));
            group.spawn(takes(m, log, "sibling"));
            const mutex::guard held = co_await rondo::with_timeout(1h, m.scoped_lock());
            log.push_back("body");
        });
    } catch (const std::runtime_error& error) {
        log.push_back(error.what());
    }
    CHECK(is_free(m));
}

}  // namespace

TEST_CASE("a lock that cannot be cancelled keeps its place in the queue, and is given up by the unwinding") {
    event_loop loop(support::virtual_time());
    mutex m;
    lines log;
    CHECK(m.try_lock());
    auto a = loop.spawn(insists(m, log, "a"));
    loop.spawn(takes(m, log, "next"));
    settle(loop);
    a.cancel();
    CHECK(!a.done());
    settle(loop);
    CHECK(log.empty());
    m.unlock();
    settle(loop);
    CHECK(a.done());
    CHECK(log == lines{"a gone", "next"});
    CHECK(is_free(m));
}

TEST_CASE("an uncancellable lock that was handed over is passed on when its task is cancelled before it resumes") {
    event_loop loop(support::virtual_time());
    mutex m;
    lines log;
    CHECK(m.try_lock());
    auto a = loop.spawn(insists(m, log, "a"));
    loop.spawn(takes(m, log, "next"));
    settle(loop);
    m.unlock();
    a.cancel();
    settle(loop);
    CHECK(a.done());
    CHECK(log == lines{"a gone", "next"});
    CHECK(is_free(m));
}

TEST_CASE("a cleanup has the lock that the body held") {
    for (const bool contended : {false, true}) {
        event_loop loop(support::virtual_time());
        mutex m;
        lines log;
        auto a = loop.spawn(cleans_up_with_the_lock(m, log));
        settle(loop);
        if (contended) loop.spawn(takes(m, log, "other"));
        settle(loop);
        a.cancel();
        settle(loop);
        CHECK(a.done());
        CHECK(log == (contended ? lines{"body", "other", "cleanup"} : lines{"body", "cleanup"}));
        CHECK(is_free(m));
    }
}

TEST_CASE("finally around a lock: the guard comes through, and a cancelled wait leaves the queue") {
    event_loop loop(support::virtual_time());
    mutex m;
    lines log;
    CHECK(m.try_lock());
    loop.spawn(finally_around_the_lock(m, log));
    auto b = loop.spawn(finally_around_the_lock(m, log));
    settle(loop);
    b.cancel();
    settle(loop);
    CHECK(log == lines{"cleanup"});
    m.unlock();
    settle(loop);
    CHECK(log == lines{"cleanup", "cleanup", "locked"});
    CHECK(is_free(m));
}

TEST_CASE("the children of a group take turns") {
    mutex m;
    lines log;
    rondo::testing::run(group_in_turns(m, log));
    CHECK(log == lines{"a", "b", "c", "group ends"});
}

TEST_CASE("a group that fails leaves no lock behind") {
    mutex m;
    lines log;
    rondo::testing::run(group_that_fails(m, log));
    // The body had the lock first: it starts before the children.
    CHECK(log == lines{"body", "with the lock"});
    CHECK(is_free(m));
}

// ---- Lifetimes: mutexes and loops ----

namespace {

task<> locks_twice(mutex& m, unsigned& line) {
    const mutex::guard held = co_await m.scoped_lock();
    line = __LINE__ + 1;
    co_await m.lock();
}

task<> waits_for_it(mutex& m, unsigned& line) {
    line = __LINE__ + 1;
    const mutex::guard held = co_await m.scoped_lock();
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
    return report.find("mutex.cpp:" + std::to_string(line)) != std::string::npos;
}

}  // namespace

TEST_CASE("a task that locks twice waits for itself, and the report names the line") {
    event_loop loop(support::virtual_time());
    mutex m;
    unsigned line = 0;
    auto stuck = loop.spawn(locks_twice(m, line));
    const std::string report = stuck_report(loop);
    INFO(report);
    CHECK(names(report, line));
    CHECK(report.find("mutex::lock") != std::string::npos);
    CHECK(report.find("gone") == std::string::npos);
    stuck.cancel();
    CHECK(is_free(m));
}

TEST_CASE("those who wait on a destroyed mutex never resume, unwind when cancelled, and the report says so") {
    event_loop loop(support::virtual_time());
    auto m = std::make_unique<mutex>();
    lines log;
    unsigned line = 0;
    CHECK(m->try_lock());
    auto a = loop.spawn(takes(*m, log, "a"));
    auto b = loop.spawn(takes_by_hand(*m, log, "b"));
    auto c = loop.spawn(waits_for_it(*m, line));
    settle(loop);
    m.reset();
    settle(loop);
    CHECK(!a.done());
    const std::string report = stuck_report(loop);
    INFO(report);
    CHECK(names(report, line));
    CHECK(report.find("gone") != std::string::npos);
    a.cancel();
    b.cancel();
    c.cancel();
    CHECK(a.done());
    CHECK(b.done());
    CHECK(c.done());
    settle(loop);
    CHECK(log.empty());
}

TEST_CASE("one who was handed the lock when the mutex is destroyed never resumes, and unwinds when cancelled") {
    event_loop loop(support::virtual_time());
    lines log;
    for (const bool by_hand : {false, true}) {
        auto m = std::make_unique<mutex>();
        CHECK(m->try_lock());
        auto a = loop.spawn(by_hand ? takes_by_hand(*m, log, "a") : takes(*m, log, "a"));
        auto b = loop.spawn(takes(*m, log, "b"));
        settle(loop);
        m->unlock();
        m.reset();
        settle(loop);
        CHECK(log.empty());
        CHECK(!a.done());
        const std::string report = stuck_report(loop);
        CHECK(report.find("gone") != std::string::npos);
        a.cancel();
        b.cancel();
        CHECK(a.done());
        CHECK(b.done());
    }
}

TEST_CASE("races and groups that wait on a destroyed mutex go on with what is left") {
    event_loop loop(support::virtual_time());
    auto m = std::make_unique<mutex>();
    mutex other;
    lines log;
    CHECK(m->try_lock());
    CHECK(other.try_lock());
    loop.spawn(lock_or_sleep(*m, 1ms, log));
    loop.spawn(tries_within(*m, 2ms, log, "with timeout"));
    auto all = loop.spawn(both(*m, other, log, "both"));
    auto other_all = loop.spawn(both(other, *m, log, "both"));
    settle(loop);
    m.reset();
    loop.run(support::nap(5ms));
    CHECK(log == lines{"slept", "with timeout too late"});
    other.unlock();
    settle(loop);
    all.cancel();
    other_all.cancel();
    CHECK(all.done());
    CHECK(other_all.done());
    CHECK(is_free(other));
}

TEST_CASE("a race that was won by a lock, whose mutex is destroyed then, can be cancelled") {
    event_loop loop(support::virtual_time());
    auto m = std::make_unique<mutex>();
    mutex other;
    lines log;
    CHECK(m->try_lock());
    CHECK(other.try_lock());
    auto race = loop.spawn(first_grant_decides(*m, other, log));
    auto timed = loop.spawn(tries_within(*m, 1ms, log, "with timeout"));
    settle(loop);
    m->unlock();
    m.reset();
    settle(loop);
    CHECK(log.empty());
    race.cancel();
    timed.cancel();
    CHECK(race.done());
    CHECK(timed.done());
    other.unlock();
    CHECK(is_free(other));
}

namespace {

task<> destroys_what_a_guard_holds() {
    auto m = std::make_unique<mutex>();
    const mutex::guard held = co_await m->scoped_lock();
    m.reset();
}

task<> destroys_what_was_given_up() {
    auto m = std::make_unique<mutex>();
    mutex::guard held = co_await m->scoped_lock();
    held.unlock();
    m.reset();
    m = std::make_unique<mutex>();
    co_await m->lock();  // by hand: nothing would refer to it
    m.reset();
}

}  // namespace

#if SUPPORT_HAS_FORK

TEST_CASE("destroying a mutex that a guard holds is fatal") {
    const support::ending end = support::in_child([] { rondo::testing::run(destroys_what_a_guard_holds()); });
    CHECK(end.fatal);
    CHECK(end.terminated);
    CHECK(end.text.find("mutex") != std::string::npos);
    CHECK(end.text.find("guard") != std::string::npos);
}

TEST_CASE("destroying a mutex that no guard holds is not fatal") {
    const support::ending end = support::in_child([] {
        rondo::testing::run(destroys_what_was_given_up());
        event_loop loop(support::virtual_time());
        lines log;
        mutex m;
        m.try_lock();
        loop.spawn(takes(m, log, "handed over"));
        settle(loop);
        m.unlock();
    });
    CHECK(!end.fatal);
    CHECK(end.code == 0);
}

#endif

TEST_CASE("a mutex outlives a loop, which gives back what its tasks held") {
    mutex m;
    mutex busy;
    lines log;
    CHECK(busy.try_lock());
    {
        event_loop loop(support::virtual_time());
        loop.spawn(keeps(m, log, "holder"));
        loop.spawn(takes(m, log, "waiter"));
        loop.spawn(takes(busy, log, "handed over"));
        settle(loop);
        busy.unlock();
    }
    CHECK(log == lines{"holder"});
    CHECK(is_free(m));
    CHECK(is_free(busy));
    event_loop next(support::virtual_time());
    next.spawn(takes(m, log, "next"));
    settle(next);
    CHECK(log == lines{"holder", "next"});
}

namespace {
mutex global_mutex;
}

TEST_CASE("a mutex may be global") {
    lines log;
    rondo::testing::run(takes(global_mutex, log, "a"));
    CHECK(log == lines{"a"});
    CHECK(is_free(global_mutex));
}

TEST_CASE("two loops on one thread share a mutex when they are polled in turn") {
    mutex m;
    event_loop here(support::virtual_time());
    event_loop there(support::virtual_time());
    lines log;
    here.spawn(takes_turns(m, log, "here", 3));
    there.spawn(takes_turns(m, log, "there", 3));
    while (here.poll() + there.poll() != 0) {
    }
    CHECK(log == lines{"here", "there", "here", "there", "here", "there"});
    CHECK(is_free(m));
}

TEST_CASE("a lock that a loop's task gives back goes to the other loop's") {
    mutex m;
    event_loop here(support::virtual_time());
    event_loop there(support::virtual_time());
    lines log;
    CHECK(m.try_lock());
    auto one = here.spawn(takes(m, log, "here"));
    settle(here);
    there.spawn(takes(m, log, "there"));
    settle(there);
    m.unlock();
    one.cancel();
    settle(here);
    settle(there);
    CHECK(log == lines{"there"});
}

// ---- Between polls ----

TEST_CASE("an unlock between polls makes the waiter ready and wakes the driver") {
    support::manual_clock clock;
    event_loop loop(clock.driver());
    mutex m;
    mutex other;
    lines log;
    CHECK(m.try_lock());
    CHECK(other.try_lock());
    loop.spawn(takes(m, log, "a"));
    loop.spawn(first_grant_decides(other, m, log));
    settle(loop);
    CHECK(!loop.next_deadline());
    int wakes = clock.wakes;
    m.unlock();
    CHECK(clock.wakes > wakes);
    CHECK(loop.next_deadline() == clock.now);
    settle(loop);
    CHECK(log == lines{"a", "won 1", "ends"});
    loop.spawn(first_grant_decides(other, m, log));
    CHECK(m.try_lock());
    settle(loop);
    wakes = clock.wakes;
    other.unlock();  // a race hears of it
    CHECK(clock.wakes > wakes);
    CHECK(loop.next_deadline() == clock.now);
    settle(loop);
    CHECK(log == lines{"a", "won 1", "ends", "won 0", "ends"});
}

TEST_CASE("a guard destroyed between polls wakes the driver as well") {
    support::manual_clock clock;
    event_loop loop(clock.driver());
    mutex m;
    lines log;
    {
        const mutex::guard held = guard_of(loop, m);
        loop.spawn(takes(m, log, "a"));
        settle(loop);
        clock.wakes = 0;
    }
    CHECK(clock.wakes > 0);
    settle(loop);
    CHECK(log == lines{"a"});
}

TEST_CASE("a handed lock that is cancelled between polls wakes the driver for the next one") {
    support::manual_clock clock;
    event_loop here(support::virtual_time());
    event_loop there(clock.driver());
    mutex m;
    lines log;
    CHECK(m.try_lock());
    auto a = here.spawn(takes(m, log, "a"));
    settle(here);
    there.spawn(takes(m, log, "b"));
    settle(there);
    m.unlock();
    clock.wakes = 0;
    a.cancel();
    CHECK(clock.wakes > 0);
    settle(there);
    CHECK(log == lines{"b"});
}

// ---- What it costs others ----

namespace {

constexpr int far_too_many = 2'000'000;

task<> spins(mutex& m, const bool& stop, int& turns, bool by_hand) {
    while (!stop && turns < far_too_many) {
        if (by_hand) {
            co_await m.lock();
            m.unlock();
        } else {
            const mutex::guard held = co_await m.scoped_lock();
        }
        ++turns;
    }
}

task<> races_itself(mutex& a, mutex& b, const bool& stop, int& turns) {
    while (!stop && turns < far_too_many) {
        const auto won = co_await rondo::when_any(a.scoped_lock(), b.scoped_lock());
        ++turns;
    }
}

task<> stops_after(bool& stop, duration time) {
    co_await rondo::sleep(time);
    stop = true;
}

// Locks until a lock is put off, and then holds it.
task<> locks_many(mutex& m, int times, int& done) {
    for (int i = 0; i < times; ++i) {
        const mutex::guard held = co_await m.scoped_lock();
        ++done;
    }
}

task<> locks_many_and_tries(mutex& m, int& refused, int times) {
    for (int i = 0; i < times; ++i) {
        const mutex::guard first = co_await rondo::with_timeout(0s, m.scoped_lock());
        const bool again = co_await rondo::try_with_timeout(0s, m.lock());
        if (!again) ++refused;
    }
}

task<> tries_a_task(mutex& m, int times, bool& in_time) {
    int done = 0;
    in_time = co_await rondo::try_with_timeout(0s, locks_many(m, times, done));
}

}  // namespace

TEST_CASE("locks that never wait do not delay a timer") {
    for (const bool by_hand : {false, true}) {
        support::manual_clock clock;
        clock.tick = 100us;
        event_loop loop(clock.driver());
        mutex m;
        bool stop = false;
        int turns = 0;
        loop.spawn(stops_after(stop, 10ms));
        loop.spawn(spins(m, stop, turns, by_hand));
        loop.run();
        CHECK(stop);
        CHECK(turns < far_too_many);
    }
    support::manual_clock clock;
    clock.tick = 100us;
    event_loop loop(clock.driver());
    mutex a;
    mutex b;
    bool stop = false;
    int turns = 0;
    loop.spawn(stops_after(stop, 10ms));
    loop.spawn(races_itself(a, b, stop, turns));
    loop.run();
    CHECK(turns < far_too_many);
}

TEST_CASE("a lock that was put off has been granted: nobody else takes it, and it goes back when cancelled") {
    event_loop loop(support::virtual_time());
    mutex m;
    lines log;
    int done = 0;
    auto locker = loop.spawn(locks_many(m, 10'000, done));
    loop.poll();
    REQUIRE(!locker.done());
    REQUIRE(done < 10'000);
    CHECK(!m.try_lock());
    CHECK_THROWS_AS(m.unlock(), std::logic_error);
    loop.spawn(takes(m, log, "next"));
    locker.cancel();
    CHECK(locker.done());
    settle(loop);
    CHECK(log == lines{"next"});
    CHECK(is_free(m));
}

TEST_CASE("a lock that was put off counts as one without waiting") {
    mutex m;
    int refused = 0;
    rondo::testing::run(locks_many_and_tries(m, refused, 1000));
    CHECK(refused == 1000);
    bool in_time = false;
    rondo::testing::run(tries_a_task(m, 1000, in_time));
    CHECK(in_time);
    CHECK(is_free(m));
}

TEST_CASE("a task that tries comes to an end when the mutex goes while its lock is put off") {
    event_loop loop(support::virtual_time());
    auto m = std::make_unique<mutex>();
    bool in_time = true;
    auto tries_it = loop.spawn(tries_a_task(*m, 1000, in_time));
    loop.poll();
    REQUIRE(!tries_it.done());
    m.reset();
    for (int i = 0; i < 1000; ++i) loop.poll();
    CHECK(tries_it.done());
    CHECK(!in_time);
    tries_it.cancel();
}

namespace {

task<> contends(mutex& m, std::size_t& count) {
    for (int round = 0; round < 3; ++round) {
        const std::size_t before = support::allocations::count();
        for (int i = 0; i < 1000; ++i) {
            const mutex::guard held = co_await m.scoped_lock();
            co_await rondo::yield();
        }
        count = support::allocations::count() - before;
    }
}

task<> two_contend(std::size_t& count) {
    mutex m;
    std::size_t other = 0;
    co_await rondo::when_all(contends(m, count), contends(m, other));
    count += other;
}

}  // namespace

TEST_CASE("a mutex allocates nothing, whether it is waited for or not") {
    std::size_t count = 1;
    rondo::testing::run(two_contend(count));
    CHECK(count == 0);
    const std::size_t before = support::allocations::count();
    mutex m;
    for (int i = 0; i < 100; ++i) {
        (void)m.try_lock();
        m.unlock();
    }
    const std::size_t used = support::allocations::count() - before;
    CHECK(used == 0);
}
