// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

// Messages that fail too often go to another queue.

#include <support/clocks.hpp>
#include <support/journal.hpp>
#include <support/leak_check.hpp>
#include <support/tasks.hpp>
#include <support/tracked.hpp>

#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <catch2/catch_test_macros.hpp>

#include <concepts>
#include <cstddef>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using rondo::bounded_queue;
using rondo::delivery;
using rondo::event_loop;
using rondo::message_queue;
using rondo::task;
using support::lines;
using support::move_only_tracked;
using numbers = std::vector<int>;

void settle(event_loop& loop) {
    while (loop.poll() != 0) {
    }
}

// Delivers the message at the front, and gives it back.
std::size_t fail_once(message_queue<int>& queue) {
    std::optional<delivery<int>> d = queue.try_receive();
    REQUIRE(d);
    return d->attempt();
}

numbers drain(bounded_queue<int>& queue) {
    numbers messages;
    while (const std::optional<int> message = queue.try_pop()) messages.push_back(*message);
    return messages;
}

// What takes dead letters and is no queue of the library.
class archive {
public:
    bool try_push(int&& message) {
        ++asked;
        if (throws) throw std::runtime_error("no");
        if (refuses) return false;
        kept.push_back(message);
        return true;
    }

    bool refuses = false;
    bool throws = false;
    int asked = 0;
    numbers kept;
};

template <class Queue>
concept takes_dead_letters_of_int = requires(message_queue<int>& q, Queue& other) { q.dead_letters(1, other); };
static_assert(takes_dead_letters_of_int<bounded_queue<int>>);
static_assert(takes_dead_letters_of_int<message_queue<int>>);
static_assert(takes_dead_letters_of_int<archive>);
static_assert(!takes_dead_letters_of_int<numbers>);
static_assert(!takes_dead_letters_of_int<bounded_queue<std::unique_ptr<int>>>);

}  // namespace

TEST_CASE("after the limit of attempts a message moves to the other queue, and its place is free") {
    message_queue<int> queue(1);
    bounded_queue<int> dead(1);
    queue.dead_letters(3, dead);
    CHECK(queue.try_push(7));
    for (std::size_t attempt = 1; attempt <= 3; ++attempt) {
        CHECK(dead.empty());
        CHECK(queue.full());
        CHECK(fail_once(queue) == attempt);
    }
    CHECK(queue.empty());
    CHECK(!queue.full());
    CHECK(queue.in_flight() == 0);
    CHECK(drain(dead) == numbers{7});
}

TEST_CASE("a limit of 1 gives no second attempt, whichever way the first one fails") {
    message_queue<int> queue(4);
    bounded_queue<int> dead(4);
    queue.dead_letters(1, dead);
    for (int i = 1; i <= 4; ++i) CHECK(queue.try_push(i));
    std::optional<delivery<int>> d = queue.try_receive();
    d->nack();
    d.reset();
    fail_once(queue);  // dropped
    {
        event_loop loop(support::virtual_time());
        auto works = [](message_queue<int>& q, bool fails) -> task<> {
            const std::optional<delivery<int>> got = co_await q.receive();
            if (fails) throw std::runtime_error("failed");
            co_await support::for_ever();
        };
        auto fails = loop.spawn(works(queue, true));
        auto waits = loop.spawn(works(queue, false));
        settle(loop);
        CHECK(dead.size() == 3);
        waits.cancel();
        auto looks = [](rondo::join_handle<>& handle) -> task<> {
            const auto end = co_await handle.settled();
            CHECK(end.error() != nullptr);
        };
        loop.run(looks(fails));
    }
    CHECK(drain(dead) == numbers{1, 2, 3, 4});
    CHECK(queue.empty());
}

TEST_CASE("a message that is acknowledged in its last attempt is no dead letter") {
    message_queue<int> queue(1);
    bounded_queue<int> dead(1);
    queue.dead_letters(2, dead);
    CHECK(queue.try_push(1));
    fail_once(queue);
    std::optional<delivery<int>> d = queue.try_receive();
    CHECK(d->attempt() == 2);
    d->ack();
    d.reset();
    CHECK(dead.empty());
    CHECK(queue.empty());
}

TEST_CASE("a receive that was cancelled after it was served is no attempt that counts towards the limit") {
    event_loop loop(support::virtual_time());
    message_queue<int> queue(1);
    bounded_queue<int> dead(1);
    queue.dead_letters(1, dead);
    auto receives = [](message_queue<int>& q) -> task<> { const auto d = co_await q.receive(); };
    auto receiver = loop.spawn(receives(queue));
    settle(loop);
    CHECK(queue.try_push(1));
    receiver.cancel();
    CHECK(dead.empty());
    CHECK(queue.size() == 1);
    std::optional<delivery<int>> d = queue.try_receive();
    CHECK(d->attempt() == 1);
    d->nack();
    CHECK(drain(dead) == numbers{1});
}

TEST_CASE("a limit of 0 throws std::invalid_argument, and so does the queue itself") {
    message_queue<int> queue(1);
    bounded_queue<int> dead(1);
    CHECK_THROWS_AS(queue.dead_letters(0, dead), std::invalid_argument);
    CHECK_THROWS_AS(queue.dead_letters(1, queue), std::invalid_argument);
    CHECK(queue.try_push(1));
    fail_once(queue);
    CHECK(queue.size() == 1);
    CHECK(dead.empty());
}

TEST_CASE("a full dead-letter queue refuses: the message comes back to the front, until there is room") {
    message_queue<int> queue(2);
    bounded_queue<int> dead(1);
    queue.dead_letters(1, dead);
    CHECK(dead.try_push(0));
    CHECK(queue.try_push(1));
    CHECK(queue.try_push(2));
    CHECK(fail_once(queue) == 1);
    CHECK(fail_once(queue) == 2);
    CHECK(queue.size() == 2);
    CHECK(drain(dead) == numbers{0});
    std::optional<delivery<int>> d = queue.try_receive();
    CHECK(**d == 1);
    CHECK(d->attempt() == 3);
    d->nack();
    CHECK(drain(dead) == numbers{1});
    CHECK(queue.size() == 1);
}

TEST_CASE("a closed dead-letter queue refuses") {
    message_queue<int> queue(1);
    bounded_queue<int> dead(1);
    queue.dead_letters(1, dead);
    dead.close();
    CHECK(queue.try_push(1));
    fail_once(queue);
    CHECK(queue.size() == 1);
    CHECK(fail_once(queue) == 2);
}

TEST_CASE("a refused message keeps its value") {
    message_queue<std::unique_ptr<int>> queue(1);
    bounded_queue<std::unique_ptr<int>> dead(1);
    queue.dead_letters(1, dead);
    CHECK(dead.try_push(nullptr));
    CHECK(queue.try_push(std::make_unique<int>(5)));
    queue.try_receive()->nack();
    auto d = queue.try_receive();
    REQUIRE(d);
    REQUIRE(**d);
    CHECK(***d == 5);
}

TEST_CASE("dead letters may go to any type with try_push; where it refuses or throws, the message stays") {
    message_queue<int> queue(1);
    archive dead;
    queue.dead_letters(1, dead);
    CHECK(queue.try_push(1));
    dead.throws = true;
    CHECK(fail_once(queue) == 1);
    CHECK(queue.size() == 1);
    std::optional<delivery<int>> d = queue.try_receive();
    CHECK_NOTHROW(d->nack());
    dead.throws = false;
    dead.refuses = true;
    CHECK(fail_once(queue) == 3);
    CHECK(queue.size() == 1);
    dead.refuses = false;
    CHECK(fail_once(queue) == 4);
    CHECK(queue.empty());
    CHECK(dead.asked == 4);
    CHECK(dead.kept == numbers{1});
}

TEST_CASE("dead letters may be set, and set again, while messages are under way") {
    message_queue<int> queue(2);
    archive first;
    archive second;
    CHECK(queue.try_push(1));
    CHECK(queue.try_push(2));
    for (int i = 0; i < 4; ++i) fail_once(queue);
    queue.dead_letters(3, first);  // from its next failure on
    CHECK(fail_once(queue) == 5);
    CHECK(first.kept == numbers{1});
    std::optional<delivery<int>> d = queue.try_receive();
    queue.dead_letters(1, second);
    d->nack();
    CHECK(first.kept == numbers{1});
    CHECK(second.kept == numbers{2});
}

TEST_CASE("in another message_queue a dead letter starts anew, and wakes who waits there") {
    event_loop loop(support::virtual_time());
    message_queue<int> queue(1);
    message_queue<int> dead(1);
    queue.dead_letters(2, dead);
    lines log;
    auto receives = [](message_queue<int>& q, lines& out) -> task<> {
        std::optional<delivery<int>> d = co_await q.receive();
        out.push_back(std::to_string(**d) + "#" + std::to_string(d->attempt()));
        d->ack();
    };
    loop.spawn(receives(dead, log));
    settle(loop);
    CHECK(queue.try_push(1));
    fail_once(queue);
    fail_once(queue);
    CHECK(log.empty());
    settle(loop);
    CHECK(log == lines{"1#1"});
}

TEST_CASE("queues may be one another's dead-letter queues") {
    message_queue<int> here(1);
    message_queue<int> there(1);
    here.dead_letters(1, there);
    there.dead_letters(1, here);
    CHECK(here.try_push(1));
    for (int i = 0; i < 3; ++i) {
        CHECK(fail_once(here) == 1);
        CHECK(here.empty());
        CHECK(there.size() == 1);
        CHECK(fail_once(there) == 1);
        CHECK(here.size() == 1);
    }
    CHECK(here.try_push(2) == false);
    CHECK(there.try_push(2));
    CHECK(fail_once(here) == 1);  // there is full
    CHECK(here.size() == 1);
}

TEST_CASE("a dead letter makes room for a waiting pusher") {
    event_loop loop(support::virtual_time());
    message_queue<int> queue(1);
    archive dead;
    queue.dead_letters(1, dead);
    auto pushes = [](message_queue<int>& q, bool& done) -> task<> {
        co_await q.push(2);
        done = true;
    };
    bool pushed = false;
    CHECK(queue.try_push(1));
    loop.spawn(pushes(queue, pushed));
    settle(loop);
    fail_once(queue);
    CHECK(queue.size() == 1);
    CHECK(!pushed);
    settle(loop);
    CHECK(pushed);
    CHECK(dead.kept == numbers{1});
}

TEST_CASE("a dead letter counts as done: join and close go by that") {
    event_loop loop(support::virtual_time());
    message_queue<int> queue(2);
    archive dead;
    queue.dead_letters(1, dead);
    lines log;
    auto joins = [](message_queue<int>& q, lines& out) -> task<> {
        co_await q.join();
        out.push_back("joined");
    };
    auto receives = [](message_queue<int>& q, lines& out) -> task<> {
        const std::optional<delivery<int>> d = co_await q.receive();
        out.push_back(d ? "received" : "nothing");
    };
    CHECK(queue.try_push(1));
    CHECK(queue.try_push(2));
    std::optional<delivery<int>> one = queue.try_receive();
    std::optional<delivery<int>> two = queue.try_receive();
    loop.spawn(joins(queue, log));
    loop.spawn(receives(queue, log));
    queue.close();
    settle(loop);
    one->nack();
    settle(loop);
    CHECK(log.empty());
    dead.refuses = true;
    two->nack();
    settle(loop);
    CHECK(log == lines{"received"});  // it came back, and was dropped: refused again
    dead.refuses = false;
    fail_once(queue);
    settle(loop);
    CHECK(log == lines{"received", "joined"});
    CHECK(dead.kept == numbers{1, 2});
}

TEST_CASE("a consumer that waits gets what the dead-letter queue has refused") {
    event_loop loop(support::virtual_time());
    message_queue<int> queue(1);
    archive dead;
    dead.refuses = true;
    queue.dead_letters(1, dead);
    lines log;
    auto receives = [](message_queue<int>& q, lines& out) -> task<> {
        std::optional<delivery<int>> d = co_await q.receive();
        out.push_back(std::to_string(d->attempt()));
        d->ack();
    };
    CHECK(queue.try_push(1));
    std::optional<delivery<int>> d = queue.try_receive();
    loop.spawn(receives(queue, log));
    settle(loop);
    d->nack();
    settle(loop);
    CHECK(log == lines{"2"});
    CHECK(dead.asked == 1);
}

TEST_CASE("when the queue goes, what is left in it goes too, and the dead-letter queue has nothing of it") {
    archive dead;
    {
        message_queue<int> queue(2);
        queue.dead_letters(1, dead);
        CHECK(queue.try_push(1));
        CHECK(queue.try_push(2));
        std::optional<delivery<int>> d = queue.try_receive();
    }
    CHECK(dead.kept == numbers{1});  // given back by the delivery, which went first
    std::optional<message_queue<int>> queue(1);
    queue->dead_letters(1, dead);
    CHECK(queue->try_push(3));
    std::optional<delivery<int>> d = queue->try_receive();
    queue.reset();
    d.reset();
    CHECK(dead.kept == numbers{1});
}

TEST_CASE("move-only messages become dead letters") {
    message_queue<move_only_tracked> queue(1);
    bounded_queue<move_only_tracked> dead(1);
    queue.dead_letters(1, dead);
    CHECK(queue.try_push(move_only_tracked(3)));
    queue.try_receive()->nack();
    const std::optional<move_only_tracked> letter = dead.try_pop();
    REQUIRE(letter);
    CHECK(letter->number() == 3);
}
