// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

// Locks, events and their like in a program built with -fno-exceptions -fno-rtti.

#include <support/clocks.hpp>
#include <support/in_child.hpp>
#include <support/journal.hpp>
#include <support/plain_test.hpp>

#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <chrono>
#include <cmath>
#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#if defined(__cpp_exceptions) || defined(__cpp_rtti)
#error "this test is about a build without exceptions and RTTI"
#endif

namespace {

using namespace std::chrono_literals;
using rondo::barrier;
using rondo::condition_variable;
using rondo::event;
using rondo::event_loop;
using rondo::latch;
using rondo::mutex;
using rondo::semaphore;
using rondo::task;
using support::lines;

using duration = std::chrono::steady_clock::duration;

void settle(event_loop& loop) {
    while (loop.poll() != 0) {
    }
}

task<> naps(duration time) { co_await rondo::sleep(time); }

bool is_free(mutex& m) {
    if (!m.try_lock()) return false;
    m.unlock();
    return true;
}

task<> locks(mutex& m, lines& log, std::string name) {
    const mutex::guard held = co_await m.scoped_lock();
    log.push_back(name);
    co_await rondo::yield();
}

task<> locks_by_hand(mutex& m, lines& log, std::string name) {
    co_await m.lock();
    log.push_back(name);
    m.unlock();
}

task<> works(semaphore& at_once, int& inside, int& highest) {
    const semaphore::permit held = co_await at_once.scoped_acquire();
    ++inside;
    if (inside > highest) highest = inside;
    co_await rondo::sleep(1ms);
    --inside;
}

task<> waits(event& e, lines& log, std::string name) {
    co_await e.wait();
    log.push_back(name);
}

task<> arrives(latch& l, lines& log, std::string name) {
    co_await l.arrive_and_wait();
    log.push_back(name);
}

task<> meets(barrier& b, lines& log, std::string name) {
    for (int i = 0; i < 2; ++i) {
        co_await b.arrive_and_wait();
        log.push_back(name);
    }
}

task<> waits_until(mutex& m, condition_variable& cv, const int& value, lines& log) {
    mutex::guard guard = co_await m.scoped_lock();
    co_await cv.wait(guard, [&] { return value == 1; });
    log.push_back(guard.owns_lock() ? "with the mutex" : "without");
}

task<> waits_for(mutex& m, condition_variable& cv, const int& value, duration time, lines& log) {
    mutex::guard guard = co_await m.scoped_lock();
    const bool good = co_await cv.wait_for(guard, time, [&] { return value == 1; });
    log.push_back(good ? "in time" : "too late");
}

task<> tries(mutex& m, duration time, lines& log) {
    const std::optional<mutex::guard> held = co_await rondo::try_with_timeout(time, m.scoped_lock());
    log.push_back(held ? "locked" : "too late");
}

task<> races(mutex& m, semaphore& s, lines& log) {
    const auto won = co_await rondo::when_any(m.scoped_lock(), s.scoped_acquire());
    log.push_back(won.index() == 0 ? "the mutex" : "the semaphore");
}

}  // namespace

TEST_CASE("a mutex goes from hand to hand, also past one who is cancelled") {
    event_loop loop(support::virtual_time());
    mutex m;
    lines log;
    CHECK(m.try_lock());
    auto a = loop.spawn(locks(m, log, "a"));
    loop.spawn(locks_by_hand(m, log, "b"));
    loop.spawn(locks(m, log, "c"));
    settle(loop);
    m.unlock();
    CHECK(!m.try_lock());
    a.cancel();
    CHECK(a.done());
    settle(loop);
    CHECK(log == lines{"b", "c"});
    CHECK(is_free(m));
}

TEST_CASE("a cancelled holder unlocks") {
    event_loop loop(support::virtual_time());
    mutex m;
    lines log;
    auto a = loop.spawn(locks(m, log, "a"));
    loop.spawn(locks(m, log, "b"));
    loop.poll();
    a.cancel();
    settle(loop);
    CHECK(log == lines{"a", "b"});
    CHECK(is_free(m));
}

TEST_CASE("a semaphore lets three in at a time") {
    event_loop loop(support::virtual_time());
    semaphore at_once(3);
    int inside = 0;
    int highest = 0;
    std::vector<rondo::join_handle<>> handles;
    for (int i = 0; i < 100; ++i) handles.push_back(loop.spawn(works(at_once, inside, highest)));
    loop.poll();
    for (std::size_t i = 10; i < 20; ++i) handles[i].cancel();
    loop.run();
    CHECK(inside == 0);
    CHECK(highest == 3);
    CHECK(at_once.available() == 3);
}

TEST_CASE("events, latches and barriers wake those who wait") {
    event_loop loop(support::virtual_time());
    lines log;
    event e;
    loop.spawn(waits(e, log, "a"));
    auto b = loop.spawn(waits(e, log, "b"));
    settle(loop);
    e.set();
    e.reset();
    b.cancel();
    settle(loop);
    CHECK(log == lines{"a"});
    log.clear();
    latch l(3);
    auto c = loop.spawn(arrives(l, log, "c"));
    loop.spawn(arrives(l, log, "d"));
    settle(loop);
    c.cancel();
    l.count_down();
    settle(loop);
    CHECK(log == lines{"d"});
    log.clear();
    barrier meeting(2);
    loop.spawn(meets(meeting, log, "e"));
    loop.spawn(meets(meeting, log, "f"));
    loop.run();
    CHECK(log.size() == 4);
}

TEST_CASE("a condition variable waits until its predicate is true, or for so long") {
    event_loop loop(support::virtual_time());
    mutex m;
    condition_variable cv;
    lines log;
    int value = 0;
    loop.spawn(waits_for(m, cv, value, 5ms, log));
    auto cancelled = loop.spawn(waits_until(m, cv, value, log));
    loop.spawn(waits_until(m, cv, value, log));
    loop.spawn(waits_for(m, cv, value, 1h, log));
    loop.run(naps(10ms));
    CHECK(log == lines{"too late"});
    value = 1;
    cv.notify_one();
    cancelled.cancel();
    cv.notify_one();
    loop.run();
    CHECK(log == lines{"too late", "with the mutex", "in time"});
    CHECK(is_free(m));
}

TEST_CASE("the value forms tell of what is not to be had") {
    event_loop loop(support::virtual_time());
    mutex m;
    semaphore s(0);
    lines log;
    CHECK(!s.try_acquire());
    CHECK(m.try_lock());
    loop.run(tries(m, 0s, log));
    loop.run(tries(m, 1ms, log));
    loop.spawn(races(m, s, log));
    settle(loop);
    m.unlock();
    s.release();
    settle(loop);
    CHECK(log == lines{"too late", "too late", "the mutex"});
    CHECK(is_free(m));
    CHECK(s.available() == 1);
}

#if SUPPORT_HAS_FORK

namespace {

task<> unlocks_twice(mutex& m) {
    mutex::guard guard = co_await m.scoped_lock();
    guard.unlock();
    guard.unlock();
}

task<> unlocks_what_a_guard_holds(mutex& m) {
    const mutex::guard guard = co_await m.scoped_lock();
    m.unlock();
}

task<> releases_twice(semaphore& s) {
    semaphore::permit permit = co_await s.scoped_acquire();
    permit.release();
    permit.release();
}

task<> waits_with_nothing(mutex& m, condition_variable& cv) {
    mutex::guard guard = co_await m.scoped_lock();
    guard.unlock();
    co_await cv.wait(guard);
}

task<> waits_for_nan(mutex& m, condition_variable& cv) {
    mutex::guard guard = co_await m.scoped_lock();
    co_await cv.wait_for(guard, std::chrono::duration<double>(std::nan("")), [] { return false; });
}

task<> destroys_a_held_mutex() {
    std::optional<mutex> m(std::in_place);
    const mutex::guard guard = co_await m->scoped_lock();
    m.reset();
}

task<> destroys_a_held_semaphore() {
    std::optional<semaphore> s(std::in_place, 1);
    const semaphore::permit permit = co_await s->scoped_acquire();
    s.reset();
}

task<> locks_twice(mutex& m) {
    co_await m.lock();
    co_await m.lock();
}

}  // namespace

TEST_CASE("what would throw, and what is fatal anyway, calls the fatal hook with a text, and terminates") {
    const auto dies = [](auto body, const std::string& about) {
        const support::ending end = support::in_child(body);
        CHECK(end.terminated);
        CHECK(end.text.find(about) != std::string::npos);
    };
    dies([] { mutex().unlock(); }, "not locked");
    dies(
        [] {
            mutex m;
            rondo::testing::run(unlocks_twice(m));
        },
        "guard");
    dies(
        [] {
            mutex m;
            rondo::testing::run(unlocks_what_a_guard_holds(m));
        },
        "guard");
    dies([] { semaphore s(-1); }, "semaphore");
    dies(
        [] {
            semaphore s(1);
            rondo::testing::run(releases_twice(s));
        },
        "permit");
    dies(
        [] {
            semaphore s(1);
            s.release(static_cast<std::size_t>(-1));
        },
        "semaphore");
    dies([] { latch l(-1); }, "latch");
    dies([] { latch(1).count_down(2); }, "latch");
    dies([] { barrier b(0); }, "barrier");
    dies(
        [] {
            mutex m;
            condition_variable cv;
            rondo::testing::run(waits_with_nothing(m, cv));
        },
        "condition_variable");
    dies(
        [] {
            mutex m;
            condition_variable cv;
            rondo::testing::run(waits_for_nan(m, cv));
        },
        "number");
    dies([] { rondo::testing::run(destroys_a_held_mutex()); }, "mutex");
    dies([] { rondo::testing::run(destroys_a_held_semaphore()); }, "semaphore");
    dies(
        [] {
            mutex m;
            rondo::testing::run(locks_twice(m));
        },
        "sync.cpp");  // a deadlock is reported with the line
}

#endif
