// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

// The core in a program built with -fno-exceptions -fno-rtti: what would throw calls the fatal hook with the same text,
// and everything else works.

#include <support/clocks.hpp>
#include <support/foreign.hpp>
#include <support/in_child.hpp>
#include <support/native_operation.hpp>
#include <support/plain_test.hpp>
#include <support/tracked.hpp>

#include <rondo/core/task.hpp>
#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#if defined(__cpp_exceptions) || defined(__cpp_rtti)
#error "this test is about a build without exceptions and RTTI"
#endif

using namespace std::chrono_literals;
using rondo::event_loop;
using rondo::join_handle;
using rondo::outcome;
using rondo::task;
using support::tracked;

namespace {

task<int> one() { co_return 1; }

task<long> sum(long times) {
    long total = 0;
    for (long i = 0; i < times; ++i) total += co_await one();
    co_return total;
}

task<int> chain(int depth) {
    if (depth == 0) {
        co_await rondo::yield();
        co_return 0;
    }
    const int below = co_await chain(depth - 1);
    co_return below + 1;
}

task<> stuck_chain(int depth, tracked) {
    if (depth == 0) {
        co_await rondo::sleep(1h);
    } else {
        co_await stuck_chain(depth - 1, tracked(depth));
    }
}

task<std::unique_ptr<int>> move_only() { co_return std::make_unique<int>(4); }
task<int&> reference(int& target) { co_return target; }

task<int> waits(support::native_operation& operation) {
    const int value = co_await operation;
    co_return value;
}

task<int> parks(support::parking& place) {
    const int value = co_await place;
    co_return value;
}

}  // namespace

TEST_CASE("tasks give results of all kinds") {
    CHECK(rondo::testing::run(one()) == 1);
    CHECK(*rondo::testing::run(move_only()) == 4);
    int target = 0;
    CHECK(&rondo::testing::run(reference(target)) == &target);
}

TEST_CASE("loops of awaits and deep chains take constant stack") {
    CHECK(rondo::testing::run(sum(1'000'000)) == 1'000'000);
    CHECK(rondo::testing::run(chain(100'000)) == 100'000);
}

TEST_CASE("cancellation needs no exceptions") {
    event_loop loop(support::virtual_time());
    join_handle<> handle = loop.spawn(stuck_chain(100'000, tracked(0)));
    loop.poll();
    CHECK(tracked::live() > 100'000);
    handle.cancel();
    CHECK(handle.done());
    CHECK(tracked::live() == 0);
}

TEST_CASE("native and foreign operations work") {
    support::native_operation operation;
    support::parking place;
    event_loop loop(support::virtual_time());
    join_handle<int> first = loop.spawn(waits(operation));
    join_handle<int> second = loop.spawn(parks(place));
    loop.poll();
    operation.complete(3);
    place.resume(4);
    loop.run();
    CHECK(first.done());
    CHECK(second.done());
}

TEST_CASE("an outcome tells how a task ended") {
    event_loop loop(support::virtual_time());
    outcome<int> value = loop.try_run(one());
    CHECK(value.has_value());
    CHECK(value.value() == 1);
    loop.stop();
    const outcome<int> none = loop.try_run(one());
    CHECK(none.is_cancelled());
    CHECK(none.error() == nullptr);
}

#if SUPPORT_HAS_FORK

TEST_CASE("what would throw calls the fatal hook with the text of the exception, and terminates") {
    const auto dies = [](auto body, const char* about) {
        const support::ending end = support::in_child(body);
        CHECK(end.terminated);
        CHECK(end.text.find(about) != std::string::npos);
    };
    dies(
        [] {
            task<int> first = one();
            const task<int> second = std::move(first);
            rondo::testing::run(std::move(first));
        },
        "task");
    dies(
        [] {
            event_loop loop(support::virtual_time());
            loop.stop();
            (void)loop.try_run(one()).value();
        },
        rondo::cancelled().what());
    dies(
        [] {
            event_loop loop(support::virtual_time());
            loop.stop();
            loop.run(one());
        },
        rondo::cancelled().what());
    dies(
        [] {
            const rondo::testing::fail_frame_allocation guard(1);
            task<int> (*volatile call)() = one;  // clang needs no frame for a call that it sees through
            (void)call();
        },
        "bad_alloc");
}

#endif
