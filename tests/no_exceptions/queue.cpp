// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

// bounded_queue and message_queue in a program built with -fno-exceptions -fno-rtti.

#include <support/clocks.hpp>
#include <support/in_child.hpp>
#include <support/journal.hpp>
#include <support/plain_test.hpp>
#include <support/tracked.hpp>

#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#if defined(__cpp_exceptions) || defined(__cpp_rtti)
#error "this test is about a build without exceptions and RTTI"
#endif

namespace {

using rondo::bounded_queue;
using rondo::delivery;
using rondo::event_loop;
using rondo::message_queue;
using rondo::task;
using support::lines;
using message = support::move_only_tracked;

void settle(event_loop& loop) {
    while (loop.poll() != 0) {
    }
}

task<> produces(bounded_queue<message>& queue, int count) {
    for (int i = 0; i < count; ++i) {
        if (i % 2 == 0)
            co_await queue.emplace(i);
        else
            co_await queue.push(message(i));
    }
    queue.close();
}

task<> consumes(bounded_queue<message>& queue, int& next) {
    for (;;) {
        const std::optional<message> got = co_await queue.pop();
        if (!got) break;
        CHECK(got->number() == next);
        ++next;
    }
}

task<> both(std::size_t capacity, int count, int& next) {
    bounded_queue<message> queue(capacity);
    co_await rondo::when_all(produces(queue, count), consumes(queue, next));
}

task<> pops(bounded_queue<int>& queue, lines& log, std::string name) {
    const std::optional<int> got = co_await queue.pop();
    log.push_back(name + (got ? std::to_string(*got) : " closed"));
}

task<> pushes(bounded_queue<std::string>& queue, std::string& text) { co_await queue.push(std::move(text)); }

}  // namespace

TEST_CASE("messages pass in order, through queues of any capacity") {
    for (const std::size_t capacity : {1U, 3U, 2000U}) {
        int next = 0;
        rondo::testing::run(both(capacity, 1000, next));
        CHECK(next == 1000);
    }
}

TEST_CASE("the value forms tell of a full, an empty and a closed queue") {
    bounded_queue<std::unique_ptr<int>> queue(1);
    CHECK(queue.try_push(std::make_unique<int>(1)));
    auto second = std::make_unique<int>(2);
    CHECK(!queue.try_push(std::move(second)));
    CHECK(second);
    queue.close();
    const std::optional<std::unique_ptr<int>> first = queue.try_pop();
    CHECK(first);
    CHECK(**first == 1);
    CHECK(!queue.try_pop());
    CHECK(!queue.try_push(std::move(second)));
    CHECK(*second == 2);
}

TEST_CASE("a cancelled pop gives its message to the next popper, and close ends the rest") {
    event_loop loop(support::virtual_time());
    bounded_queue<int> queue(1);
    lines log;
    auto a = loop.spawn(pops(queue, log, "a"));
    loop.spawn(pops(queue, log, "b"));
    loop.spawn(pops(queue, log, "c"));
    settle(loop);
    CHECK(queue.try_push(1));
    a.cancel();
    CHECK(a.done());
    queue.close();
    settle(loop);
    CHECK(log == lines{"b1", "c closed"});
}

TEST_CASE("a cancelled push that waits leaves its value as it was") {
    event_loop loop(support::virtual_time());
    bounded_queue<std::string> queue(1);
    CHECK(queue.try_push("first"));
    std::string text = "as it was";
    auto pusher = loop.spawn(pushes(queue, text));
    settle(loop);
    pusher.cancel();
    CHECK(pusher.done());
    CHECK(text == "as it was");
    queue.close();
}

namespace {

task<> sends(message_queue<message>& queue, int count) {
    for (int i = 0; i < count; ++i) {
        if (i % 2 == 0)
            co_await queue.emplace(i);
        else
            co_await queue.push(message(i));
    }
    co_await queue.join();
    queue.close();
}

// Gives every third message back once, and drops every fifth.
task<> works(message_queue<message>& queue, int& sum) {
    for (int turn = 0;; ++turn) {
        std::optional<delivery<message>> d = co_await queue.receive();
        if (!d) break;
        if (turn % 5 == 4) continue;
        if ((*d)->number() % 3 == 0 && d->attempt() == 1) {
            d->nack();
            continue;
        }
        if (turn % 4 == 0) co_await rondo::yield();
        sum += (*d)->number();
        d->ack();
    }
}

task<> sends_and_works(std::size_t capacity, int count, int& sum) {
    message_queue<message> queue(capacity);
    co_await rondo::when_all(sends(queue, count), works(queue, sum), works(queue, sum));
}

task<> receives(message_queue<int>& queue, lines& log, std::string name) {
    std::optional<delivery<int>> d = co_await queue.receive();
    log.push_back(name + (d ? std::to_string(**d) + "#" + std::to_string(d->attempt()) : " nothing"));
    if (d) d->ack();
}

task<> keeps(message_queue<int>& queue) {
    const std::optional<delivery<int>> d = co_await queue.receive();
    co_await rondo::sleep(std::chrono::hours(1));
}

task<> pushes_and_receives(message_queue<int>& queue) {
    const std::optional<std::optional<delivery<int>>> none =
        co_await rondo::try_with_timeout(std::chrono::seconds(0), queue.receive());
    CHECK(!none);
    const bool pushed = co_await rondo::try_with_timeout(std::chrono::seconds(0), queue.push(1));
    CHECK(pushed);
    auto first = co_await rondo::when_any(rondo::sleep(std::chrono::seconds(1)), queue.receive());
    CHECK(first.index() == 1);
    std::get<1>(first)->ack();
}

[[maybe_unused]] task<> pushes(message_queue<int>& queue) { co_await queue.push(1); }

}  // namespace

TEST_CASE("messages are worked off, each once, through message_queues of any capacity") {
    for (const std::size_t capacity : {1U, 3U, 2000U}) {
        int sum = 0;
        rondo::testing::run(sends_and_works(capacity, 1000, sum));
        CHECK(sum == 499'500);
    }
}

TEST_CASE("a cancelled consumer loses its message to the next one, and a loop leaves it in the queue") {
    message_queue<int> queue(2);
    lines log;
    {
        event_loop loop(support::virtual_time());
        CHECK(queue.try_push(1));
        CHECK(queue.try_push(2));
        auto worker = loop.spawn(keeps(queue));
        loop.spawn(keeps(queue));
        loop.spawn(receives(queue, log, "next "));
        settle(loop);
        worker.cancel();
        CHECK(worker.done());
        settle(loop);
        CHECK(log == lines{"next 1#2"});
    }
    std::optional<delivery<int>> d = queue.try_receive();
    CHECK(d);
    CHECK(**d == 2);
    CHECK(d->attempt() == 2);
    d->nack();
    queue.close();
    CHECK(queue.size() == 1);
}

TEST_CASE("a message_queue moves messages to its dead letters, unless they are refused") {
    message_queue<message> queue(1);
    bounded_queue<message> dead(1);
    queue.dead_letters(2, dead);
    for (int i = 0; i < 2; ++i) {
        CHECK(queue.try_push(message(i)));
        for (int attempt = 0; attempt < 2; ++attempt) queue.try_receive()->nack();
    }
    CHECK(queue.size() == 1);
    const std::optional<message> letter = dead.try_pop();
    CHECK(letter);
    CHECK(letter->number() == 0);
    queue.try_receive()->nack();
    CHECK(queue.empty());
    CHECK(dead.size() == 1);
}

TEST_CASE("a message_queue under timeouts and in races") {
    message_queue<int> queue(1);
    rondo::testing::run(pushes_and_receives(queue));
    CHECK(queue.empty());
    CHECK(queue.in_flight() == 0);
}

TEST_CASE("a delivery outlives its queue") {
    std::optional<message_queue<int>> queue(2);
    CHECK(queue->try_push(1));
    CHECK(queue->try_push(2));
    std::optional<delivery<int>> one = queue->try_receive();
    std::optional<delivery<int>> two = queue->try_receive();
    queue.reset();
    CHECK(!*one);
    one->ack();
    two->nack();
}

#if SUPPORT_HAS_FORK

TEST_CASE("what would throw calls the fatal hook with the text of the exception, and terminates") {
    const auto dies = [](auto body, const std::string& about) {
        const support::ending end = support::in_child(body);
        CHECK(end.terminated);
        CHECK(end.text.find(about) != std::string::npos);
    };
    dies([] { bounded_queue<int> queue(0); }, "capacity");
    dies([] { message_queue<int> queue(0); }, "capacity");
    dies(
        [] {
            message_queue<int> queue(1);
            bounded_queue<int> dead(1);
            queue.dead_letters(0, dead);
        },
        "dead_letters");
    dies(
        [] {
            message_queue<int> queue(1);
            queue.dead_letters(1, queue);
        },
        "dead-letter");
    dies(
        [] {
            message_queue<int> queue(1);
            queue.try_push(1);
            std::optional<delivery<int>> d = queue.try_receive();
            d->ack();
            d->ack();
        },
        "delivery");
    dies(
        [] {
            message_queue<int> queue(1);
            queue.try_push(1);
            std::optional<delivery<int>> d = queue.try_receive();
            d->nack();
            **d = 1;
        },
        "delivery");
    dies(
        [] {
            message_queue<int> queue(1);
            queue.close();
            rondo::testing::run(pushes(queue));
        },
        rondo::queue_closed().what());
    dies(
        [] {
            bounded_queue<std::string> queue(1);
            queue.close();
            std::string text = "late";
            rondo::testing::run(pushes(queue, text));
        },
        rondo::queue_closed().what());
    dies(
        [] {  // woken by close
            event_loop loop(support::virtual_time());
            bounded_queue<std::string> queue(1);
            queue.try_push("first");
            std::string text = "waiting";
            loop.spawn(pushes(queue, text));
            settle(loop);
            queue.close();
            settle(loop);
        },
        rondo::queue_closed().what());
    dies(
        [] {
            bounded_queue<int> queue(1);
            lines log;
            rondo::testing::run(pops(queue, log, "a"));
        },
        "queue.cpp");  // a deadlock is reported with the line
}

#endif
