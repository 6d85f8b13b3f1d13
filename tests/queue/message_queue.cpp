// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

#include <support/clocks.hpp>
#include <support/journal.hpp>
#include <support/leak_check.hpp>
#include <support/tasks.hpp>
#include <support/tracked.hpp>

#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using rondo::delivery;
using rondo::event_loop;
using rondo::message_queue;
using rondo::task;
using support::lines;
using support::tracked;

using queue_of_int = message_queue<int>;
using delivery_of_int = std::optional<delivery<int>>;
using numbers = std::vector<int>;

static_assert(std::is_same_v<rondo::await_result_t<decltype(std::declval<queue_of_int&>().receive())>,
                             std::optional<delivery<int>>>);
static_assert(std::is_same_v<rondo::await_result_t<decltype(std::declval<queue_of_int&>().push(1))>, void>);
static_assert(std::is_same_v<rondo::await_result_t<decltype(std::declval<queue_of_int&>().emplace(1))>, void>);
static_assert(std::is_same_v<rondo::await_result_t<decltype(std::declval<queue_of_int&>().join())>, void>);
static_assert(std::is_same_v<decltype(std::declval<queue_of_int&>().try_push(1)), bool>);
static_assert(std::is_same_v<decltype(std::declval<queue_of_int&>().try_receive()), std::optional<delivery<int>>>);
static_assert(!std::is_copy_constructible_v<queue_of_int> && !std::is_move_constructible_v<queue_of_int>);

// A temporary of such a type in a co_await expression is destroyed twice by g++ 11 and 12.
static_assert(!std::is_aggregate_v<decltype(std::declval<message_queue<std::string>&>().receive())>);
static_assert(!std::is_aggregate_v<decltype(std::declval<message_queue<std::string>&>().push(std::string()))>);
static_assert(!std::is_aggregate_v<decltype(std::declval<message_queue<std::string>&>().join())>);

void settle(event_loop& loop) {
    while (loop.poll() != 0) {
    }
}

template <class... Values>
void fill(queue_of_int& queue, Values... values) {
    for (const int value : {values...}) REQUIRE(queue.try_push(value));
}

// What is queued, in order; acknowledges it.
numbers drain(queue_of_int& queue) {
    numbers messages;
    while (delivery_of_int d = queue.try_receive()) {
        messages.push_back(**d);
        d->ack();
    }
    return messages;
}

std::string text_of(const delivery_of_int& d) {
    return d ? std::to_string(**d) + "#" + std::to_string(d->attempt()) : " nothing";
}

// Receives one message, notes it as number#attempt, and acknowledges it.
task<> receives(queue_of_int& queue, lines& log, std::string name) {
    delivery_of_int d = co_await queue.receive();
    log.push_back(name + text_of(d));
    if (d) d->ack();
}

task<> pushes(queue_of_int& queue, lines& log, int message) {
    try {
        co_await queue.push(message);
        log.push_back("pushed " + std::to_string(message));
    } catch (const rondo::queue_closed&) {
        log.push_back("closed " + std::to_string(message));
    }
}

// False: the queue was closed.
task<bool> pushes_text(message_queue<std::string>& queue, std::string& text) {
    try {
        co_await queue.push(std::move(text));
        co_return true;
    } catch (const rondo::queue_closed&) {
        co_return false;
    }
}

task<> joins(queue_of_int& queue, lines& log, std::string name) {
    co_await queue.join();
    log.push_back(name);
}

}  // namespace

// ---- Without waiting ----

TEST_CASE("a capacity of 0 throws std::invalid_argument") {
    CHECK_THROWS_AS(message_queue<int>(0), std::invalid_argument);
    CHECK_THROWS_AS(message_queue<std::unique_ptr<int>>(0), std::invalid_argument);
}

TEST_CASE("a new queue is open and empty, with nothing in flight") {
    queue_of_int queue(3);
    CHECK(queue.capacity() == 3);
    CHECK(queue.size() == 0);
    CHECK(queue.in_flight() == 0);
    CHECK(queue.empty());
    CHECK(!queue.full());
    CHECK(!queue.is_closed());
    const delivery_of_int none = queue.try_receive();
    CHECK(!none);
}

TEST_CASE("messages are delivered in the order in which they came, again and again") {
    queue_of_int queue(3);
    int in = 0;
    int out = 0;
    for (int round = 0; round < 10; ++round) {
        while (queue.try_push(in)) ++in;
        CHECK(queue.size() == 3);
        CHECK(queue.full());
        for (int i = 0; i < 2; ++i) {
            delivery_of_int d = queue.try_receive();
            REQUIRE(d);
            CHECK(**d == out++);
            CHECK(d->attempt() == 1);
            d->ack();
        }
        CHECK(queue.size() == 1);
        CHECK(!queue.full());
        CHECK(!queue.empty());
    }
}

TEST_CASE("what is in flight is neither queued nor gone: it counts towards the capacity") {
    queue_of_int queue(2);
    fill(queue, 1, 2);
    delivery_of_int one = queue.try_receive();
    CHECK(queue.size() == 1);
    CHECK(queue.in_flight() == 1);
    CHECK(queue.full());
    CHECK(!queue.try_push(3));
    delivery_of_int two = queue.try_receive();
    CHECK(queue.empty());
    CHECK(queue.in_flight() == 2);
    CHECK(queue.full());
    CHECK(!queue.try_push(3));
    const delivery_of_int none = queue.try_receive();
    CHECK(!none);
    one->ack();
    CHECK(queue.in_flight() == 1);
    CHECK(!queue.full());
    CHECK(queue.empty());
    CHECK(queue.try_push(3));
    CHECK(queue.full());
}

TEST_CASE("a message that comes back needs no room, and is at the front") {
    queue_of_int queue(2);
    fill(queue, 1, 2);
    delivery_of_int one = queue.try_receive();
    CHECK(!queue.try_push(3));
    one->nack();
    CHECK(queue.size() == 2);
    CHECK(queue.in_flight() == 0);
    CHECK(queue.full());
    CHECK(drain(queue) == numbers{1, 2});
}

TEST_CASE("a delivery that is destroyed is as one that was given back") {
    queue_of_int queue(3);
    fill(queue, 1, 2, 3);
    {
        const delivery_of_int one = queue.try_receive();
        CHECK(queue.in_flight() == 1);
    }
    CHECK(queue.in_flight() == 0);
    delivery_of_int again = queue.try_receive();
    REQUIRE(again);
    CHECK(**again == 1);
    CHECK(again->attempt() == 2);
    again->ack();
    CHECK(drain(queue) == numbers{2, 3});
}

TEST_CASE("what comes back later stands before what came back earlier") {
    queue_of_int queue(4);
    fill(queue, 1, 2, 3, 4);
    delivery_of_int one = queue.try_receive();
    delivery_of_int two = queue.try_receive();
    delivery_of_int three = queue.try_receive();
    three->nack();
    one->nack();
    two->nack();
    CHECK(drain(queue) == numbers{2, 1, 3, 4});
}

TEST_CASE("attempt counts the deliveries of a message, not those of its neighbours or of its slot") {
    queue_of_int queue(1);
    for (int message = 1; message <= 3; ++message) {
        fill(queue, message);
        for (std::size_t attempt = 1; attempt <= 5; ++attempt) {
            delivery_of_int d = queue.try_receive();
            REQUIRE(d);
            CHECK(**d == message);
            CHECK(d->attempt() == attempt);
            if (attempt == 5) d->ack();
        }
        CHECK(queue.empty());
    }
}

TEST_CASE("a message that is changed in work comes back changed") {
    message_queue<std::string> queue(1);
    CHECK(queue.try_push("job"));
    {
        auto d = queue.try_receive();
        REQUIRE(d);
        **d += ", half done";
        CHECK((*d)->size() == 14);
    }
    auto d = queue.try_receive();
    REQUIRE(d);
    CHECK(**d == "job, half done");
}

TEST_CASE("a refused try_push leaves its value as it was") {
    message_queue<std::unique_ptr<int>> queue(1);
    CHECK(queue.try_push(std::make_unique<int>(1)));
    auto second = std::make_unique<int>(2);
    CHECK(!queue.try_push(std::move(second)));
    REQUIRE(second);
    const auto in_flight = queue.try_receive();
    CHECK(!queue.try_push(std::move(second)));
    REQUIRE(second);
    queue.close();
    CHECK(!queue.try_push(std::move(second)));
    REQUIRE(second);
    CHECK(*second == 2);
}

namespace {

task<> push_and_receive(message_queue<std::string>& queue, lines& log) {
    rondo::spawn(support::note(log, "other"));
    const std::string copied = "copied";
    std::string moved = "moved, and too long for the small string optimisation";
    co_await queue.push(copied);
    co_await queue.push(std::move(moved));
    co_await queue.push(std::string("temporary"));
    co_await queue.emplace(std::size_t{3}, 'e');
    CHECK(copied == "copied");
    CHECK(moved.empty());
    CHECK(queue.full());
    for (int i = 0; i < 4; ++i) {
        std::optional<delivery<std::string>> d = co_await queue.receive();
        log.push_back(**d);
        d->ack();
    }
    co_await queue.join();
    log.push_back("joined");
    co_await rondo::yield();
}

task<> never_awaited(queue_of_int& queue) {
    {
        [[maybe_unused]] auto receive = queue.receive();
        [[maybe_unused]] auto push = queue.push(2);
        [[maybe_unused]] auto join = queue.join();
    }
    CHECK(queue.size() == 1);
    CHECK(queue.in_flight() == 0);
    co_return;
}

struct aggregate {
    std::string text;
    int number;
};

task<> emplaces_aggregates(message_queue<aggregate>& queue) {
    for (int i = 0; i < 4; ++i)
        co_await queue.emplace(std::string("an aggregate with a long text") + std::to_string(i), i);
    queue.close();
}

task<> receives_aggregates(message_queue<aggregate>& queue, int& count) {
    for (;;) {
        std::optional<delivery<aggregate>> d = co_await queue.receive();
        if (!d) break;
        CHECK((*d)->number == count);
        CHECK((*d)->text == "an aggregate with a long text" + std::to_string(count));
        ++count;
        d->ack();
    }
}

task<> both_aggregates(int& count) {
    message_queue<aggregate> queue(1);
    co_await rondo::when_all(emplaces_aggregates(queue), receives_aggregates(queue, count));
}

class plain {  // neither copied nor default-constructed nor assigned
public:
    explicit plain(int n) : number(n) {}
    plain(plain&&) = default;
    plain& operator=(plain&&) = delete;
    int number;

private:
    tracked life_;
};

task<> moves_plain_messages() {
    message_queue<plain> queue(3);
    plain message(1);
    co_await queue.push(std::move(message));
    co_await queue.emplace(2);
    CHECK(queue.try_push(plain(3)));
    std::optional<delivery<plain>> one = co_await queue.receive();
    CHECK((*one)->number == 1);
    one->nack();
    one = queue.try_receive();
    CHECK((*one)->number == 1);
    one->ack();
    std::optional<delivery<plain>> two = co_await queue.receive();
    CHECK((*two)->number == 2);
    // 2 is in flight and 3 is queued when the queue goes
}

class immovable_reference {  // a message is moved in, and never again
public:
    explicit immovable_reference(int& moves) : moves_(&moves) {}
    immovable_reference(immovable_reference&& other) noexcept : moves_(other.moves_) { ++*moves_; }
    immovable_reference& operator=(immovable_reference&&) = delete;

private:
    int* moves_;
};

}  // namespace

TEST_CASE("push, receive and join that need not wait let nothing else run in between") {
    message_queue<std::string> queue(4);
    lines log;
    rondo::testing::run(push_and_receive(queue, log));
    CHECK(log == lines{"copied", "moved, and too long for the small string optimisation", "temporary", "eee", "joined",
                       "other"});
}

TEST_CASE("an operation that is never awaited does nothing") {
    queue_of_int queue(2);
    fill(queue, 1);
    rondo::testing::run(never_awaited(queue));
    CHECK(drain(queue) == numbers{1});
}

TEST_CASE("emplace makes aggregates in place") {
    int count = 0;
    rondo::testing::run(both_aggregates(count));
    CHECK(count == 4);
}

TEST_CASE("a message needs to be movable and destructible, nothing else") {
    rondo::testing::run(moves_plain_messages());
}

TEST_CASE("a message is moved in once, and stays where it is until it is acknowledged") {
    int moves = 0;
    message_queue<immovable_reference> queue(2);
    CHECK(queue.try_push(immovable_reference(moves)));
    CHECK(moves == 1);
    immovable_reference* where = nullptr;
    for (int i = 0; i < 5; ++i) {
        auto d = queue.try_receive();
        REQUIRE(d);
        if (where != nullptr) CHECK(&**d == where);
        where = &**d;
        auto moved = std::move(*d);
        CHECK(&*moved == where);
    }
    CHECK(moves == 1);
}

// ---- Waiting, in order ----

TEST_CASE("a receive waits for a push, and is resumed by the loop alone") {
    event_loop loop(support::virtual_time());
    queue_of_int queue(1);
    lines log;
    loop.spawn(receives(queue, log, "a"));
    settle(loop);
    fill(queue, 1);
    CHECK(log.empty());
    settle(loop);
    CHECK(log == lines{"a1#1"});
    CHECK(queue.in_flight() == 0);
}

TEST_CASE("waiting consumers are served in the order in which they came") {
    event_loop loop(support::virtual_time());
    queue_of_int queue(4);
    lines log;
    for (const char* const name : {"a", "b", "c", "d"}) loop.spawn(receives(queue, log, name));
    settle(loop);
    fill(queue, 1, 2);
    settle(loop);
    CHECK(log == lines{"a1#1", "b2#1"});
    fill(queue, 3, 4, 5);
    settle(loop);
    CHECK(log == lines{"a1#1", "b2#1", "c3#1", "d4#1"});
    CHECK(drain(queue) == numbers{5});
}

TEST_CASE("a pusher waits until there is room, which an ack makes and a receive does not") {
    event_loop loop(support::virtual_time());
    queue_of_int queue(1);
    lines log;
    fill(queue, 1);
    loop.spawn(pushes(queue, log, 2));
    settle(loop);
    delivery_of_int d = queue.try_receive();
    settle(loop);
    CHECK(log.empty());
    d->nack();
    settle(loop);
    CHECK(log.empty());
    d = queue.try_receive();
    CHECK(d->attempt() == 2);
    d->ack();
    CHECK(log.empty());
    CHECK(queue.full());
    settle(loop);
    CHECK(log == lines{"pushed 2"});
    CHECK(drain(queue) == numbers{2});
}

TEST_CASE("acks let waiting pushers in, in the order in which they came") {
    event_loop loop(support::virtual_time());
    queue_of_int queue(2);
    lines log;
    for (int i = 1; i <= 5; ++i) loop.spawn(pushes(queue, log, i));
    settle(loop);
    CHECK(log == lines{"pushed 1", "pushed 2"});
    delivery_of_int one = queue.try_receive();
    delivery_of_int two = queue.try_receive();
    two->ack();
    one->ack();
    settle(loop);
    CHECK(log == lines{"pushed 1", "pushed 2", "pushed 3", "pushed 4"});
    CHECK(drain(queue) == numbers{3, 4, 5});
    settle(loop);
    CHECK(log.back() == "pushed 5");
}

TEST_CASE("a message that comes back goes to the consumer who has waited longest") {
    event_loop loop(support::virtual_time());
    queue_of_int queue(2);
    lines log;
    fill(queue, 1);
    delivery_of_int d = queue.try_receive();
    loop.spawn(receives(queue, log, "a"));
    loop.spawn(receives(queue, log, "b"));
    settle(loop);
    d->nack();
    CHECK(log.empty());
    settle(loop);
    CHECK(log == lines{"a1#2"});
    fill(queue, 2);
    settle(loop);
    CHECK(log == lines{"a1#2", "b2#1"});
}

TEST_CASE("nobody takes what is reserved for a consumer who is about to resume") {
    event_loop loop(support::virtual_time());
    queue_of_int queue(3);
    lines log;
    loop.spawn(receives(queue, log, "a"));
    settle(loop);
    fill(queue, 1);
    CHECK(queue.empty());
    CHECK(queue.in_flight() == 1);
    const delivery_of_int stolen = queue.try_receive();
    CHECK(!stolen);
    loop.spawn(receives(queue, log, "late"));
    fill(queue, 2, 3);
    delivery_of_int third = queue.try_receive();
    CHECK(text_of(third) == "2#1");
    third->ack();
    settle(loop);
    CHECK(log == lines{"a1#1", "late3#1"});
}

TEST_CASE("a message that comes back while another is reserved goes to the next consumer, not to that one") {
    event_loop loop(support::virtual_time());
    queue_of_int queue(3);
    lines log;
    fill(queue, 1);
    delivery_of_int held = queue.try_receive();
    loop.spawn(receives(queue, log, "a"));
    loop.spawn(receives(queue, log, "b"));
    settle(loop);
    fill(queue, 2);
    held->nack();
    settle(loop);
    CHECK(log == lines{"a2#1", "b1#2"});
}

TEST_CASE("a waiting pusher's message goes straight to a consumer who can have it") {
    event_loop loop(support::virtual_time());
    queue_of_int queue(1);
    lines log;
    fill(queue, 1);
    delivery_of_int d = queue.try_receive();
    loop.spawn(receives(queue, log, "a"));
    loop.spawn(pushes(queue, log, 2));
    settle(loop);
    CHECK(log.empty());
    d->ack();
    CHECK(queue.in_flight() == 1);
    settle(loop);
    std::sort(log.begin(), log.end());
    CHECK(log == lines{"a2#1", "pushed 2"});
}

TEST_CASE("a queue is fair: several consumers that work take turns") {
    event_loop loop(support::virtual_time());
    queue_of_int queue(10);
    lines log;
    auto works = [](queue_of_int& q, lines& out, std::string name) -> task<> {
        for (;;) {
            delivery_of_int d = co_await q.receive();
            if (!d) break;
            co_await rondo::sleep(1ms);
            out.push_back(name + std::to_string(**d));
            d->ack();
        }
    };
    for (const char* const name : {"a", "b", "c"}) loop.spawn(works(queue, log, name));
    settle(loop);
    fill(queue, 1, 2, 3, 4, 5, 6);
    queue.close();
    loop.run();
    CHECK(log == lines{"a1", "b2", "c3", "a4", "b5", "c6"});
}

// ---- Closing ----

TEST_CASE("close fails waiting pushes and leaves their values as they were") {
    event_loop loop(support::virtual_time());
    message_queue<std::string> queue(1);
    std::string texts[] = {"in the queue", "waiting", "waiting as well"};
    rondo::join_handle<bool> handles[] = {loop.spawn(pushes_text(queue, texts[0])),
                                          loop.spawn(pushes_text(queue, texts[1])),
                                          loop.spawn(pushes_text(queue, texts[2]))};
    settle(loop);
    queue.close();
    CHECK(queue.is_closed());
    CHECK(!handles[1].done());
    lines log;
    auto asks = [](rondo::join_handle<bool>& handle, lines& out) -> task<> {
        const bool pushed = co_await handle;
        out.push_back(pushed ? "pushed" : "closed");
    };
    for (auto& handle : handles) loop.run(asks(handle, log));
    CHECK(log == lines{"pushed", "closed", "closed"});
    CHECK(texts[1] == "waiting");
    CHECK(texts[2] == "waiting as well");
    CHECK(queue.size() == 1);
}

TEST_CASE("a push that was given room before close has happened") {
    event_loop loop(support::virtual_time());
    queue_of_int queue(1);
    lines log;
    fill(queue, 1);
    loop.spawn(pushes(queue, log, 2));
    loop.spawn(pushes(queue, log, 3));
    settle(loop);
    delivery_of_int d = queue.try_receive();
    d->ack();
    queue.close();
    settle(loop);
    CHECK(log == lines{"pushed 2", "closed 3"});
    CHECK(drain(queue) == numbers{2});
}

TEST_CASE("after close pushes throw at once, try_push is refused, and consumers finish what is queued") {
    event_loop loop(support::virtual_time());
    queue_of_int queue(3);
    lines log;
    fill(queue, 1, 2);
    queue.close();
    CHECK(!queue.try_push(3));
    loop.spawn(pushes(queue, log, 4));
    for (const char* const name : {"a", "b", "c"}) loop.spawn(receives(queue, log, name));
    loop.poll();
    CHECK(log == lines{"closed 4", "a1#1", "b2#1", "c nothing"});
}

TEST_CASE("close ends waiting consumers of an empty queue, in the order in which they came") {
    event_loop loop(support::virtual_time());
    queue_of_int queue(1);
    lines log;
    for (const char* const name : {"a", "b", "c"}) loop.spawn(receives(queue, log, name));
    settle(loop);
    queue.close();
    CHECK(log.empty());
    settle(loop);
    CHECK(log == lines{"a nothing", "b nothing", "c nothing"});
}

TEST_CASE("after close a receive waits while something is in flight, and gets it when it comes back") {
    event_loop loop(support::virtual_time());
    queue_of_int queue(1);
    lines log;
    fill(queue, 1);
    delivery_of_int d = queue.try_receive();
    queue.close();
    loop.spawn(receives(queue, log, "a"));
    loop.spawn(receives(queue, log, "b"));
    settle(loop);
    CHECK(log.empty());
    d->nack();
    settle(loop);
    CHECK(log == lines{"a1#2", "b nothing"});
}

TEST_CASE("after close a receive that waits gets nothing once the last one is acknowledged") {
    event_loop loop(support::virtual_time());
    queue_of_int queue(2);
    lines log;
    fill(queue, 1, 2);
    delivery_of_int one = queue.try_receive();
    delivery_of_int two = queue.try_receive();
    loop.spawn(receives(queue, log, "a"));
    settle(loop);
    queue.close();
    loop.spawn(receives(queue, log, "b"));
    settle(loop);
    one->ack();
    settle(loop);
    CHECK(log.empty());
    two->ack();
    CHECK(log.empty());
    settle(loop);
    CHECK(log == lines{"a nothing", "b nothing"});
}

TEST_CASE("after close a receive waits for what is reserved for another, who may be cancelled") {
    event_loop loop(support::virtual_time());
    queue_of_int queue(1);
    lines log;
    auto a = loop.spawn(receives(queue, log, "a"));
    loop.spawn(receives(queue, log, "b"));
    loop.spawn(receives(queue, log, "c"));
    settle(loop);
    fill(queue, 1);
    queue.close();
    a.cancel();
    settle(loop);
    CHECK(log == lines{"b1#1", "c nothing"});
}

TEST_CASE("closing again changes nothing") {
    event_loop loop(support::virtual_time());
    queue_of_int queue(2);
    lines log;
    fill(queue, 1);
    queue.close();
    queue.close();
    CHECK(queue.is_closed());
    delivery_of_int d = queue.try_receive();
    queue.close();
    d->nack();
    CHECK(drain(queue) == numbers{1});
    queue.close();
    loop.spawn(receives(queue, log, "a"));
    settle(loop);
    CHECK(log == lines{"a nothing"});
}

// ---- join ----

TEST_CASE("join of a queue that was never used, or is worked off, does not wait") {
    event_loop loop(support::virtual_time());
    queue_of_int queue(1);
    lines log;
    loop.spawn(joins(queue, log, "unused"));
    loop.poll();
    CHECK(log == lines{"unused"});
    fill(queue, 1);
    CHECK(drain(queue) == numbers{1});
    loop.spawn(joins(queue, log, "worked off"));
    loop.poll();
    CHECK(log == lines{"unused", "worked off"});
}

TEST_CASE("join waits until everything was acknowledged: queued, in flight, come back, or waiting to get in") {
    event_loop loop(support::virtual_time());
    queue_of_int queue(1);
    lines log;
    fill(queue, 1);
    loop.spawn(joins(queue, log, "joined"));
    loop.spawn(pushes(queue, log, 2));
    settle(loop);
    CHECK(log.empty());
    delivery_of_int d = queue.try_receive();
    settle(loop);
    CHECK(log.empty());
    d->nack();
    settle(loop);
    CHECK(log.empty());
    d = queue.try_receive();
    d->ack();
    settle(loop);
    CHECK(log == lines{"pushed 2"});
    d = queue.try_receive();
    settle(loop);
    CHECK(log == lines{"pushed 2"});
    d->ack();
    CHECK(log == lines{"pushed 2"});
    settle(loop);
    CHECK(log == lines{"pushed 2", "joined"});
}

TEST_CASE("several tasks join, in the order in which they came, also when more is pushed before they go on") {
    event_loop loop(support::virtual_time());
    queue_of_int queue(1);
    lines log;
    fill(queue, 1);
    for (const char* const name : {"a", "b", "c"}) loop.spawn(joins(queue, log, name));
    settle(loop);
    CHECK(drain(queue) == numbers{1});
    fill(queue, 2);
    CHECK(log.empty());
    loop.spawn(joins(queue, log, "late"));
    settle(loop);
    CHECK(log == lines{"a", "b", "c"});
    CHECK(drain(queue) == numbers{2});
    settle(loop);
    CHECK(log == lines{"a", "b", "c", "late"});
}

TEST_CASE("joining needs no close, and close joins nobody") {
    event_loop loop(support::virtual_time());
    queue_of_int queue(1);
    lines log;
    fill(queue, 1);
    loop.spawn(joins(queue, log, "joined"));
    settle(loop);
    queue.close();
    settle(loop);
    CHECK(log.empty());
    CHECK(drain(queue) == numbers{1});
    settle(loop);
    CHECK(log == lines{"joined"});
}

TEST_CASE("a queue whose waiting pushers were refused is joined when what got in is done") {
    event_loop loop(support::virtual_time());
    queue_of_int queue(1);
    lines log;
    fill(queue, 1);
    loop.spawn(pushes(queue, log, 2));
    loop.spawn(joins(queue, log, "joined"));
    settle(loop);
    queue.close();
    CHECK(drain(queue) == numbers{1});
    settle(loop);
    CHECK(log == lines{"closed 2", "joined"});
}

namespace {

task<> works(queue_of_int& queue, int& sum) {
    for (;;) {
        delivery_of_int d = co_await queue.receive();
        if (!d) break;
        co_await rondo::sleep(std::chrono::milliseconds(**d % 3));
        sum += **d;
        d->ack();
    }
}

// asyncio's own example: producers, workers, join, and then the workers are stopped.
task<> produces_and_joins(int& sum) {
    queue_of_int queue(4);
    std::vector<rondo::join_handle<>> workers;
    for (int i = 0; i < 3; ++i) workers.push_back(rondo::spawn(works(queue, sum)));
    for (int i = 1; i <= 100; ++i) co_await queue.push(i);
    co_await queue.join();
    CHECK(sum == 5050);
    for (auto& worker : workers) {
        CHECK(!worker.done());
        worker.cancel();
        CHECK(worker.done());
    }
}

task<> works_at_random(queue_of_int& queue, std::vector<int>& done, unsigned& random) {
    for (;;) {
        delivery_of_int d = co_await queue.receive();
        if (!d) break;
        random = random * 1664525 + 1013904223;
        const unsigned dice = (random >> 16) % 8;
        if (dice < 2) co_await rondo::yield();
        if (dice == 3) continue;  // dropped
        if (dice == 4) {
            d->nack();
            continue;
        }
        ++done[static_cast<std::size_t>(**d)];
        d->ack();
    }
}

task<> fills(queue_of_int& queue, int first, int count) {
    for (int i = first; i < first + count; ++i) co_await queue.push(i);
}

task<> many_workers(std::vector<int>& done) {
    queue_of_int queue(5);
    unsigned random = 1;
    std::vector<rondo::join_handle<>> workers;
    for (int i = 0; i < 4; ++i) workers.push_back(rondo::spawn(works_at_random(queue, done, random)));
    co_await rondo::when_all(fills(queue, 0, 1000), fills(queue, 1000, 1000), fills(queue, 2000, 1000));
    queue.close();
    for (auto& worker : workers) co_await worker;
}

}  // namespace

TEST_CASE("workers are joined through their queue, and stopped then") {
    int sum = 0;
    rondo::testing::run(produces_and_joins(sum));
    CHECK(sum == 5050);
}

TEST_CASE("producers and consumers that drop and give back: each message is acknowledged once") {
    std::vector<int> done(3000);
    rondo::testing::run(many_workers(done));
    CHECK(done == std::vector<int>(3000, 1));
}

// ---- Moves and constructors that throw ----

namespace {

// One whose number is `bad` throws when it is moved, and stays as it was.
class fragile {
public:
    explicit fragile(int n) : number(n) {
        if (n < 0) throw std::invalid_argument("negative");
    }
    fragile(fragile&& other) : number(other.number) {
        if (number == bad) throw std::runtime_error("moved");
        other.number = 0;
    }
    fragile& operator=(fragile&&) = delete;

    int number;
    static inline int bad = -1;

private:
    tracked life_;
};

struct one_is_bad {
    explicit one_is_bad(int number) { fragile::bad = number; }
    one_is_bad(const one_is_bad&) = delete;
    one_is_bad& operator=(const one_is_bad&) = delete;
    ~one_is_bad() { fragile::bad = -1; }
};

task<> pushes_fragile(message_queue<fragile>& queue, lines& log, fragile& message) {
    const std::string name = "push " + std::to_string(message.number);
    try {
        co_await queue.push(std::move(message));
        log.push_back(name);
    } catch (const std::runtime_error& error) {
        log.push_back(name + " " + error.what());
    }
}

task<> emplaces_fragile(message_queue<fragile>& queue, lines& log, int number) {
    const std::string name = "emplace " + std::to_string(number);
    try {
        co_await queue.emplace(number);
        log.push_back(name);
    } catch (const std::exception& error) {
        log.push_back(name + " " + error.what());
    }
}

task<> receives_fragile(message_queue<fragile>& queue, lines& log) {
    std::optional<delivery<fragile>> d = co_await queue.receive();
    log.push_back("got " + std::to_string((*d)->number));
    d->ack();
}

}  // namespace

TEST_CASE("a push whose move throws has done nothing, and wakes nobody") {
    event_loop loop(support::virtual_time());
    message_queue<fragile> queue(1);
    lines log;
    loop.spawn(receives_fragile(queue, log));
    settle(loop);
    fragile message(1);
    {
        one_is_bad guard(1);
        loop.spawn(pushes_fragile(queue, log, message));
        settle(loop);
        CHECK(log == lines{"push 1 moved"});
        CHECK_THROWS_AS(queue.try_push(std::move(message)), std::runtime_error);
        CHECK(message.number == 1);
        CHECK(queue.empty());
        CHECK(queue.in_flight() == 0);
        CHECK(!queue.full());
        settle(loop);
    }
    CHECK(queue.try_push(std::move(message)));
    settle(loop);
    CHECK(log == lines{"push 1 moved", "got 1"});
}

TEST_CASE("a move that throws while a waiting push is served is that pusher's, and the next one is served") {
    event_loop loop(support::virtual_time());
    message_queue<fragile> queue(1);
    lines log;
    CHECK(queue.try_push(fragile(1)));
    fragile two(2);
    fragile three(3);
    loop.spawn(pushes_fragile(queue, log, two));
    loop.spawn(pushes_fragile(queue, log, three));
    settle(loop);
    {
        one_is_bad guard(2);
        auto d = queue.try_receive();
        REQUIRE(d);
        d->ack();
        settle(loop);
    }
    CHECK(log == lines{"push 2 moved", "push 3"});
    CHECK(two.number == 2);
    const auto d = queue.try_receive();
    REQUIRE(d);
    CHECK((*d)->number == 3);
}

TEST_CASE("a queue whose last waiting push fails to move is joined") {
    event_loop loop(support::virtual_time());
    message_queue<fragile> queue(1);
    lines log;
    CHECK(queue.try_push(fragile(1)));
    fragile two(2);
    loop.spawn(pushes_fragile(queue, log, two));
    auto joins_fragile = [](message_queue<fragile>& q, lines& out) -> task<> {
        co_await q.join();
        out.push_back("joined");
    };
    loop.spawn(joins_fragile(queue, log));
    settle(loop);
    one_is_bad guard(2);
    {
        auto d = queue.try_receive();
        REQUIRE(d);
        d->ack();
    }
    settle(loop);
    CHECK(log == lines{"push 2 moved", "joined"});
}

TEST_CASE("an emplace whose constructor throws has done nothing, also when there is no room") {
    event_loop loop(support::virtual_time());
    message_queue<fragile> queue(1);
    lines log;
    loop.spawn(emplaces_fragile(queue, log, -1));
    settle(loop);
    CHECK(log == lines{"emplace -1 negative"});
    CHECK(queue.empty());
    loop.spawn(emplaces_fragile(queue, log, 1));
    loop.spawn(emplaces_fragile(queue, log, -2));
    settle(loop);
    CHECK(log == lines{"emplace -1 negative", "emplace 1", "emplace -2 negative"});
    CHECK(queue.size() == 1);
}

// ---- Lifetimes: queues and loops ----

TEST_CASE("tasks that wait on a destroyed queue never resume, and unwind when they are cancelled") {
    event_loop loop(support::virtual_time());
    std::optional<queue_of_int> empty(1);
    std::optional<message_queue<std::string>> full(1);
    std::optional<queue_of_int> busy(1);
    lines log;
    std::string texts[] = {"in the queue", "waiting"};
    fill(*busy, 1);
    auto receiver = loop.spawn(receives(*empty, log, "a"));
    loop.spawn(pushes_text(*full, texts[0]));
    auto pusher = loop.spawn(pushes_text(*full, texts[1]));
    auto joiner = loop.spawn(joins(*busy, log, "joined"));
    settle(loop);
    empty.reset();
    full.reset();
    busy.reset();
    settle(loop);
    for (const bool done : {receiver.done(), pusher.done(), joiner.done()}) CHECK(!done);
    receiver.cancel();
    pusher.cancel();
    joiner.cancel();
    for (const bool done : {receiver.done(), pusher.done(), joiner.done()}) CHECK(done);
    CHECK(texts[1] == "waiting");
    settle(loop);
    CHECK(log.empty());
}

TEST_CASE("a served consumer whose queue is destroyed before it runs never resumes, and unwinds when it is cancelled") {
    event_loop loop(support::virtual_time());
    std::optional<queue_of_int> queue(1);
    lines log;
    auto receiver = loop.spawn(receives(*queue, log, "a"));
    settle(loop);
    fill(*queue, 1);
    queue.reset();
    settle(loop);
    CHECK(log.empty());
    CHECK(!receiver.done());
    receiver.cancel();
    CHECK(receiver.done());
}

TEST_CASE("whatever a queue's tasks had been told before it was destroyed, they can be cancelled") {
    event_loop loop(support::virtual_time());
    lines log;
    for (const bool run : {false, true}) {
        std::optional<queue_of_int> given_room(1);
        std::optional<queue_of_int> closed(1);
        fill(*given_room, 1);
        auto pusher = loop.spawn(pushes(*given_room, log, 2));
        auto receiver = loop.spawn(receives(*closed, log, "a"));
        settle(loop);
        {
            delivery_of_int d = given_room->try_receive();
            d->ack();
        }
        auto joiner = loop.spawn(joins(*given_room, log, "joined"));
        loop.poll();
        closed->close();
        given_room.reset();
        closed.reset();
        if (run) settle(loop);
        pusher.cancel();
        receiver.cancel();
        joiner.cancel();
        CHECK(pusher.done());
        CHECK(receiver.done());
        CHECK(joiner.done());
        settle(loop);
    }
}

TEST_CASE("a queue outlives a loop, and loses nothing by that") {
    queue_of_int queue(3);
    lines log;
    {
        event_loop loop(support::virtual_time());
        auto holds = [](queue_of_int& q) -> task<> {
            const delivery_of_int d = co_await q.receive();
            co_await support::for_ever();
        };
        loop.spawn(holds(queue));
        settle(loop);
        fill(queue, 1);
        settle(loop);  // it has the message
        loop.spawn(receives(queue, log, "reserved "));
        settle(loop);
        loop.spawn(receives(queue, log, "waiting "));
        settle(loop);
        fill(queue, 2);
        CHECK(queue.in_flight() == 2);
    }
    CHECK(log.empty());
    CHECK(queue.in_flight() == 0);
    delivery_of_int d = queue.try_receive();
    CHECK(text_of(d) == "1#2");
    d->ack();
    d = queue.try_receive();
    CHECK(text_of(d) == "2#1");
    d->ack();
    event_loop next(support::virtual_time());
    next.spawn(receives(queue, log, "next "));
    settle(next);
    fill(queue, 4);
    settle(next);
    CHECK(log == lines{"next 4#1"});
}

TEST_CASE("two loops on one thread share a queue when they are polled in turn") {
    queue_of_int queue(3);
    event_loop here(support::virtual_time());
    event_loop there(support::virtual_time());
    int sum = 0;
    auto consumes = [](queue_of_int& q, int& out) -> task<> {
        for (;;) {
            delivery_of_int d = co_await q.receive();
            if (!d) break;
            out += **d;
            d->ack();
        }
    };
    auto producer = here.spawn(fills(queue, 1, 1000));
    auto consumer = there.spawn(consumes(queue, sum));
    for (int i = 0; i < 10'000 && !producer.done(); ++i) {
        here.poll();
        there.poll();
    }
    queue.close();
    while (here.poll() + there.poll() != 0) {
    }
    CHECK(consumer.done());
    CHECK(sum == 500'500);
}

TEST_CASE("between polls, whoever owns the loop uses the queue as tasks do") {
    event_loop loop(support::virtual_time());
    queue_of_int queue(1);
    lines log;
    loop.spawn(pushes(queue, log, 1));
    loop.spawn(pushes(queue, log, 2));
    loop.spawn(joins(queue, log, "joined"));
    loop.poll();
    CHECK(log == lines{"pushed 1"});
    {
        const delivery_of_int dropped = queue.try_receive();
        CHECK(text_of(dropped) == "1#1");
    }
    delivery_of_int d = queue.try_receive();
    CHECK(text_of(d) == "1#2");
    d->ack();
    CHECK(loop.next_deadline() == loop.now());
    loop.poll();
    CHECK(log == lines{"pushed 1", "pushed 2"});
    d = queue.try_receive();
    d->ack();
    loop.poll();
    CHECK(log == lines{"pushed 1", "pushed 2", "joined"});
    queue.close();
}

namespace {
message_queue<std::string> global_queue(3);  // with messages in it when the program ends

task<> uses_the_global_queue() {
    co_await global_queue.push(std::string("a message that is too long for the small string optimisation"));
    co_await global_queue.push(std::string("another one"));
    std::optional<delivery<std::string>> d = co_await global_queue.receive();
    CHECK((*d)->size() > 20);
}
}  // namespace

TEST_CASE("a queue may be global") {
    rondo::testing::run(uses_the_global_queue());
    CHECK(global_queue.size() == 2);
    CHECK(global_queue.in_flight() == 0);
}

// ---- Reports ----

namespace {

task<> stuck_receive(queue_of_int& queue, unsigned& line) {
    line = __LINE__ + 1;
    const delivery_of_int d = co_await queue.receive();
}

task<> stuck_push(queue_of_int& queue, unsigned& line) {
    line = __LINE__ + 1;
    co_await queue.push(1);
}

task<> stuck_join(queue_of_int& queue, unsigned& line) {
    line = __LINE__ + 1;
    co_await queue.join();
}

std::string stuck_report(task<> main) {
    try {
        rondo::testing::run(std::move(main));
    } catch (const rondo::deadlock_error& error) {
        return error.what();
    }
    return "not stuck";
}

bool names(const std::string& report, unsigned line) {
    return report.find("message_queue.cpp:" + std::to_string(line)) != std::string::npos;
}

}  // namespace

TEST_CASE("the stuck report names the line of a receive, a push and a join that wait, and what they wait for") {
    queue_of_int empty(1);
    queue_of_int full(1);
    fill(full, 1);
    unsigned line = 0;
    std::string report = stuck_report(stuck_receive(empty, line));
    INFO(report);
    CHECK(names(report, line));
    CHECK(report.find("message_queue::receive") != std::string::npos);
    report = stuck_report(stuck_push(full, line));
    CHECK(names(report, line));
    CHECK(report.find("message_queue::push") != std::string::npos);
    report = stuck_report(stuck_join(full, line));
    CHECK(names(report, line));
    CHECK(report.find("message_queue::join") != std::string::npos);
}

TEST_CASE("the stuck report says that the queue is gone") {
    for (const int which : {0, 1, 2}) {
        event_loop loop(support::virtual_time());
        std::optional<queue_of_int> queue(1);
        if (which != 0) fill(*queue, 1);
        unsigned line = 0;
        std::string report;
        loop.spawn(which == 0   ? stuck_receive(*queue, line)
                   : which == 1 ? stuck_push(*queue, line)
                                : stuck_join(*queue, line));
        settle(loop);
        queue.reset();
        try {
            loop.run();
        } catch (const rondo::deadlock_error& error) {
            report = error.what();
        }
        INFO(report);
        CHECK(names(report, line));
        CHECK(report.find("gone") != std::string::npos);
    }
}
