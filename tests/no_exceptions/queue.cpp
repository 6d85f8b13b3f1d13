// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

// bounded_queue in a program built with -fno-exceptions -fno-rtti.

#include <support/clocks.hpp>
#include <support/in_child.hpp>
#include <support/journal.hpp>
#include <support/plain_test.hpp>
#include <support/tracked.hpp>

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

namespace {

using rondo::bounded_queue;
using rondo::event_loop;
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

#if SUPPORT_HAS_FORK

TEST_CASE("what would throw calls the fatal hook with the text of the exception, and terminates") {
    const auto dies = [](auto body, const std::string& about) {
        const support::ending end = support::in_child(body);
        CHECK(end.terminated);
        CHECK(end.text.find(about) != std::string::npos);
    };
    dies([] { bounded_queue<int> queue(0); }, "capacity");
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
