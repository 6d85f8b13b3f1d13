// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

// Any allocation may fail: the call that needed it throws bad_alloc, and everything else is as it was.

#include <support/allocations.hpp>
#include <support/clocks.hpp>
#include <support/foreign.hpp>
#include <support/leak_check.hpp>
#include <support/tasks.hpp>
#include <support/tracked.hpp>

#include <rondo/loop/event_loop.hpp>
#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <catch2/catch_test_macros.hpp>

#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using rondo::event_loop;
using rondo::join_handle;
using rondo::task;
using support::tracked;

namespace {

constexpr std::size_t plenty = 10'000;

/// Calls `scenario` with the first, second, third ... allocation failing, until none does. Gives back how many failed.
template <class F>
std::size_t fail_each_allocation(F scenario) {
    for (std::size_t n = 1; n < plenty; ++n) {
        const rondo::testing::fail_frame_allocation no_recycling(plenty);  // each frame comes from operator new
        const support::allocations::failure failure(n);
        try {
            scenario();
        } catch (const std::bad_alloc&) {
        }
        if (!failure.happened()) return n - 1;
    }
    return plenty;
}

task<int> counts(tracked, int to) {
    int count = 0;
    for (; count < to; ++count) co_await rondo::yield();
    co_return count;
}

task<int> sleeps_and_counts(tracked value) {
    co_await rondo::sleep(1s);
    const int first = co_await counts(tracked(1), 2);
    co_return first + value.number();
}

}  // namespace

TEST_CASE("run survives the failure of any allocation") {
    std::size_t good = 0;
    const std::size_t failures = fail_each_allocation([&] {
        if (rondo::testing::run(sleeps_and_counts(tracked(5))) == 7) ++good;
    });
    CHECK(failures >= 4);
    CHECK(good >= 1);
    CHECK(tracked::live() == 0);
}

TEST_CASE("spawning and joining survive the failure of any allocation") {
    const std::size_t failures = fail_each_allocation([] {
        auto main = []() -> task<int> {
            join_handle<int> named = rondo::spawn(counts(tracked(1), 3), "a name");
            join_handle<int> callable = rondo::spawn(sleeps_and_counts, tracked(2));
            const int first = co_await named;
            const int second = co_await callable;
            co_return first + second;
        };
        rondo::testing::run(main());
    });
    CHECK(failures >= 8);
    CHECK(tracked::live() == 0);
}

TEST_CASE("posting survives the failure of any allocation") {
    std::size_t ran = 0;
    const std::size_t failures = fail_each_allocation([&] {
        event_loop loop(support::virtual_time());
        loop.post([&ran, counted = tracked(1)] { ++ran; });
        loop.handle().post([&ran, counted = tracked(2)] { ++ran; });
        loop.run();
    });
    CHECK(failures >= 2);
    CHECK(ran >= 2);
    CHECK(tracked::live() == 0);
}

TEST_CASE("a sleep whose timer finds no room throws bad_alloc where it is awaited, and its task goes on") {
    auto sleeps = [](bool& caught) -> task<> {
        try {
            co_await rondo::sleep(1s);
        } catch (const std::bad_alloc&) {
            caught = true;
        }
        co_await rondo::yield();
    };
    event_loop loop(support::virtual_time());
    bool caught = false;
    join_handle<> handle = loop.spawn(sleeps(caught));
    {
        const support::allocations::failure failure(1);
        loop.poll();
    }
    CHECK(caught);
    loop.run();
    CHECK(handle.done());
}

TEST_CASE("awaiting a foreign awaitable without memory throws bad_alloc, and it is never asked to suspend") {
    support::parking place;
    auto parks = [](support::parking& where, bool& caught) -> task<> {
        try {
            co_await where;
        } catch (const std::bad_alloc&) {
            caught = true;
        }
    };
    event_loop loop(support::virtual_time());
    bool caught = false;
    join_handle<> handle = loop.spawn(parks(place, caught));
    {
        const support::allocations::failure failure(1);
        loop.poll();
    }
    CHECK(caught);
    CHECK(!place.occupied());
    CHECK(handle.done());
    loop.run();
}

TEST_CASE("setting the handler of unhandled exceptions survives the failure of its allocation") {
    int first = 0;
    event_loop loop(support::virtual_time());
    loop.on_unhandled_exception([&](std::exception_ptr) { ++first; });
    {
        const support::allocations::failure failure(1);
        CHECK_THROWS_AS(loop.on_unhandled_exception([](std::exception_ptr) {}), std::bad_alloc);
    }
    loop.spawn(support::fail("x"));
    loop.run();
    CHECK(first == 1);  // the handler before is still there
}

TEST_CASE("cancelling and closing allocate nothing") {
    event_loop loop(support::virtual_time());
    std::vector<join_handle<>> handles;
    for (int i = 0; i < 20; ++i) handles.push_back(loop.spawn(support::nap(std::chrono::seconds(i))));
    loop.poll();
    const std::size_t before = support::allocations::count();
    for (std::size_t i = 0; i < 10; ++i) handles[i].cancel();
    const bool closed = loop.close();
    CHECK(support::allocations::count() == before);
    CHECK(closed);
}
