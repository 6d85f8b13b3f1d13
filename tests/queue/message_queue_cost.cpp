// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

// What a message_queue may cost others: a task whose operations never have to wait still lets timers and tasks run; and
// it allocates nothing once it is made, for which this program counts the calls of operator new.

#include <support/allocations.hpp>
#include <support/clocks.hpp>
#include <support/leak_check.hpp>
#include <support/tasks.hpp>

#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <new>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using rondo::delivery;
using rondo::event_loop;
using rondo::message_queue;
using rondo::task;
using numbers = std::vector<int>;

constexpr int far_too_many = 2'000'000;

// Never has to wait: there is room when it pushes, and a message when it receives.
task<> spins(message_queue<int>& queue, const bool& stop, int& turns) {
    while (!stop && turns < far_too_many) {
        co_await queue.push(turns);
        std::optional<delivery<int>> d = co_await queue.receive();
        d->ack();
        ++turns;
    }
}

task<> receives_again_and_again(message_queue<int>& queue, const bool& stop, int& turns) {
    while (!stop && turns < far_too_many) {
        const std::optional<delivery<int>> d = co_await queue.receive();  // and drops it
        ++turns;
    }
}

task<> joins_again_and_again(message_queue<int>& queue, const bool& stop, int& turns) {
    while (!stop && turns < far_too_many) {
        co_await queue.join();
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

template <class Spinner>
void is_put_off(Spinner spinner, bool full) {
    {
        support::manual_clock clock;
        clock.tick = 100us;
        event_loop loop(clock.driver());
        message_queue<int> queue(2);
        if (full) REQUIRE(queue.try_push(1));
        bool stop = false;
        int turns = 0;
        loop.spawn(stops_after(stop, 10ms));
        loop.spawn(spinner(queue, stop, turns));
        loop.run();
        CHECK(stop);
        CHECK(turns < far_too_many);
        CHECK(turns > 1);
    }
    event_loop loop(support::virtual_time());
    message_queue<int> queue(2);
    if (full) REQUIRE(queue.try_push(1));
    bool stop = false;
    int turns = 0;
    loop.spawn(spinner(queue, stop, turns));
    loop.spawn(stops_after_steps(stop, 10));
    loop.run();
    CHECK(turns < far_too_many);
    CHECK(turns > 1);
}

task<> receives_all(message_queue<int>& queue, numbers& got) {
    for (;;) {
        std::optional<delivery<int>> d = co_await queue.receive();
        if (!d) co_return;
        got.push_back(**d);
        d->ack();
    }
}

task<> tries_in_between(message_queue<int>& queue, numbers& got) {
    for (;;) {
        co_await rondo::yield();
        std::optional<delivery<int>> d = queue.try_receive();
        if (d) {
            got.push_back(**d);
            d->ack();
        } else if (queue.in_flight() == 0) {
            co_return;
        }
    }
}

task<> works(message_queue<int>& queue) {
    for (int i = 0;; ++i) {
        std::optional<delivery<int>> d = co_await queue.receive();
        if (!d) break;
        if (i % 3 == 0) co_await rondo::yield();
        if (i % 5 != 0) d->ack();
    }
}

task<> feeds(message_queue<int>& queue, std::size_t& count) {
    for (int round = 0; round < 3; ++round) {
        const std::size_t before = support::allocations::count();
        for (int i = 0; i < 1000; ++i) co_await queue.push(i);
        co_await queue.join();
        count = support::allocations::count() - before;
    }
    queue.close();
}

task<> feeds_two_workers(std::size_t capacity, std::size_t& count) {
    message_queue<int> queue(capacity);
    co_await rondo::when_all(feeds(queue, count), works(queue), works(queue));
}

}  // namespace

TEST_CASE("pushes and receives that never wait delay neither timers nor other tasks") { is_put_off(spins, false); }

TEST_CASE("receives alone, and joins alone, are put off as well") {
    is_put_off(receives_again_and_again, true);
    is_put_off(joins_again_and_again, false);
}

TEST_CASE("a receive that was put off keeps its message from others, and they theirs from it") {
    event_loop loop(support::virtual_time());
    message_queue<int> queue(10'000);
    for (int i = 0; i < 10'000; ++i) REQUIRE(queue.try_push(i));
    queue.close();
    numbers got;
    numbers tried;
    loop.spawn(receives_all(queue, got));
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

TEST_CASE("a receive that was put off gives its message back to its place when it is cancelled") {
    event_loop loop(support::virtual_time());
    message_queue<int> queue(10'000);
    for (int i = 0; i < 10'000; ++i) REQUIRE(queue.try_push(i));
    numbers all;
    auto consumer = loop.spawn(receives_all(queue, all));
    loop.poll();
    REQUIRE(!consumer.done());
    REQUIRE(all.size() < 10'000);
    CHECK(queue.in_flight() == 1);
    consumer.cancel();
    CHECK(consumer.done());
    CHECK(queue.in_flight() == 0);
    while (std::optional<delivery<int>> d = queue.try_receive()) {
        REQUIRE(d->attempt() == 1);
        all.push_back(**d);
        d->ack();
    }
    REQUIRE(all.size() == 10'000);
    for (std::size_t i = 0; i < all.size(); ++i) REQUIRE(all[i] == static_cast<int>(i));
}

TEST_CASE("with_timeout of zero counts a receive that was put off as one that did not wait") {
    message_queue<int> queue(10'000);
    for (int i = 0; i < 10'000; ++i) REQUIRE(queue.try_push(i));
    auto main = [](message_queue<int>& q) -> task<> {
        for (int i = 0; i < 10'000; ++i) {
            std::optional<delivery<int>> d = co_await rondo::with_timeout(0s, q.receive());
            REQUIRE(d);
            REQUIRE(**d == i);
            d->ack();
        }
    };
    rondo::testing::run(main(queue));
    CHECK(queue.empty());
}

TEST_CASE("a queue allocates nothing once it is made, whatever is acknowledged and whatever comes back") {
    for (const std::size_t capacity : {1U, 7U}) {
        std::size_t count = 1;
        rondo::testing::run(feeds_two_workers(capacity, count));
        CHECK(count == 0);
    }
    message_queue<int> queue(16);
    const std::size_t made = support::allocations::count();
    for (int i = 0; i < 100; ++i) {
        while (queue.try_push(i)) {
        }
        while (std::optional<delivery<int>> d = queue.try_receive()) {
            if (d->attempt() == 2) d->ack();
        }
    }
    const std::size_t used = support::allocations::count();
    CHECK(used == made);
}

TEST_CASE("a queue for which there is no memory throws std::bad_alloc, and one allocation makes it") {
    {
        const support::allocations::failure none(1);
        CHECK_THROWS_AS(message_queue<int>(100), std::bad_alloc);
    }
    const std::size_t before = support::allocations::count();
    const message_queue<std::string> queue(100);
    const std::size_t after = support::allocations::count();
    CHECK(after - before == 1);
}
