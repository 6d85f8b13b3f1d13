// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

// What to_thread takes from operator new, and what it does where there is nothing. A program of its own, for it counts all calls.

#include <support/allocations.hpp>
#include <support/leak_check.hpp>

#include <rondo/bridge/to_thread.hpp>
#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <catch2/catch_test_macros.hpp>

#include <atomic>
#include <cstddef>
#include <new>
#include <thread>
#include <utility>
#include <vector>

namespace {

using rondo::task;
using rondo::to_thread;

int twice(int n) { return 2 * n; }

task<> meets(std::atomic<int>& missing) {
    co_await to_thread([&missing] {
        --missing;
        while (missing > 0) std::this_thread::yield();
    });
}

/// Starts all threads that there may be.
task<> all_meet() {
    std::atomic<int> missing = static_cast<int>(rondo::detail::thread_pool::limit());
    std::vector<task<>> all;
    for (std::size_t i = 0; i < rondo::detail::thread_pool::limit(); ++i) all.push_back(meets(missing));
    co_await rondo::when_all(std::move(all));
}

task<> counts_allocations(std::size_t& count) {
    co_await all_meet();
    const std::size_t before = support::allocations::count();
    for (int i = 0; i < 10; ++i) co_await to_thread(twice, i);
    count = support::allocations::count() - before;
}

task<> has_no_memory(bool& thrown, bool& called) {
    co_await to_thread(twice, 0);
    auto made = to_thread([&called] { called = true; });
    try {
        const support::allocations::failure failure(1);
        co_await std::move(made);
    } catch (const std::bad_alloc&) {
        thrown = true;
    }
    const int after = co_await to_thread(twice, 2);
    CHECK(after == 4);
}

/// Without any memory for a thread there is nobody who could make the call.
task<> has_no_memory_for_a_thread(std::size_t nth, bool& thrown, bool& happened, int& called) {
    try {
        const support::allocations::failure failure(nth);
        co_await to_thread([&called] { ++called; });
        happened = failure.happened();
    } catch (const std::bad_alloc&) {
        thrown = true;
    }
}

}  // namespace

// The first test of the program: there is no thread yet.
TEST_CASE("a first call without memory for its thread throws std::bad_alloc, and calls nothing") {
    for (std::size_t nth = 1;; ++nth) {
        bool thrown = false;
        bool happened = false;
        int called = 0;
        rondo::run(has_no_memory_for_a_thread(nth, thrown, happened, called));
        CHECK(called == (thrown ? 0 : 1));
        if (!thrown) break;
        REQUIRE(nth < 10);
    }
}

TEST_CASE("to_thread costs one allocation where the threads are there") {
    std::size_t count = 0;
    rondo::run(counts_allocations(count));
    CHECK(count == 10);
}

TEST_CASE("without memory to_thread throws std::bad_alloc and has called nothing") {
    bool thrown = false;
    bool called = false;
    rondo::run(has_no_memory(thrown, called));
    CHECK(thrown);
    CHECK(!called);
}
