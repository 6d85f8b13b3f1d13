// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

// What a queue may cost others: a task whose operations never have to wait still lets timers and tasks run; and
// it allocates nothing once it is made, for which this program counts the calls of operator new.

#include <support/allocations.hpp>
#include <support/clocks.hpp>
#include <support/journal.hpp>
#include <support/leak_check.hpp>
#include <support/tasks.hpp>

#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <iterator>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using rondo::bounded_queue;
using rondo::event_loop;
using rondo::task;
using numbers = std::vector<int>;

constexpr int far_too_many = 2'000'000;

// Never has to wait: there is room when it pushes, and a message when it pops.
task<> spins(bounded_queue<int>& queue, const bool& stop, int& turns) {
    while (!stop && turns < far_too_many) {
        co_await queue.push(turns);
        co_await queue.pop();
        ++turns;
    }
}

task<> stops_after(bool& stop, support::clock::duration time) {
    co_await rondo::sleep(time);
    stop = true;
}

task<> stops_after_steps(bool& stop, int steps) {
    co_await support::yields(steps);
    stop = true;
}

task<> counts_steps(const bool& stop, int& steps) {
    while (!stop) {
        co_await rondo::yield();
        ++steps;
    }
}

task<> spins_then_stops(bounded_queue<int>& queue, bool& stop, int turns) {
    for (int i = 0; i < turns; ++i) {
        co_await queue.push(i);
        co_await queue.pop();
    }
    stop = true;
}

task<> pushes_only(bounded_queue<int>& queue, int count, int& done) {
    for (int i = 0; i < count; ++i) {
        co_await queue.push(i);
        ++done;
    }
}

task<> pushes_owned(bounded_queue<std::unique_ptr<int>>& queue, std::vector<std::unique_ptr<int>>& messages,
                    int& done) {
    for (auto& message : messages) {
        co_await queue.push(std::move(message));
        ++done;
    }
}

task<> pops_only(bounded_queue<int>& queue, numbers& got) {
    for (;;) {
        const std::optional<int> message = co_await queue.pop();
        if (!message) co_return;
        got.push_back(*message);
    }
}

task<> tries_in_between(bounded_queue<int>& queue, numbers& got) {
    for (;;) {
        co_await rondo::yield();
        const std::optional<int> message = queue.try_pop();
        if (message)
            got.push_back(*message);
        else if (queue.is_closed())
            co_return;
    }
}

task<> echoes(bounded_queue<int>& in, bounded_queue<int>& out) {
    for (;;) {
        const std::optional<int> message = co_await in.pop();
        if (!message) break;
        co_await out.push(*message);
    }
}

task<> plays(bounded_queue<int>& out, bounded_queue<int>& in, std::size_t& count) {
    for (int round = 0; round < 3; ++round) {
        const std::size_t before = support::allocations::count();
        for (int i = 0; i < 1000; ++i) {
            co_await out.push(i);
            co_await in.pop();
        }
        count = support::allocations::count() - before;
    }
    out.close();
}

task<> ping_pong(std::size_t capacity, std::size_t& count) {
    bounded_queue<int> ping(capacity);
    bounded_queue<int> pong(capacity);
    co_await rondo::when_all(plays(ping, pong, count), echoes(ping, pong));
}

}  // namespace

TEST_CASE("a push and pop that never wait do not delay a timer") {
    support::manual_clock clock;
    clock.tick = 100us;
    event_loop loop(clock.driver());
    bounded_queue<int> queue(1);
    bool stop = false;
    int turns = 0;
    loop.spawn(stops_after(stop, 10ms));
    loop.spawn(spins(queue, stop, turns));
    loop.run();
    CHECK(stop);
    CHECK(turns < far_too_many);
}

TEST_CASE("a push and pop that never wait do not starve another task") {
    bounded_queue<int> queue(1);
    {
        event_loop loop(support::virtual_time());
        bool stop = false;
        int turns = 0;
        loop.spawn(spins(queue, stop, turns));
        loop.spawn(stops_after_steps(stop, 10));
        loop.run();
        CHECK(turns < far_too_many);
    }
    {
        event_loop loop(support::virtual_time());
        bool stop = false;
        int steps = 0;
        loop.spawn(spins_then_stops(queue, stop, 50'000));
        loop.spawn(counts_steps(stop, steps));
        loop.run();
        CHECK(steps > 100);
    }
}

TEST_CASE("a push, or a pop, alone is put off as well") {
    event_loop loop(support::virtual_time());
    bounded_queue<int> queue(10'000);
    bool stop = false;
    int steps = 0;
    int done = 0;
    auto counter = loop.spawn(counts_steps(stop, steps));
    auto pusher = loop.spawn(pushes_only(queue, 10'000, done));
    while (!pusher.done()) loop.poll();
    CHECK(steps > 10);
    steps = 0;
    queue.close();
    numbers got;
    auto popper = loop.spawn(pops_only(queue, got));
    while (!popper.done()) loop.poll();
    CHECK(steps > 10);
    CHECK(got.size() == 10'000);
    counter.cancel();
}

TEST_CASE("a pop that was put off keeps its message from others, and they theirs from it") {
    event_loop loop(support::virtual_time());
    bounded_queue<int> queue(10'000);
    for (int i = 0; i < 10'000; ++i) REQUIRE(queue.try_push(i));
    queue.close();
    numbers got;
    numbers tried;
    loop.spawn(pops_only(queue, got));
    loop.spawn(tries_in_between(queue, tried));
    loop.run();
    CHECK(!tried.empty());
    CHECK(std::is_sorted(got.begin(), got.end()));
    CHECK(std::is_sorted(tried.begin(), tried.end()));
    numbers all;
    std::merge(got.begin(), got.end(), tried.begin(), tried.end(), std::back_inserter(all));
    REQUIRE(all.size() == 10'000);
    for (std::size_t i = 0; i < all.size(); ++i) REQUIRE(all[i] == static_cast<int>(i));
}

TEST_CASE("a pop that was put off gives its message back when it is cancelled") {
    event_loop loop(support::virtual_time());
    bounded_queue<int> queue(10'000);
    for (int i = 0; i < 10'000; ++i) REQUIRE(queue.try_push(i));
    numbers all;
    auto popper = loop.spawn(pops_only(queue, all));
    loop.poll();
    REQUIRE(!popper.done());
    REQUIRE(all.size() < 10'000);
    popper.cancel();
    CHECK(popper.done());
    while (const std::optional<int> message = queue.try_pop()) all.push_back(*message);
    REQUIRE(all.size() == 10'000);
    for (std::size_t i = 0; i < all.size(); ++i) REQUIRE(all[i] == static_cast<int>(i));
}

TEST_CASE("a push that was put off either has happened when it is cancelled, or its value is as it was") {
    event_loop loop(support::virtual_time());
    bounded_queue<std::unique_ptr<int>> queue(10'000);
    std::vector<std::unique_ptr<int>> messages;
    for (int i = 0; i < 10'000; ++i) messages.push_back(std::make_unique<int>(i));
    int done = 0;
    auto pusher = loop.spawn(pushes_owned(queue, messages, done));
    loop.poll();
    REQUIRE(!pusher.done());
    pusher.cancel();
    int expected = 0;
    while (const std::optional<std::unique_ptr<int>> message = queue.try_pop()) {
        REQUIRE(*message);
        REQUIRE(**message == expected++);
    }
    CHECK((expected == done || expected == done + 1));
    for (std::size_t i = 0; i < messages.size(); ++i)
        REQUIRE((messages[i] == nullptr) == (i < static_cast<std::size_t>(expected)));
}

TEST_CASE("a queue allocates nothing once it is made") {
    for (const std::size_t capacity : {1U, 7U}) {
        std::size_t count = 1;
        rondo::testing::run(ping_pong(capacity, count));
        CHECK(count == 0);
    }
    bounded_queue<int> queue(16);
    const std::size_t made = support::allocations::count();
    for (int i = 0; i < 100; ++i) {
        while (queue.try_push(i)) {
        }
        while (queue.try_pop()) {
        }
    }
    const std::size_t used = support::allocations::count();
    CHECK(used == made);
}
