// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

#include <support/allocations.hpp>
#include <support/clocks.hpp>
#include <support/leak_check.hpp>
#include <support/tasks.hpp>

#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>
#include <rondo/testing/frames.hpp>

#include <catch2/catch_test_macros.hpp>

#include <array>
#include <cstddef>
#include <new>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using rondo::event_loop;
using rondo::join_handle;
using rondo::task;
using rondo::testing::fail_frame_allocation;
using rondo::testing::live_frames;

namespace {

// Not inlined: a compiler that sees a frame made and dropped in one place may leave it out.
[[gnu::noinline]] task<int> one() { co_return 1; }

[[gnu::noinline]] task<int> large() {
    std::array<char, 5'000> block{};
    co_await rondo::yield();
    co_return block[0] + 1;
}

template <class F>
std::size_t allocations_of(F action) {
    const std::size_t before = support::allocations::count();
    action();
    return support::allocations::count() - before;
}

}  // namespace

// --- counting ---

TEST_CASE("live_frames counts the frames of this thread that are alive") {
    CHECK(live_frames() == 0);
    {
        const task<int> first = one();
        CHECK(live_frames() == 1);
        const task<int> second = large();  // also one too large to be recycled
        CHECK(live_frames() == 2);
    }
    CHECK(live_frames() == 0);
    rondo::testing::run(large());
    CHECK(live_frames() == 0);
}

TEST_CASE("live_frames counts suspended tasks, and handles that keep a result") {
    event_loop loop(support::virtual_time());
    std::optional<join_handle<>> handle(loop.spawn(support::stuck()));
    loop.poll();
    CHECK(live_frames() >= 1);
    handle->cancel();
    handle.reset();
    CHECK(live_frames() == 0);
}

TEST_CASE("each thread counts its own frames") {
    const task<int> here = one();
    std::size_t there = 99;
    std::size_t at_its_end = 99;
    std::thread other([&] {
        there = live_frames();
        rondo::testing::run(large());
        at_its_end = live_frames();
    });
    other.join();
    CHECK(there == 0);
    CHECK(at_its_end == 0);
    CHECK(live_frames() == 1);
}

namespace {

/// Keeps a task until the thread is gone, that is, behind the last use of its frame lists.
class kept_by_thread {
public:
    kept_by_thread() = default;
    kept_by_thread(const kept_by_thread&) = delete;
    kept_by_thread& operator=(const kept_by_thread&) = delete;
    ~kept_by_thread() { held = task<int>(); }
    task<int> held;
};
thread_local kept_by_thread keeper;

}  // namespace

TEST_CASE("frames may be freed, and even made, while their thread ends") {
    std::thread early([] {
        keeper.held = task<int>();  // set up before any frame: destroyed after the lists
        keeper.held = one();
    });
    early.join();
    std::thread late([] {
        rondo::testing::run(one());
        keeper.held = one();
    });
    late.join();
}

// --- recycling ---

TEST_CASE("a task that was awaited before costs no allocation") {
    auto awaits = [](std::size_t& counted) -> task<int> {
        int sum = 0;
        for (int i = 0; i < 10; ++i) sum += co_await one();
        const std::size_t before = support::allocations::count();
        for (int i = 0; i < 1'000; ++i) sum += co_await one();
        counted = support::allocations::count() - before;
        co_return sum;
    };
    std::size_t counted = 99;
    CHECK(rondo::testing::run(awaits(counted)) == 1'010);
    CHECK(counted == 0);
}

TEST_CASE("sleeping, yielding, spawning and joining cost no allocation once their frames were made") {
    auto round = []() -> task<> {
        co_await rondo::yield();
        co_await rondo::sleep(1s);
        auto handle = rondo::spawn(support::yields(1));
        co_await handle;
    };
    auto body = [](decltype(round) once, std::size_t& counted) -> task<> {
        for (int i = 0; i < 10; ++i) co_await once();
        const std::size_t before = support::allocations::count();
        for (int i = 0; i < 100; ++i) co_await once();
        counted = support::allocations::count() - before;
    };
    std::size_t counted = 99;
    rondo::testing::run(body(round, counted));
    CHECK(counted == 0);
}

TEST_CASE("a task that was never awaited costs one allocation, its frame") {
    rondo::testing::run(support::nothing());
    std::vector<task<int>> kept;
    kept.reserve(100);
    CHECK(allocations_of([&] {
              for (int i = 0; i < 100; ++i) kept.push_back(one());
          }) <= 100);
}

// --- failing ---

TEST_CASE("the n-th allocation of a frame fails, and no other") {
    for (std::size_t n = 1; n <= 3; ++n) {
        const fail_frame_allocation guard(n);
        for (std::size_t i = 1; i <= 5; ++i) {
            CHECK(guard.happened() == (i > n));
            if (i == n) {
                CHECK_THROWS_AS(one(), std::bad_alloc);
            } else {
                CHECK(rondo::testing::live_frames() == 0);
                const task<int> made = one();
                CHECK(rondo::testing::live_frames() == 1);
            }
        }
    }
}

TEST_CASE("a failure that did not happen while its guard lived does not happen later") {
    {
        const fail_frame_allocation guard(2);
        const task<int> made = one();
        CHECK(!guard.happened());
    }
    CHECK(rondo::testing::run(one()) == 1);
}

TEST_CASE("a failure is injected also where a recycled frame would have served") {
    rondo::testing::run(one());
    const fail_frame_allocation guard(1);
    CHECK_THROWS_AS(one(), std::bad_alloc);
    CHECK(guard.happened());
}

TEST_CASE("a failure concerns its own thread") {
    const fail_frame_allocation guard(1);
    int result = 0;
    std::thread other([&] { result = rondo::testing::run(one()); });
    other.join();
    CHECK(result == 1);
    CHECK(!guard.happened());
    CHECK_THROWS_AS(one(), std::bad_alloc);
}
