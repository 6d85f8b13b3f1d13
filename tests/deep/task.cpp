// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

// What takes too long for every day: ten million awaits, chains and crowds of a million.

#include <support/clocks.hpp>
#include <support/leak_check.hpp>
#include <support/tasks.hpp>
#include <support/tracked.hpp>

#include <rondo/core/task.hpp>
#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <catch2/catch_test_macros.hpp>

#include <cstddef>
#include <stdexcept>
#include <vector>

using namespace std::chrono_literals;
using rondo::event_loop;
using rondo::join_handle;
using rondo::task;
using support::tracked;

namespace {

task<int> one() { co_return 1; }

task<int> one_by_one(int depth) {
    if (depth == 0) co_return 1;
    co_return co_await one_by_one(depth - 1);
}

task<long> sum(long times) {
    long total = 0;
    for (long i = 0; i < times; ++i) total += co_await one();
    co_return total;
}

task<long> sum_of_chains(long times, int depth) {
    long total = 0;
    for (long i = 0; i < times; ++i) total += co_await one_by_one(depth);
    co_return total;
}

task<int> chain(int depth, bool fails) {
    if (depth == 0) {
        co_await rondo::yield();
        if (fails) throw std::runtime_error("bottom");
        co_return 0;
    }
    const int below = co_await chain(depth - 1, fails);
    co_return below + 1;
}

task<> stuck_chain(int depth, tracked) {
    if (depth == 0) {
        co_await support::for_ever();
    } else {
        co_await stuck_chain(depth - 1, tracked(depth));
    }
}

task<> sleeps(tracked, std::chrono::milliseconds time) { co_await rondo::sleep(time); }

}  // namespace

TEST_CASE("ten million tasks awaited in a loop, all ending at once, take constant stack") {
    CHECK(rondo::testing::run(sum(10'000'000)) == 10'000'000);
}

TEST_CASE("a hundred thousand chains of a hundred, all ending at once") {
    CHECK(rondo::testing::run(sum_of_chains(100'000, 100)) == 100'000);
}

TEST_CASE("ten million yields") { rondo::testing::run(support::yields(10'000'000)); }

TEST_CASE("a chain of a million tasks ends by value, by exception and by cancellation") {
    constexpr int depth = 1'000'000;
    CHECK(rondo::testing::run(chain(depth, false)) == depth);
    CHECK_THROWS_AS(rondo::testing::run(chain(depth, true)), std::runtime_error);
    event_loop loop(support::virtual_time());
    join_handle<> handle = loop.spawn(stuck_chain(depth, tracked(0)));
    loop.poll();
    CHECK(tracked::live() > depth);
    handle.cancel();
    CHECK(tracked::live() == 0);
}

TEST_CASE("a million sleepers wake, or go with their loop") {
    for (const bool run : {true, false}) {
        {
            event_loop loop(support::virtual_time());
            for (int i = 0; i < 1'000'000; ++i) {
                loop.spawn(sleeps(tracked(i), std::chrono::milliseconds(1 + i % 1'000 * 7 % 1'000)));
            }
            loop.poll();
            if (run) loop.run();
        }
        CHECK(tracked::live() == 0);
    }
}

TEST_CASE("a million sleeps that are cancelled leave the timers empty") {
    event_loop loop(support::virtual_time());
    for (int i = 0; i < 1'000'000; ++i) {
        join_handle<> handle = loop.spawn(support::nap(1h));
        loop.poll();
        handle.cancel();
    }
    CHECK(!loop.next_deadline().has_value());
}
