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
#include <cmath>
#include <cstddef>
#include <deque>
#include <limits>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace {

using namespace std::chrono_literals;
using rondo::condition_variable;
using rondo::event_loop;
using rondo::mutex;
using rondo::task;
using support::lines;
using support::note_at_exit;

using duration = support::clock::duration;

bool always() { return true; }
bool never() { return false; }

static_assert(!std::is_copy_constructible_v<condition_variable> && !std::is_move_constructible_v<condition_variable>);
static_assert(std::is_same_v<
              rondo::await_result_t<decltype(std::declval<condition_variable&>().wait(std::declval<mutex::guard&>()))>,
              void>);
static_assert(std::is_same_v<rondo::await_result_t<decltype(std::declval<condition_variable&>().wait(
                                 std::declval<mutex::guard&>(), always))>,
                             void>);
static_assert(std::is_same_v<rondo::await_result_t<decltype(std::declval<condition_variable&>().wait_for(
                                 std::declval<mutex::guard&>(), 1s, always))>,
                             bool>);

void settle(event_loop& loop) {
    while (loop.poll() != 0) {
    }
}

bool is_free(mutex& m) {
    if (!m.try_lock()) return false;
    m.unlock();
    return true;
}

task<> waits(mutex& m, condition_variable& cv, lines& log, std::string name) {
    mutex::guard guard = co_await m.scoped_lock();
    co_await cv.wait(guard);
    CHECK(guard.owns_lock());
    CHECK(m.is_locked());
    log.push_back(name);
}

// Keeps the mutex for ever, once woken.
task<> waits_and_keeps(mutex& m, condition_variable& cv, lines& log, std::string name) {
    mutex::guard guard = co_await m.scoped_lock();
    co_await cv.wait(guard);
    log.push_back(name);
    co_await support::for_ever();
}

task<> waits_until(mutex& m, condition_variable& cv, const int& value, int wanted, lines& log, std::string name) {
    mutex::guard guard = co_await m.scoped_lock();
    co_await cv.wait(guard, [&] {
        CHECK(guard.owns_lock());
        return value == wanted;
    });
    CHECK(guard.owns_lock());
    log.push_back(name);
}

task<> locks(mutex& m, lines& log, std::string name) {
    const mutex::guard guard = co_await m.scoped_lock();
    log.push_back(name);
}

task<> locks_and_notifies(mutex& m, condition_variable& cv, lines& log) {
    const mutex::guard guard = co_await m.scoped_lock();
    cv.notify_one();
    log.push_back("notified");
    co_await rondo::yield();
    log.push_back("unlocks");
}

task<mutex::guard> locked(mutex& m) { co_return co_await m.scoped_lock(); }

}  // namespace

// ---- Waiting and notifying ----

TEST_CASE("a wait gives the mutex up meanwhile, and has it back when it ends") {
    event_loop loop(support::virtual_time());
    mutex m;
    condition_variable cv;
    lines log;
    auto a = loop.spawn(waits(m, cv, log, "a"));
    settle(loop);
    CHECK(is_free(m));
    cv.notify_one();
    CHECK(!a.done());
    CHECK(!m.try_lock());
    CHECK(log.empty());
    settle(loop);
    CHECK(log == lines{"a"});
    CHECK(is_free(m));
}

TEST_CASE("a wait gives the mutex to the next who waits for that") {
    event_loop loop(support::virtual_time());
    mutex m;
    condition_variable cv;
    lines log;
    loop.spawn(waits(m, cv, log, "a"));
    loop.spawn(locks(m, log, "b"));
    loop.spawn(locks(m, log, "c"));
    settle(loop);
    CHECK(log == lines{"b", "c"});
    cv.notify_all();
    settle(loop);
    CHECK(log == lines{"b", "c", "a"});
}

TEST_CASE("who is notified waits until the notifier has unlocked") {
    event_loop loop(support::virtual_time());
    mutex m;
    condition_variable cv;
    lines log;
    loop.spawn(waits(m, cv, log, "a"));
    settle(loop);
    loop.spawn(locks_and_notifies(m, cv, log));
    settle(loop);
    CHECK(log == lines{"notified", "unlocks", "a"});
}

TEST_CASE("who is notified queues for the mutex behind those who wait for it already") {
    event_loop loop(support::virtual_time());
    mutex m;
    condition_variable cv;
    lines log;
    loop.spawn(waits(m, cv, log, "a"));
    loop.spawn(waits(m, cv, log, "b"));
    settle(loop);
    CHECK(m.try_lock());
    loop.spawn(locks(m, log, "before"));
    settle(loop);
    cv.notify_one();
    loop.spawn(locks(m, log, "between"));
    settle(loop);
    cv.notify_one();
    m.unlock();
    settle(loop);
    CHECK(log == lines{"before", "a", "between", "b"});
}

TEST_CASE("notify_one wakes the one who has waited longest, each time") {
    event_loop loop(support::virtual_time());
    mutex m;
    condition_variable cv;
    lines log;
    for (const char* const name : {"a", "b", "c", "d"}) loop.spawn(waits(m, cv, log, name));
    settle(loop);
    cv.notify_one();
    settle(loop);
    CHECK(log == lines{"a"});
    cv.notify_one();
    cv.notify_one();
    settle(loop);
    CHECK(log == lines{"a", "b", "c"});
    cv.notify_one();
    cv.notify_one();  // one too many
    settle(loop);
    CHECK(log == lines{"a", "b", "c", "d"});
}

TEST_CASE("notify_all wakes all that wait, in order, one after another, and nobody who comes later") {
    event_loop loop(support::virtual_time());
    mutex m;
    condition_variable cv;
    lines log;
    for (const char* const name : {"a", "b", "c"}) loop.spawn(waits(m, cv, log, name));
    settle(loop);
    cv.notify_all();
    loop.spawn(waits(m, cv, log, "late"));
    settle(loop);
    CHECK(log == lines{"a", "b", "c"});
    cv.notify_all();
    settle(loop);
    CHECK(log == lines{"a", "b", "c", "late"});
}

TEST_CASE("a notification while nobody waits is lost") {
    event_loop loop(support::virtual_time());
    mutex m;
    condition_variable cv;
    lines log;
    cv.notify_one();
    cv.notify_all();
    loop.spawn(waits(m, cv, log, "a"));
    settle(loop);
    CHECK(log.empty());
    cv.notify_one();
    settle(loop);
    CHECK(log == lines{"a"});
}

TEST_CASE("after notify_all, and while its receivers queue for the mutex, each has it once, alone") {
    event_loop loop(support::virtual_time());
    mutex m;
    condition_variable cv;
    int inside = 0;
    int count = 0;
    const auto waits_and_works = [&]() -> task<> {
        mutex::guard guard = co_await m.scoped_lock();
        co_await cv.wait(guard);
        CHECK(++inside == 1);
        co_await rondo::sleep(1ms);
        --inside;
        ++count;
    };
    for (int i = 0; i < 50; ++i) loop.spawn(waits_and_works());
    settle(loop);
    cv.notify_all();
    loop.run();
    CHECK(count == 50);
    CHECK(is_free(m));
}

TEST_CASE("several who wait with different mutexes go on independently") {
    event_loop loop(support::virtual_time());
    mutex one;
    mutex two;
    condition_variable cv;
    lines log;
    loop.spawn(waits(one, cv, log, "a"));
    loop.spawn(waits(two, cv, log, "b"));
    loop.spawn(waits(one, cv, log, "c"));
    settle(loop);
    CHECK(one.try_lock());
    cv.notify_all();
    settle(loop);
    CHECK(log == lines{"b"});
    one.unlock();
    settle(loop);
    CHECK(log == lines{"b", "a", "c"});
    CHECK(is_free(one));
    CHECK(is_free(two));
}

namespace {

task<> waits_with_nothing(mutex& m, condition_variable& cv, lines& log) {
    mutex::guard guard = co_await m.scoped_lock();
    guard.unlock();
    for (int form = 0; form < 4; ++form) {
        bool thrown = false;
        try {
            if (form == 0) co_await cv.wait(guard);
            if (form == 1) co_await cv.wait(guard, never);
            if (form == 2) co_await cv.wait_for(guard, 1s, never);
            if (form == 3) co_await rondo::when_all(cv.wait(guard), rondo::yield());
        } catch (const std::logic_error&) {
            thrown = true;
        }
        log.push_back(thrown ? "thrown" : "not thrown");
    }
    CHECK(!guard.owns_lock());
    cv.notify_all();
    CHECK(is_free(m));
    mutex::guard other = co_await m.scoped_lock();
    mutex::guard moved = std::move(other);
    bool thrown = false;
    try {
        co_await cv.wait(other);
    } catch (const std::logic_error&) {
        thrown = true;
    }
    CHECK(thrown);
    CHECK(moved.owns_lock());
}

// The predicate must not be asked, and nobody may come back as if he had the mutex.
task<> asks_with_nothing(mutex& m, condition_variable& cv, lines& log) {
    mutex::guard guard = co_await m.scoped_lock();
    guard.unlock();
    const auto asked = [&] {
        log.push_back("asked");
        return true;
    };
    for (int form = 0; form < 3; ++form) {
        try {
            if (form == 0) co_await cv.wait(guard, asked);
            if (form == 1) co_await cv.wait_for(guard, 1s, asked);
            if (form == 2) co_await cv.wait_for(guard, 0s, never);
            log.push_back("came back without it");
        } catch (const std::logic_error&) {
            log.push_back("thrown");
        }
    }
}

}  // namespace

TEST_CASE("a wait with a guard that holds nothing throws std::logic_error") {
    event_loop loop(support::virtual_time());
    mutex m;
    condition_variable cv;
    lines log;
    loop.run(waits_with_nothing(m, cv, log));
    CHECK(log == lines{"thrown", "thrown", "thrown", "thrown"});
    CHECK(is_free(m));
    CHECK(!loop.next_deadline());
}

TEST_CASE("a wait with a guard that holds nothing throws whatever its predicate says") {
    mutex m;
    condition_variable cv;
    lines log;
    rondo::testing::run(asks_with_nothing(m, cv, log));
    CHECK(log == lines{"thrown", "thrown", "thrown"});
}

// ---- Predicates ----

TEST_CASE("a predicate that is true at once is asked once, and the mutex stays where it is") {
    mutex m;
    condition_variable cv;
    lines log;
    int asked = 0;
    const auto main = [&]() -> task<> {
        rondo::spawn(locks(m, log, "other"));
        mutex::guard guard = co_await m.scoped_lock();
        co_await cv.wait(guard, [&] { return ++asked > 0; });
        log.push_back("goes on");
        CHECK(guard.owns_lock());
        guard.unlock();
        co_await rondo::yield();
    };
    rondo::testing::run(main());
    CHECK(asked == 1);
    CHECK(log == lines{"goes on", "other"});
}

TEST_CASE("a wait with a predicate goes on only when that is true, however often it is notified") {
    event_loop loop(support::virtual_time());
    mutex m;
    condition_variable cv;
    lines log;
    int value = 0;
    loop.spawn(waits_until(m, cv, value, 3, log, "three"));
    loop.spawn(waits_until(m, cv, value, 1, log, "one"));
    settle(loop);
    cv.notify_all();
    settle(loop);
    CHECK(log.empty());
    for (value = 1; value <= 3; ++value) {
        cv.notify_all();
        settle(loop);
    }
    CHECK(log == lines{"one", "three"});
    CHECK(is_free(m));
}

namespace {

task<> predicate_throws(mutex& m, condition_variable& cv, int fails_at, lines& log, bool timed) {
    mutex::guard guard = co_await m.scoped_lock();
    int asked = 0;
    const auto predicate = [&] {
        if (++asked == fails_at) throw std::runtime_error("predicate");
        return false;
    };
    try {
        if (timed)
            co_await cv.wait_for(guard, 1h, predicate);
        else
            co_await cv.wait(guard, predicate);
    } catch (const std::runtime_error& error) {
        CHECK(guard.owns_lock());
        log.push_back(error.what());
    }
}

}  // namespace

TEST_CASE("what a predicate throws comes through, and the guard has the mutex") {
    for (const bool timed : {false, true}) {
        for (const int fails_at : {1, 2}) {
            event_loop loop(support::virtual_time());
            mutex m;
            condition_variable cv;
            lines log;
            loop.spawn(predicate_throws(m, cv, fails_at, log, timed));
            settle(loop);
            cv.notify_one();
            settle(loop);
            CHECK(log == lines{"predicate"});
            CHECK(is_free(m));
            CHECK(!loop.next_deadline());
        }
    }
}

namespace {

// A queue made of the two, as in a textbook.
class channel {
public:
    explicit channel(std::size_t capacity) : capacity_(capacity) {}

    task<> put(int value) {
        mutex::guard guard = co_await m_.scoped_lock();
        co_await not_full_.wait(guard, [this] { return values_.size() < capacity_; });
        values_.push_back(value);
        not_empty_.notify_one();
    }
    task<int> get() {
        mutex::guard guard = co_await m_.scoped_lock();
        co_await not_empty_.wait(guard, [this] { return !values_.empty(); });
        const int value = values_.front();
        values_.pop_front();
        not_full_.notify_one();
        co_return value;
    }

private:
    mutex m_;
    condition_variable not_full_;
    condition_variable not_empty_;
    std::deque<int> values_;
    std::size_t capacity_;
};

task<> puts(channel& c, int first, int count) {
    for (int i = first; i < first + count; ++i) co_await c.put(i);
}

task<> gets(channel& c, int count, std::vector<int>& got) {
    for (int i = 0; i < count; ++i) {
        const int value = co_await c.get();
        got.push_back(value);
        if (value % 7 == 0) co_await rondo::yield();
    }
}

task<> through_a_channel(std::size_t capacity, std::vector<int>& got) {
    channel c(capacity);
    co_await rondo::when_all(puts(c, 0, 1000), gets(c, 700, got), puts(c, 1000, 1000), gets(c, 1300, got));
}

}  // namespace

TEST_CASE("a queue made of a mutex and two condition variables loses nothing") {
    for (const std::size_t capacity : {1U, 3U, 100U}) {
        std::vector<int> got;
        rondo::testing::run(through_a_channel(capacity, got));
        REQUIRE(got.size() == 2000);
        std::sort(got.begin(), got.end());
        for (int i = 0; i < 2000; ++i) REQUIRE(got[static_cast<std::size_t>(i)] == i);
    }
}

// ---- Cancellation ----

namespace {

task<> notes_its_guard(mutex& m, condition_variable& cv, lines& log, bool predicate) {
    std::optional<mutex::guard> guard;
    guard.emplace(co_await locked(m));
    support::call_at_exit noted([&] { log.push_back(guard->owns_lock() ? "with the mutex" : "without"); });
    if (predicate)
        co_await cv.wait(*guard, never);
    else
        co_await cv.wait(*guard);
    log.push_back("goes on");
}

}  // namespace

TEST_CASE("a cancelled wait leaves the guard without the mutex, at any moment") {
    for (const bool predicate : {false, true}) {
        for (const bool notified : {false, true}) {
            for (const bool mutex_busy : {false, true}) {
                event_loop loop(support::virtual_time());
                mutex m;
                condition_variable cv;
                lines log;
                auto a = loop.spawn(notes_its_guard(m, cv, log, predicate));
                settle(loop);
                if (mutex_busy) CHECK(m.try_lock());
                if (notified) cv.notify_one();
                a.cancel();
                CHECK(a.done());
                CHECK(log == lines{"without"});
                settle(loop);
                if (mutex_busy) m.unlock();
                CHECK(is_free(m));
                cv.notify_all();
                CHECK(loop.poll() == 0);
            }
        }
    }
}

TEST_CASE("a wait cancelled before its start, and after its end, leaves no trace") {
    event_loop loop(support::virtual_time());
    mutex m;
    condition_variable cv;
    lines log;
    auto a = loop.spawn(waits(m, cv, log, "a"));
    a.cancel();
    settle(loop);
    cv.notify_all();
    auto b = loop.spawn(waits_and_keeps(m, cv, log, "b"));
    settle(loop);
    cv.notify_one();
    settle(loop);
    CHECK(log == lines{"b"});
    CHECK(m.is_locked());
    b.cancel();
    CHECK(is_free(m));
}

TEST_CASE("a wait with a predicate that is cancelled between two notifications leaves nothing behind") {
    event_loop loop(support::virtual_time());
    mutex m;
    condition_variable cv;
    lines log;
    int value = 0;
    auto a = loop.spawn(waits_until(m, cv, value, 1, log, "a"));
    settle(loop);
    cv.notify_one();
    settle(loop);
    a.cancel();
    CHECK(a.done());
    CHECK(is_free(m));
    CHECK(log.empty());
}

TEST_CASE("a notification passes on when its receiver is cancelled while it queues for the mutex") {
    event_loop loop(support::virtual_time());
    mutex m;
    condition_variable cv;
    lines log;
    auto a = loop.spawn(waits(m, cv, log, "a"));
    loop.spawn(waits(m, cv, log, "b"));
    loop.spawn(waits(m, cv, log, "c"));
    settle(loop);
    CHECK(m.try_lock());
    cv.notify_one();
    settle(loop);
    a.cancel();
    CHECK(a.done());
    settle(loop);
    CHECK(log.empty());
    m.unlock();
    settle(loop);
    CHECK(log == lines{"b"});
    CHECK(is_free(m));
}

TEST_CASE("a notification passes on when its receiver is cancelled after it got the mutex, and so does that") {
    event_loop loop(support::virtual_time());
    mutex m;
    condition_variable cv;
    lines log;
    auto a = loop.spawn(waits(m, cv, log, "a"));
    loop.spawn(waits(m, cv, log, "b"));
    loop.spawn(waits(m, cv, log, "c"));
    settle(loop);
    cv.notify_one();
    CHECK(!m.try_lock());  // it has been handed over
    loop.spawn(locks(m, log, "locks"));
    a.cancel();
    CHECK(a.done());
    settle(loop);
    std::sort(log.begin(), log.end());
    CHECK(log == lines{"b", "locks"});
    CHECK(is_free(m));
}

TEST_CASE("a notification wanders along a row of cancelled receivers") {
    for (const bool mutex_busy : {false, true}) {
        event_loop loop(support::virtual_time());
        mutex m;
        condition_variable cv;
        lines log;
        std::vector<rondo::join_handle<>> handles;
        for (int i = 0; i < 1000; ++i) handles.push_back(loop.spawn(waits(m, cv, log, "x")));
        loop.spawn(waits(m, cv, log, "last"));
        loop.spawn(waits(m, cv, log, "not reached"));
        settle(loop);
        if (mutex_busy) CHECK(m.try_lock());
        cv.notify_one();
        for (auto& handle : handles) handle.cancel();
        if (mutex_busy) m.unlock();
        settle(loop);
        CHECK(log == lines{"last"});
        CHECK(is_free(m));
    }
}

TEST_CASE("two notifications, one of whose receivers is cancelled, reach two") {
    for (const std::size_t victim : {0U, 1U}) {
        event_loop loop(support::virtual_time());
        mutex m;
        condition_variable cv;
        lines log;
        std::vector<rondo::join_handle<>> handles;
        for (int i = 0; i < 4; ++i) handles.push_back(loop.spawn(waits(m, cv, log, std::to_string(i))));
        settle(loop);
        cv.notify_one();
        cv.notify_one();
        handles[victim].cancel();
        settle(loop);
        CHECK(log.size() == 2);
        CHECK(std::count(log.begin(), log.end(), "2") == 1);
        CHECK(!handles[3].done());
        handles[3].cancel();
        CHECK(is_free(m));
    }
}

TEST_CASE("a notification whose receiver is cancelled is lost when nobody else waits, and wakes nobody later") {
    event_loop loop(support::virtual_time());
    mutex m;
    condition_variable cv;
    lines log;
    auto a = loop.spawn(waits(m, cv, log, "a"));
    settle(loop);
    cv.notify_one();
    a.cancel();
    loop.spawn(waits(m, cv, log, "b"));
    settle(loop);
    CHECK(log.empty());
    CHECK(is_free(m));
}

TEST_CASE("a notification that has passed on passes on again, also to one who came after it") {
    event_loop loop(support::virtual_time());
    mutex m;
    condition_variable cv;
    lines log;
    auto a = loop.spawn(waits(m, cv, log, "a"));
    settle(loop);
    CHECK(m.try_lock());
    cv.notify_one();
    m.unlock();  // handed to a, who does not run before b waits
    CHECK(!a.done());
    mutex other;
    auto b = loop.spawn(waits(other, cv, log, "b"));
    auto c = loop.spawn(waits(other, cv, log, "c"));
    a.cancel();
    settle(loop);
    CHECK(log.empty());  // nobody waited yet when it was given back
    cv.notify_one();
    b.cancel();
    settle(loop);
    CHECK(log == lines{"c"});
    CHECK(c.done());
}

TEST_CASE("of those that notify_all woke, a cancelled one harms nobody and wakes nobody else") {
    event_loop loop(support::virtual_time());
    mutex m;
    condition_variable cv;
    lines log;
    auto a = loop.spawn(waits(m, cv, log, "a"));
    loop.spawn(waits(m, cv, log, "b"));
    auto c = loop.spawn(waits(m, cv, log, "c"));
    loop.spawn(waits(m, cv, log, "d"));
    settle(loop);
    cv.notify_all();
    mutex other;
    auto late = loop.spawn(waits(other, cv, log, "late"));
    a.cancel();
    c.cancel();
    settle(loop);
    CHECK(log == lines{"b", "d"});
    CHECK(!late.done());
    CHECK(is_free(m));
}

TEST_CASE("one that notify_all woke, and that is cancelled, wakes nobody who came later") {
    event_loop loop(support::virtual_time());
    mutex m;
    condition_variable cv;
    lines log;
    auto a = loop.spawn(waits(m, cv, log, "a"));
    settle(loop);
    CHECK(m.try_lock());
    cv.notify_all();  // it queues for the mutex
    mutex other;
    auto late = loop.spawn(waits(other, cv, log, "late"));
    settle(loop);
    a.cancel();
    settle(loop);
    CHECK(log.empty());
    CHECK(!late.done());
    m.unlock();
    CHECK(is_free(m));
}

TEST_CASE("many waiters are notified and cancelled in linear time and constant stack") {
    constexpr std::size_t count = 50'000;
    event_loop loop(support::virtual_time());
    mutex m;
    condition_variable cv;
    lines log;
    std::vector<rondo::join_handle<>> handles;
    for (std::size_t i = 0; i < count; ++i) handles.push_back(loop.spawn(waits(m, cv, log, "x")));
    settle(loop);
    for (std::size_t i = 0; i < count / 2; ++i) cv.notify_one();
    for (std::size_t i = 0; i < count; i += 2) handles[i].cancel();
    settle(loop);
    CHECK(log.size() == count / 2);  // those of the cancelled went to the second half
    CHECK(is_free(m));
}

// ---- wait_for ----

namespace {

template <class Length>
task<> waits_for(mutex& m, condition_variable& cv, const int& value, Length length, lines& log, std::string name) {
    mutex::guard guard = co_await m.scoped_lock();
    const auto start = event_loop::current().now();
    const bool good = co_await cv.wait_for(guard, length, [&] {
        CHECK(guard.owns_lock());
        return value != 0;
    });
    CHECK(guard.owns_lock());
    CHECK_THROWS_AS(m.unlock(), std::logic_error);
    const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(event_loop::current().now() - start);
    log.push_back(name + (good ? " true after " : " false after ") + std::to_string(took.count()));
}

task<> sets_after(condition_variable& cv, int& value, duration time, bool notify) {
    co_await rondo::sleep(time);
    value = 1;
    if (notify) cv.notify_all();
}

task<> locks_and_sets_after(mutex& m, condition_variable& cv, int& value, duration time) {
    co_await rondo::sleep(time);
    const mutex::guard guard = co_await m.scoped_lock();
    value = 1;
    cv.notify_one();
}

task<> holds_at(mutex& m, duration from, duration length) {
    co_await rondo::sleep(from);
    const mutex::guard guard = co_await m.scoped_lock();
    co_await rondo::sleep(length);
}

}  // namespace

TEST_CASE("wait_for: in time, and too late") {
    event_loop loop(support::virtual_time());
    mutex m;
    condition_variable cv;
    lines log;
    int value = 0;
    loop.spawn(waits_for(m, cv, value, 5ms, log, "a"));
    loop.spawn(waits_for(m, cv, value, 20ms, log, "b"));
    loop.spawn(sets_after(cv, value, 10ms, true));
    loop.run();
    CHECK(log == lines{"a false after 5", "b true after 10"});
    CHECK(is_free(m));
    CHECK(!loop.next_deadline());
}

TEST_CASE("wait_for says what the predicate says at the end, though nobody has notified") {
    event_loop loop(support::virtual_time());
    mutex m;
    condition_variable cv;
    lines log;
    int value = 0;
    loop.spawn(waits_for(m, cv, value, 20ms, log, "a"));
    loop.spawn(sets_after(cv, value, 10ms, false));
    loop.run();
    CHECK(log == lines{"a true after 20"});
}

TEST_CASE("wait_for: notifications that do not help do not prolong it") {
    event_loop loop(support::virtual_time());
    mutex m;
    condition_variable cv;
    lines log;
    int value = 0;
    loop.spawn(waits_for(m, cv, value, 20ms, log, "a"));
    const auto notifies = [&]() -> task<> {
        for (int i = 0; i < 100; ++i) {
            co_await rondo::sleep(3ms);
            cv.notify_all();
        }
    };
    loop.spawn(notifies());
    loop.run();
    CHECK(log == lines{"a false after 20"});
}

TEST_CASE("wait_for: a predicate that is true at once needs no time and no notification") {
    event_loop loop(support::virtual_time());
    mutex m;
    condition_variable cv;
    lines log;
    int value = 1;
    loop.spawn(waits_for(m, cv, value, 1h, log, "a"));
    loop.spawn(waits_for(m, cv, value, 0ms, log, "b"));
    loop.spawn(waits_for(m, cv, value, -1h, log, "c"));
    loop.spawn(waits_for(m, cv, value, (duration::max)(), log, "d"));
    loop.poll();
    CHECK(log == lines{"a true after 0", "b true after 0", "c true after 0", "d true after 0"});
    CHECK(!loop.next_deadline());
}

TEST_CASE("wait_for no time, or less, asks once and does not give the mutex up") {
    event_loop loop(support::virtual_time());
    mutex m;
    condition_variable cv;
    lines log;
    int value = 0;
    loop.spawn(waits_for(m, cv, value, 0ms, log, "a"));
    loop.spawn(waits_for(m, cv, value, -1h, log, "b"));
    loop.spawn(waits_for(m, cv, value, (duration::min)(), log, "c"));
    loop.spawn(waits_for(m, cv, value, std::chrono::duration<double>(-1e300), log, "d"));
    loop.spawn(locks(m, log, "other"));
    loop.run();
    CHECK(log == lines{"a false after 0", "b false after 0", "c false after 0", "d false after 0", "other"});
}

TEST_CASE("wait_for ever sets no timer") {
    event_loop loop(support::virtual_time());
    mutex m;
    condition_variable cv;
    lines log;
    int value = 0;
    loop.spawn(waits_for(m, cv, value, (duration::max)(), log, "a"));
    loop.spawn(waits_for(m, cv, value, std::chrono::duration<double>(1e300), log, "b"));
    loop.spawn(waits_for(m, cv, value, std::chrono::hours((std::chrono::hours::max)()), log, "c"));
    loop.spawn(waits_for(m, cv, value, std::chrono::duration<float>(std::numeric_limits<float>::infinity()), log, "d"));
    settle(loop);
    CHECK(!loop.next_deadline());
    value = 1;
    cv.notify_all();
    settle(loop);
    CHECK(log == lines{"a true after 0", "b true after 0", "c true after 0", "d true after 0"});
}

TEST_CASE("wait_for a time that is not a number throws std::invalid_argument, and keeps the mutex") {
    mutex m;
    condition_variable cv;
    int thrown = 0;
    const auto main = [&]() -> task<> {
        mutex::guard guard = co_await m.scoped_lock();
        try {
            co_await cv.wait_for(guard, std::chrono::duration<double>(std::nan("")), never);
        } catch (const std::invalid_argument&) {
            ++thrown;
        }
        CHECK(guard.owns_lock());
    };
    rondo::testing::run(main());
    CHECK(thrown == 1);
    CHECK(is_free(m));
}

TEST_CASE("wait_for takes any unit, and is never early") {
    event_loop loop(support::virtual_time());
    mutex m;
    condition_variable cv;
    lines log;
    int value = 0;
    loop.spawn(waits_for(m, cv, value, 1s, log, "a"));
    loop.spawn(waits_for(m, cv, value, std::chrono::duration<double>(0.0025), log, "b"));
    loop.spawn(waits_for(m, cv, value, std::chrono::duration<int, std::ratio<1, 3>>(1), log, "c"));
    loop.run();
    CHECK(log == lines{"b false after 2", "c false after 333", "a false after 1000"});
}

TEST_CASE("notified and timed out at one instant: it ends, with what the predicate says") {
    for (const bool notify_first : {false, true}) {
        event_loop loop(support::virtual_time());
        mutex m;
        condition_variable cv;
        lines log;
        int value = 0;
        if (notify_first) loop.spawn(sets_after(cv, value, 10ms, true));
        loop.spawn(waits_for(m, cv, value, 10ms, log, "a"));
        if (!notify_first) loop.spawn(sets_after(cv, value, 10ms, true));
        loop.run();
        REQUIRE(log.size() == 1);
        // Who asks last decides; both are on time.
        CHECK((log[0] == "a true after 10" || log[0] == "a false after 10"));
        if (notify_first) CHECK(log[0] == "a true after 10");
        CHECK(is_free(m));
        CHECK(!loop.next_deadline());
    }
}

TEST_CASE("a change made under the mutex at the instant of the deadline is in time") {
    event_loop loop(support::virtual_time());
    mutex m;
    condition_variable cv;
    lines log;
    int value = 0;
    loop.spawn(waits_for(m, cv, value, 10ms, log, "a"));
    loop.spawn(locks_and_sets_after(m, cv, value, 10ms));
    loop.run();
    CHECK(log == lines{"a true after 10"});
    CHECK(is_free(m));
}

TEST_CASE("notified without avail at the instant of the deadline: it ends there, with false") {
    for (const bool notify_first : {false, true}) {
        event_loop loop(support::virtual_time());
        mutex m;
        condition_variable cv;
        lines log;
        const int value = 0;
        const auto notifies = [&]() -> task<> {
            co_await rondo::sleep(10ms);
            cv.notify_one();
        };
        if (notify_first) loop.spawn(notifies());
        loop.spawn(waits_for(m, cv, value, 10ms, log, "a"));
        if (!notify_first) loop.spawn(notifies());
        loop.run();
        CHECK(log == lines{"a false after 10"});
        CHECK(is_free(m));
    }
}

TEST_CASE("a notification at the instant at which one waiter times out is not lost") {
    for (const bool notify_first : {false, true}) {
        event_loop loop(support::virtual_time());
        mutex m;
        condition_variable cv;
        lines log;
        const int value = 0;
        const auto notifies = [&]() -> task<> {
            co_await rondo::sleep(10ms);
            cv.notify_one();
        };
        if (notify_first) loop.spawn(notifies());
        loop.spawn(waits_for(m, cv, value, 10ms, log, "timed"));
        auto other = loop.spawn(waits(m, cv, log, "other"));
        if (!notify_first) loop.spawn(notifies());
        loop.run(support::nap(20ms));
        // Either the one in time had it, and his turn with the predicate, or the other one.
        CHECK(std::count(log.begin(), log.end(), "timed false after 10") == 1);
        other.cancel();
        CHECK(is_free(m));
    }
}

TEST_CASE("wait_for returns with the mutex even if that takes longer than its time") {
    event_loop loop(support::virtual_time());
    mutex m;
    condition_variable cv;
    lines log;
    int value = 0;
    loop.spawn(waits_for(m, cv, value, 10ms, log, "a"));
    loop.spawn(holds_at(m, 5ms, 30ms));
    loop.run();
    CHECK(log == lines{"a false after 35"});
    log.clear();
    loop.spawn(waits_for(m, cv, value, 10ms, log, "b"));
    loop.spawn(holds_at(m, 5ms, 30ms));
    loop.spawn(sets_after(cv, value, 20ms, true));  // after the deadline, but before it is asked
    loop.run();
    CHECK(log == lines{"b true after 35"});
    value = 0;
    log.clear();
    loop.spawn(waits_for(m, cv, value, 10ms, log, "c"));
    loop.spawn(holds_at(m, 5ms, 30ms));
    loop.spawn(sets_after(cv, value, 7ms, true));  // notified in time, and the mutex comes late
    loop.run();
    CHECK(log == lines{"c true after 35"});
    CHECK(is_free(m));
}

TEST_CASE("who timed out queues for the mutex in his turn, and needs no notification any more") {
    event_loop loop(support::virtual_time());
    mutex m;
    condition_variable cv;
    lines log;
    int value = 0;
    loop.spawn(waits_for(m, cv, value, 10ms, log, "timed"));
    loop.spawn(waits(m, cv, log, "other"));
    settle(loop);
    CHECK(m.try_lock());
    loop.run(support::nap(15ms));
    loop.spawn(locks(m, log, "locks"));
    cv.notify_one();  // for the other one
    settle(loop);
    CHECK(log.empty());
    m.unlock();
    settle(loop);
    REQUIRE(log.size() == 3);
    CHECK(log[0].substr(0, 11) == "timed false");
    CHECK(log[1] == "other");
    CHECK(log[2] == "locks");
}

TEST_CASE("a wait_for is cancelled while it waits, when notified, when timed out, and leaves no timer") {
    enum class moment { waiting, notified, notified_without_mutex, timed_out };
    for (const moment when : {moment::waiting, moment::notified, moment::notified_without_mutex, moment::timed_out}) {
        event_loop loop(support::virtual_time());
        mutex m;
        condition_variable cv;
        lines log;
        int value = 0;
        auto a = loop.spawn(waits_for(m, cv, value, 10ms, log, "a"));
        auto b = loop.spawn(waits(m, cv, log, "b"));
        settle(loop);
        const bool busy = when >= moment::notified_without_mutex;
        if (busy) CHECK(m.try_lock());
        if (when == moment::notified || when == moment::notified_without_mutex) cv.notify_one();
        if (when == moment::timed_out) loop.run(support::nap(15ms));
        a.cancel();
        CHECK(a.done());
        CHECK(!loop.next_deadline().has_value() == (when != moment::notified));
        if (busy) m.unlock();
        settle(loop);
        const bool passed_on = when == moment::notified || when == moment::notified_without_mutex;
        CHECK(b.done() == passed_on);
        b.cancel();
        CHECK(is_free(m));
        CHECK(!loop.next_deadline());
    }
}

// ---- Combinators ----

namespace {

task<> wait_or_sleep(mutex& m, condition_variable& cv, duration time, lines& log) {
    mutex::guard guard = co_await m.scoped_lock();
    const auto won = co_await rondo::when_any(cv.wait(guard), rondo::sleep(time));
    log.push_back(won.index() == 0 ? "notified" : "slept");
    CHECK(guard.owns_lock() == (won.index() == 0));
}

task<> wait_or_wait(mutex& one, mutex& two, condition_variable& cv, lines& log) {
    mutex::guard first = co_await one.scoped_lock();
    mutex::guard second = co_await two.scoped_lock();
    const auto won = co_await rondo::when_any(cv.wait(first), cv.wait(second));
    log.push_back("won " + std::to_string(won.index()));
    CHECK(first.owns_lock() == (won.index() == 0));
    CHECK(second.owns_lock() == (won.index() == 1));
}

task<> wait_and_wait(mutex& one, mutex& two, condition_variable& cv, lines& log) {
    mutex::guard first = co_await one.scoped_lock();
    mutex::guard second = co_await two.scoped_lock();
    co_await rondo::when_all(cv.wait(first), cv.wait(second));
    log.push_back("both");
    CHECK(first.owns_lock());
    CHECK(second.owns_lock());
}

task<> same_guard_twice(mutex& m, condition_variable& cv, lines& log) {
    mutex::guard guard = co_await m.scoped_lock();
    try {
        co_await rondo::when_all(cv.wait(guard), cv.wait(guard));
    } catch (const std::logic_error&) {
        log.push_back("thrown");
    }
    CHECK(!guard.owns_lock());
}

task<> wait_or_fail(mutex& m, condition_variable& cv, int yields, lines& log) {
    const auto fails = [](int times) -> task<> {
        co_await support::yields(times);
        throw std::runtime_error("failed");
    };
    mutex::guard guard = co_await m.scoped_lock();
    try {
        co_await rondo::when_all(cv.wait(guard), fails(yields));
    } catch (const std::runtime_error& error) {
        log.push_back(error.what());
    }
    CHECK(!guard.owns_lock());
}

task<> waits_within(mutex& m, condition_variable& cv, duration time, lines& log, std::string name) {
    mutex::guard guard = co_await m.scoped_lock();
    const bool in_time = co_await rondo::try_with_timeout(time, cv.wait(guard));
    log.push_back(name + (in_time ? " in time" : " too late"));
    CHECK(guard.owns_lock() == in_time);
}

task<> insists(mutex& m, condition_variable& cv, lines& log) {
    note_at_exit gone(log, "gone");
    mutex::guard guard = co_await m.scoped_lock();
    co_await rondo::uncancellable(cv.wait(guard));
    log.push_back("goes on");
    co_await rondo::yield();
}

task<> cleans_up(mutex& m, condition_variable& cv, lines& log) {
    co_await rondo::finally(waits(m, cv, log, "body"), [&] { return waits(m, cv, log, "cleanup"); });
}

task<> group_of_waiters(mutex& m, condition_variable& cv, lines& log) {
    co_await rondo::with_task_group([&](rondo::task_group& group) -> task<> {
        group.spawn(waits(m, cv, log, "a"));
        auto b = group.spawn(waits(m, cv, log, "b"));
        group.spawn(waits(m, cv, log, "c"));
        co_await rondo::sleep(1ms);
        cv.notify_one();
        cv.notify_one();
        b.cancel();
    });
    log.push_back("group ends");
}

}  // namespace

TEST_CASE("a wait in a race: the winner has the mutex, the loser's guard has not") {
    event_loop loop(support::virtual_time());
    mutex m;
    condition_variable cv;
    lines log;
    loop.run(wait_or_sleep(m, cv, 1ms, log));
    CHECK(log == lines{"slept"});
    CHECK(is_free(m));
    loop.spawn(wait_or_sleep(m, cv, 1h, log));
    settle(loop);
    cv.notify_one();
    settle(loop);
    CHECK(log == lines{"slept", "notified"});
    CHECK(is_free(m));
}

TEST_CASE("a wait ends for a race when it has the mutex again; one that loses before passes its notification on") {
    event_loop loop(support::virtual_time());
    mutex m;
    condition_variable cv;
    lines log;
    loop.spawn(wait_or_sleep(m, cv, 5ms, log));
    loop.spawn(waits(m, cv, log, "next"));
    settle(loop);
    CHECK(m.try_lock());
    cv.notify_one();
    loop.run(support::nap(10ms));
    CHECK(log == lines{"slept"});
    m.unlock();
    settle(loop);
    CHECK(log == lines{"slept", "next"});
    CHECK(is_free(m));
}

TEST_CASE("a race that was won by a wait and is cancelled before it resumes passes mutex and notification on") {
    event_loop loop(support::virtual_time());
    mutex m;
    condition_variable cv;
    lines log;
    auto race = loop.spawn(wait_or_sleep(m, cv, 1h, log));
    loop.spawn(waits(m, cv, log, "next"));
    settle(loop);
    cv.notify_one();
    CHECK(!m.try_lock());
    race.cancel();
    CHECK(race.done());
    settle(loop);
    CHECK(log == lines{"next"});
    CHECK(is_free(m));
}

TEST_CASE("the same condition variable twice in a combinator") {
    event_loop loop(support::virtual_time());
    mutex one;
    mutex two;
    condition_variable cv;
    lines log;
    loop.spawn(wait_or_wait(one, two, cv, log));
    settle(loop);
    cv.notify_one();
    settle(loop);
    CHECK(log == lines{"won 0"});
    loop.spawn(wait_or_wait(one, two, cv, log));
    settle(loop);
    CHECK(one.try_lock());
    cv.notify_all();
    settle(loop);
    CHECK(log == lines{"won 0", "won 1"});
    one.unlock();
    CHECK(is_free(one));
    CHECK(is_free(two));
    loop.spawn(wait_and_wait(one, two, cv, log));
    settle(loop);
    cv.notify_one();
    settle(loop);
    CHECK(!one.try_lock());
    CHECK(is_free(two));
    cv.notify_one();
    settle(loop);
    CHECK(log == lines{"won 0", "won 1", "both"});
    CHECK(is_free(one));
    CHECK(is_free(two));
    loop.run(same_guard_twice(one, cv, log));
    CHECK(log.back() == "thrown");
    CHECK(is_free(one));
}

TEST_CASE("a wait whose sibling fails leaves the guard without the mutex") {
    event_loop loop(support::virtual_time());
    mutex m;
    condition_variable cv;
    lines log;
    loop.run(wait_or_fail(m, cv, 1, log));
    loop.run(wait_or_fail(m, cv, 0, log));
    auto late = loop.spawn(wait_or_fail(m, cv, 5, log));
    auto next = loop.spawn(waits(m, cv, log, "next"));
    loop.poll();
    loop.poll();
    cv.notify_one();  // it has the mutex again, and has to give both back
    settle(loop);
    CHECK(late.done());
    CHECK(next.done());
    CHECK(log == lines{"failed", "failed", "failed", "next"});
    CHECK(is_free(m));
}

TEST_CASE("a wait with a timeout around it: too late without the mutex, in time with it") {
    event_loop loop(support::virtual_time());
    mutex m;
    condition_variable cv;
    lines log;
    loop.spawn(waits_within(m, cv, 5ms, log, "a"));
    loop.spawn(waits_within(m, cv, 20ms, log, "b"));
    loop.run(support::nap(10ms));
    cv.notify_one();
    settle(loop);
    CHECK(log == lines{"a too late", "b in time"});
    loop.run(waits_within(m, cv, 0s, log, "c"));
    CHECK(log.back() == "c too late");
    CHECK(is_free(m));
}

TEST_CASE("a wait that cannot be cancelled goes on until it is notified, and the unwinding follows") {
    event_loop loop(support::virtual_time());
    mutex m;
    condition_variable cv;
    lines log;
    auto a = loop.spawn(insists(m, cv, log));
    settle(loop);
    a.cancel();
    settle(loop);
    CHECK(!a.done());
    CHECK(is_free(m));
    cv.notify_one();
    settle(loop);
    CHECK(a.done());
    CHECK(log == lines{"gone"});
    CHECK(is_free(m));
}

TEST_CASE("a cleanup may wait where the body was cancelled") {
    event_loop loop(support::virtual_time());
    mutex m;
    condition_variable cv;
    lines log;
    auto a = loop.spawn(cleans_up(m, cv, log));
    settle(loop);
    a.cancel();
    settle(loop);
    CHECK(!a.done());
    cv.notify_one();
    settle(loop);
    CHECK(a.done());
    CHECK(log == lines{"cleanup"});
    CHECK(is_free(m));
}

TEST_CASE("in a group, a notification whose receiver is cancelled reaches a sibling") {
    mutex m;
    condition_variable cv;
    lines log;
    rondo::testing::run(group_of_waiters(m, cv, log));
    CHECK(log == lines{"a", "c", "group ends"});
}

// ---- Lifetimes ----

namespace {

task<> stuck_wait(mutex& m, condition_variable& cv, unsigned& line) {
    mutex::guard guard = co_await m.scoped_lock();
    line = __LINE__ + 1;
    co_await cv.wait(guard);
}

task<> stuck_wait_until(mutex& m, condition_variable& cv, unsigned& line) {
    mutex::guard guard = co_await m.scoped_lock();
    line = __LINE__ + 1;
    co_await cv.wait(guard, never);
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
    return report.find("condition_variable.cpp:" + std::to_string(line)) != std::string::npos;
}

}  // namespace

TEST_CASE("the stuck report names the line of a wait, with and without a predicate") {
    event_loop loop(support::virtual_time());
    mutex m;
    condition_variable cv;
    unsigned lines_of[2] = {0, 0};
    loop.spawn(stuck_wait(m, cv, lines_of[0]));
    loop.spawn(stuck_wait_until(m, cv, lines_of[1]));
    const std::string report = stuck_report(loop);
    INFO(report);
    CHECK(names(report, lines_of[0]));
    CHECK(names(report, lines_of[1]));
    CHECK(report.find("condition_variable::wait") != std::string::npos);
    CHECK(report.find("gone") == std::string::npos);
}

TEST_CASE("those who wait on a destroyed one never resume, unwind when cancelled, and the report says so") {
    event_loop loop(support::virtual_time());
    mutex m;
    auto cv = std::make_unique<condition_variable>();
    lines log;
    unsigned line = 0;
    const int value = 0;
    auto a = loop.spawn(waits(m, *cv, log, "a"));
    auto b = loop.spawn(stuck_wait(m, *cv, line));
    auto c = loop.spawn(waits_until(m, *cv, value, 1, log, "c"));
    auto d = loop.spawn(waits_for(m, *cv, value, 1ms, log, "d"));
    loop.spawn(wait_or_sleep(m, *cv, 2ms, log));
    loop.spawn(waits_within(m, *cv, 3ms, log, "e"));
    settle(loop);
    cv.reset();
    const std::string report = stuck_report(loop);
    INFO(report);
    CHECK(names(report, line));
    CHECK(report.find("gone") != std::string::npos);
    for (rondo::join_handle<>* const handle : {&a, &b, &c, &d}) {
        CHECK(!handle->done());
        handle->cancel();
        CHECK(handle->done());
    }
    settle(loop);
    CHECK(log == lines{"slept", "e too late"});
    CHECK(is_free(m));
}

TEST_CASE("who has been notified goes on though the condition variable is destroyed before he runs") {
    event_loop loop(support::virtual_time());
    mutex m;
    auto cv = std::make_unique<condition_variable>();
    lines log;
    loop.spawn(waits(m, *cv, log, "a"));
    loop.spawn(waits(m, *cv, log, "b"));
    auto cancelled = loop.spawn(waits(m, *cv, log, "cancelled"));
    auto left = loop.spawn(waits(m, *cv, log, "left"));
    settle(loop);
    for (int i = 0; i < 3; ++i) cv->notify_one();
    cv.reset();
    cancelled.cancel();
    CHECK(cancelled.done());
    settle(loop);
    CHECK(log == lines{"a", "b"});
    CHECK(!left.done());
    left.cancel();
    CHECK(is_free(m));
    cv = std::make_unique<condition_variable>();
    loop.spawn(waits(m, *cv, log, "c"));
    loop.spawn(waits(m, *cv, log, "d"));
    settle(loop);
    cv->notify_all();
    cv.reset();
    settle(loop);
    CHECK(log == lines{"a", "b", "c", "d"});
}

TEST_CASE("who timed out goes on though the condition variable is destroyed before he has the mutex") {
    event_loop loop(support::virtual_time());
    mutex m;
    auto cv = std::make_unique<condition_variable>();
    lines log;
    bool asked = false;
    const auto waits_once = [&]() -> task<> {
        mutex::guard guard = co_await m.scoped_lock();
        const bool good = co_await cv->wait_for(guard, 5ms, [&] { return std::exchange(asked, true); });
        log.push_back(good ? "true" : "false");
    };
    loop.spawn(waits_once());
    settle(loop);
    CHECK(m.try_lock());
    loop.run(support::nap(10ms));
    cv.reset();
    m.unlock();
    settle(loop);
    CHECK(log == lines{"true"});
    CHECK(is_free(m));
}

TEST_CASE("a destroyed mutex detaches those that queue for it after a notification") {
    for (const bool handed_over : {false, true}) {
        event_loop loop(support::virtual_time());
        auto m = std::make_unique<mutex>();
        mutex other;
        condition_variable cv;
        lines log;
        unsigned line = 0;
        auto a = loop.spawn(stuck_wait(*m, cv, line));
        auto b = loop.spawn(waits(other, cv, log, "b"));
        settle(loop);
        CHECK(m->try_lock());
        cv.notify_one();
        if (handed_over) m->unlock();
        m.reset();
        settle(loop);
        CHECK(!a.done());
        const std::string report = stuck_report(loop);
        INFO(report);
        CHECK(names(report, line));
        CHECK(report.find("gone") != std::string::npos);
        a.cancel();
        CHECK(a.done());
        settle(loop);
        CHECK(log == lines{"b"});  // it had the notification, and could not go on
    }
}

TEST_CASE("a condition variable outlives a loop and its waiters") {
    mutex m;
    condition_variable cv;
    lines log;
    {
        event_loop loop(support::virtual_time());
        loop.spawn(waits(m, cv, log, "waiting"));
        loop.spawn(waits(m, cv, log, "waiting"));
        settle(loop);
        cv.notify_one();
    }
    CHECK(log.empty());
    CHECK(is_free(m));
    cv.notify_all();
    event_loop loop(support::virtual_time());
    loop.spawn(waits(m, cv, log, "next"));
    settle(loop);
    cv.notify_one();
    settle(loop);
    CHECK(log == lines{"next"});
}

TEST_CASE("a notification that one loop's task gives back goes to the other loop's") {
    mutex m;
    condition_variable cv;
    event_loop here(support::virtual_time());
    event_loop there(support::virtual_time());
    lines log;
    auto a = here.spawn(waits(m, cv, log, "here"));
    settle(here);
    there.spawn(waits(m, cv, log, "there"));
    settle(there);
    cv.notify_one();
    a.cancel();
    settle(here);
    settle(there);
    CHECK(log == lines{"there"});
}

TEST_CASE("a notification between polls makes the waiter ready and wakes the driver") {
    support::manual_clock clock;
    event_loop loop(clock.driver());
    mutex m;
    condition_variable cv;
    lines log;
    loop.spawn(waits(m, cv, log, "a"));
    loop.spawn(waits(m, cv, log, "b"));
    loop.spawn(wait_or_sleep(m, cv, 1h, log));
    settle(loop);
    int wakes = clock.wakes;
    cv.notify_one();
    CHECK(clock.wakes > wakes);
    CHECK(loop.next_deadline() == clock.now);
    settle(loop);
    CHECK(log == lines{"a"});
    CHECK(m.try_lock());
    wakes = clock.wakes;
    cv.notify_one();
    CHECK(clock.wakes == wakes);  // nobody is ready yet
    m.unlock();
    CHECK(clock.wakes > wakes);
    settle(loop);
    wakes = clock.wakes;
    cv.notify_all();  // a race hears of it
    CHECK(clock.wakes > wakes);
    CHECK(loop.next_deadline() == clock.now);
    settle(loop);
    CHECK(log == lines{"a", "b", "notified"});
}

// ---- What it costs others ----

namespace {

constexpr int far_too_many = 2'000'000;

task<> spins(mutex& m, condition_variable& cv, const bool& stop, int& turns, int form) {
    mutex::guard guard = co_await m.scoped_lock();
    while (!stop && turns < far_too_many) {
        if (form == 0)
            co_await cv.wait(guard, always);
        else if (form == 1)
            co_await cv.wait_for(guard, 1s, always);
        else
            co_await cv.wait_for(guard, 0s, never);
        ++turns;
    }
}

task<> stops_after(bool& stop, duration time) {
    co_await rondo::sleep(time);
    stop = true;
}

task<> plays(mutex& m, condition_variable& cv, std::size_t& count) {
    mutex::guard guard = co_await m.scoped_lock();
    for (int round = 0; round < 3; ++round) {
        const std::size_t before = support::allocations::count();
        for (int i = 0; i < 1000; ++i) {
            cv.notify_one();
            co_await cv.wait(guard);
        }
        count = support::allocations::count() - before;
    }
    cv.notify_one();
}

task<> two_play(std::size_t& count) {
    mutex m;
    condition_variable cv;
    std::size_t other = 1;
    co_await rondo::when_all(plays(m, cv, count), plays(m, cv, other));
    count += other;
}

}  // namespace

TEST_CASE("waits that never wait do not delay a timer") {
    for (const int form : {0, 1, 2}) {
        INFO("form " << form);
        support::manual_clock clock;
        clock.tick = 100us;
        event_loop loop(clock.driver());
        mutex m;
        condition_variable cv;
        bool stop = false;
        int turns = 0;
        loop.spawn(stops_after(stop, 10ms));
        loop.spawn(spins(m, cv, stop, turns, form));
        loop.run();
        CHECK(stop);
        CHECK(turns < far_too_many);
    }
}

TEST_CASE("a plain wait allocates nothing") {
    std::size_t count = 1;
    rondo::testing::run(two_play(count));
    CHECK(count == 0);
}
