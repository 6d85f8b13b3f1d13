// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

// What when_any, with_timeout, uncancellable and finally allocate: nothing but frames, which are recycled; and how many of those.
// This program counts the calls of operator new, and makes them fail.

#include <support/allocations.hpp>
#include <support/clocks.hpp>
#include <support/leak_check.hpp>
#include <support/tasks.hpp>

#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <catch2/catch_test_macros.hpp>

#include <cstddef>
#include <new>
#include <optional>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using rondo::bounded_queue;
using rondo::event_loop;
using rondo::finally;
using rondo::task;
using rondo::try_with_timeout;
using rondo::uncancellable;
using rondo::when_any;
using support::nap;

task<> nothing() { co_return; }

// Small tasks, for large frames are not recycled.
task<> races(bounded_queue<int>& queue) {
    queue.try_push(1);
    co_await when_any(queue.pop(), rondo::sleep(1ms));
    co_await when_any(queue.pop(), rondo::sleep(1ms), nap(2ms));
}

task<> timeouts(bounded_queue<int>& queue) {
    co_await try_with_timeout(1ms, queue.pop());
    co_await try_with_timeout(2ms, nap(1ms));
    co_await try_with_timeout(0s, nap(1ms));
}

task<> kept() {
    co_await uncancellable(rondo::sleep(1ms));
    co_await uncancellable(nap(1ms));
}

task<> cleaned() {
    const auto cleanup = [] { return nap(1ms); };
    co_await finally(rondo::sleep(1ms), cleanup);
    co_await finally(nap(1ms), cleanup);
}

task<> cancelled_and_cleaned() {
    const auto cleanup = [] { return nap(1ms); };
    co_await when_any(try_with_timeout(1ms, nap(5ms)), finally(nap(5ms), cleanup));
}

task<> nested() {
    const auto cleanup = [] { return nap(1ms); };
    co_await try_with_timeout(3ms, finally(when_any(uncancellable(nap(1ms)), nap(5ms)), cleanup));
}

task<> one_of_each(bounded_queue<int>& queue) {
    co_await races(queue);
    co_await timeouts(queue);
    co_await kept();
    co_await cleaned();
    co_await cancelled_and_cleaned();
    co_await nested();
}

task<> counts(std::size_t& count) {
    bounded_queue<int> queue(1);
    for (int round = 0; round < 3; ++round) {
        const std::size_t before = support::allocations::count();
        for (int i = 0; i < 100; ++i) co_await one_of_each(queue);
        count = support::allocations::count() - before;
    }
}

/// How many frames `op` has while it waits.
template <class Make>
std::size_t frames_of(Make make) {
    event_loop loop(support::virtual_time());
    auto plain = loop.spawn([](Make) -> task<> { co_await support::for_ever(); }, make);
    while (loop.poll() != 0) {
    }
    const std::size_t without = rondo::testing::live_frames();
    plain.cancel();
    plain = {};
    auto handle = loop.spawn([](Make m) -> task<> { co_await m(); }, make);
    while (loop.poll() != 0) {
    }
    const std::size_t with = rondo::testing::live_frames();
    handle.cancel();
    return with - without;
}

auto wait() { return support::for_ever(); }

task<> survives_without_memory(std::size_t& failures) {
    bounded_queue<int> queue(1);
    std::size_t in_a_row = 0;
    for (std::size_t n = 1; in_a_row < 3 && n < 1000; ++n) {
        bool failed = false;
        {
            const support::allocations::failure failure(n);
            try {
                co_await one_of_each(queue);
            } catch (const std::bad_alloc&) {
                failed = true;
            }
            in_a_row = failure.happened() ? 0 : in_a_row + 1;
        }
        failures += failed ? 1 : 0;
        while (queue.try_pop()) {
        }
    }
    CHECK(in_a_row == 3);
}

// The timer heap grows when a timeout is set: there is no memory for it.
task<> many_timers(std::size_t count, int& failed) {
    std::vector<task<>> sleepers;
    for (std::size_t i = 0; i < count; ++i) sleepers.push_back(nap(1h));
    auto all = rondo::spawn([](std::vector<task<>> s) -> task<> { co_await rondo::when_all(std::move(s)); },
                            std::move(sleepers));
    co_await rondo::yield();
    bounded_queue<int> queue(1);
    for (int i = 0; i < 3; ++i) {
        const support::allocations::failure failure(1);
        try {
            co_await try_with_timeout(1ms, queue.pop());
        } catch (const std::bad_alloc&) {
            ++failed;
            CHECK(failure.happened());
        }
        CHECK(queue.try_push(1));
        CHECK(queue.try_pop() == 1);
    }
    all.cancel();
}

}  // namespace

TEST_CASE("races, timeouts, uncancellable parts and cleanups allocate nothing once their frames are recycled") {
    std::size_t count = 1;
    rondo::testing::run(counts(count));
    if (rondo::detail::threads_end_well) CHECK(count == 0);  // elsewhere no frame is recycled
}

TEST_CASE("operations take no frame, tasks their own, and a combinator inside another one takes one") {
    CHECK(frames_of([] { return when_any(wait(), wait()); }) == 0);
    CHECK(frames_of([] { return when_any(support::stuck(), support::stuck(), wait()); }) == 2);
    CHECK(frames_of([] { return rondo::with_timeout(1h, wait()); }) == 0);
    CHECK(frames_of([] { return rondo::with_timeout(1h, support::stuck()); }) == 1);
    CHECK(frames_of([] { return uncancellable(support::stuck()); }) == 1);
    CHECK(frames_of([] { return rondo::with_timeout(1h, when_any(wait(), wait())); }) == 1);
    CHECK(frames_of([] { return finally(wait(), nothing); }) == 1);
    CHECK(frames_of([] { return finally(support::stuck(), nothing); }) == 2);
}

TEST_CASE("every allocation may fail: it is thrown, and nothing is left behind") {
    // On a thread's first use of the frame pool there is more to fail; a loop of its own each makes the timer heap grow.
    std::size_t failures = 0;
    rondo::testing::run(survives_without_memory(failures));
    CHECK(rondo::testing::live_frames() == 0);
    for (std::size_t n = 1; n < 40; ++n) {
        const support::allocations::failure failure(n);
        bool failed = false;
        try {
            rondo::testing::run([]() -> task<> {
                bounded_queue<int> queue(1);
                co_await one_of_each(queue);
            }());
        } catch (const std::bad_alloc&) {
            failed = true;
            ++failures;
        }
        CHECK(failed == failure.happened());
        if (!failed) break;
    }
    CHECK(failures > 0);
}

TEST_CASE("a timeout without memory for its timer throws std::bad_alloc, and its operation is withdrawn") {
    int failed = 0;
    for (std::size_t count = 0; count < 70; ++count) rondo::testing::run(many_timers(count, failed));
    CHECK(failed > 0);
}
