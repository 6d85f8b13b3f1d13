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
#include <limits>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using rondo::bounded_queue;
using rondo::event_loop;
using rondo::task;
using support::lines;
using support::tracked;

using duration = support::clock::duration;

static_assert(
    std::is_same_v<rondo::await_result_t<decltype(std::declval<bounded_queue<int>&>().pop())>, std::optional<int>>);
static_assert(std::is_same_v<rondo::await_result_t<decltype(std::declval<bounded_queue<int>&>().push(1))>, void>);
static_assert(std::is_same_v<rondo::await_result_t<decltype(std::declval<bounded_queue<int>&>().emplace(1))>, void>);
static_assert(std::is_same_v<decltype(std::declval<bounded_queue<int>&>().try_push(1)), bool>);
static_assert(std::is_same_v<decltype(std::declval<bounded_queue<int>&>().try_pop()), std::optional<int>>);
static_assert(!std::is_copy_constructible_v<bounded_queue<int>>);

// A temporary of such a type in a co_await expression is destroyed twice by g++ 11 and 12.
static_assert(!std::is_aggregate_v<decltype(std::declval<bounded_queue<std::string>&>().pop())>);
static_assert(!std::is_aggregate_v<decltype(std::declval<bounded_queue<std::string>&>().push(std::string()))>);

void settle(event_loop& loop) {
    while (loop.poll() != 0) {
    }
}

template <class... Values>
void fill(bounded_queue<int>& queue, Values... values) {
    for (const int value : {values...}) REQUIRE(queue.try_push(value));
}

std::vector<int> drain(bounded_queue<int>& queue) {
    std::vector<int> messages;
    while (const std::optional<int> message = queue.try_pop()) messages.push_back(*message);
    return messages;
}

using numbers = std::vector<int>;

task<> pops(bounded_queue<int>& queue, lines& log, std::string name) {
    const std::optional<int> message = co_await queue.pop();
    log.push_back(name + (message ? std::to_string(*message) : " closed"));
}

task<> pushes(bounded_queue<int>& queue, lines& log, int message) {
    try {
        co_await queue.push(message);
        log.push_back("pushed " + std::to_string(message));
    } catch (const rondo::queue_closed&) {
        log.push_back("closed " + std::to_string(message));
    }
}

// False: the queue was closed.
task<bool> pushes_text(bounded_queue<std::string>& queue, std::string& text) {
    try {
        co_await queue.push(std::move(text));
        co_return true;
    } catch (const rondo::queue_closed&) {
        co_return false;
    }
}

task<> joins(rondo::join_handle<bool>& handle, lines& log) {
    const bool pushed = co_await handle;
    log.push_back(pushed ? "pushed" : "closed");
}

}  // namespace

// ---- Without waiting ----

TEST_CASE("a capacity of 0 throws std::invalid_argument") {
    CHECK_THROWS_AS(bounded_queue<int>(0), std::invalid_argument);
    CHECK_THROWS_AS(bounded_queue<std::unique_ptr<int>>(0), std::invalid_argument);
}

TEST_CASE("a capacity beyond memory throws, and takes none") {
    const auto most = (std::numeric_limits<std::size_t>::max)();
    for (const std::size_t capacity : {most, most / 2, most / 4, most / 8, most / 16 + 1})
        CHECK_THROWS_AS(bounded_queue<int>(capacity), std::invalid_argument);
}

TEST_CASE("a new queue is open and empty") {
    bounded_queue<int> queue(3);
    CHECK(queue.capacity() == 3);
    CHECK(queue.size() == 0);
    CHECK(queue.empty());
    CHECK(!queue.full());
    CHECK(!queue.is_closed());
    const std::optional<int> none = queue.try_pop();
    CHECK(!none);
}

TEST_CASE("messages leave in the order in which they came, also around the end of the buffer") {
    bounded_queue<int> queue(3);
    int in = 0;
    int out = 0;
    for (int round = 0; round < 10; ++round) {
        while (queue.try_push(in)) ++in;
        CHECK(queue.size() == 3);
        CHECK(queue.full());
        for (int i = 0; i < 2; ++i) {
            const std::optional<int> message = queue.try_pop();
            CHECK(message == out++);
        }
        CHECK(queue.size() == 1);
        CHECK(!queue.full());
        CHECK(!queue.empty());
    }
}

TEST_CASE("a refused try_push leaves its value as it was") {
    bounded_queue<std::unique_ptr<int>> queue(1);
    CHECK(queue.try_push(std::make_unique<int>(1)));
    auto second = std::make_unique<int>(2);
    CHECK(!queue.try_push(std::move(second)));
    REQUIRE(second);
    queue.close();
    CHECK(!queue.try_push(std::move(second)));
    REQUIRE(second);
    CHECK(*second == 2);
}

namespace {

task<> push_and_pop(bounded_queue<std::string>& queue, lines& log) {
    rondo::spawn(support::note(log, "other"));
    const std::string copied = "copied";
    std::string moved = "moved, and too long for the small string optimisation";
    co_await queue.push(copied);
    co_await queue.push(std::move(moved));
    co_await queue.push(std::string("temporary"));
    co_await queue.emplace(std::size_t{3}, 'e');
    CHECK(copied == "copied");
    CHECK(queue.full());
    for (int i = 0; i < 4; ++i) {
        const std::optional<std::string> message = co_await queue.pop();
        log.push_back(message.value());
    }
    co_await rondo::yield();
}

task<> never_awaited(bounded_queue<int>& queue) {
    {
        [[maybe_unused]] auto pop = queue.pop();
        [[maybe_unused]] auto push = queue.push(2);
    }
    CHECK(queue.size() == 1);
    co_return;
}

struct aggregate {
    std::string text;
    int number;
};

task<> emplaces_aggregates(bounded_queue<aggregate>& queue) {
    for (int i = 0; i < 4; ++i)
        co_await queue.emplace(std::string("an aggregate with a long text") + std::to_string(i), i);
    queue.close();
}

task<> pops_aggregates(bounded_queue<aggregate>& queue, int& count) {
    for (;;) {
        const std::optional<aggregate> message = co_await queue.pop();
        if (!message) break;
        CHECK(message->number == count);
        CHECK(message->text == "an aggregate with a long text" + std::to_string(count));
        ++count;
    }
}

task<> both_aggregates(int& count) {
    bounded_queue<aggregate> queue(1);
    co_await rondo::when_all(emplaces_aggregates(queue), pops_aggregates(queue, count));
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
    bounded_queue<plain> queue(2);
    plain message(1);
    co_await queue.push(std::move(message));
    co_await queue.emplace(2);
    const std::optional<plain> one = co_await queue.pop();
    const std::optional<plain> two = queue.try_pop();
    CHECK(one.value().number == 1);
    CHECK(two.value().number == 2);
}

task<> emplaces_with_parentheses() {
    bounded_queue<std::vector<int>> queue(1);
    co_await queue.emplace(std::size_t{3}, 7);
    const std::optional<std::vector<int>> message = co_await queue.pop();
    CHECK(message.value() == std::vector<int>{7, 7, 7});
}

task<int> job(int number) {
    co_await rondo::yield();
    co_return number;
}

task<> works_off(bounded_queue<task<int>>& jobs, int& sum) {
    for (;;) {
        std::optional<task<int>> next = co_await jobs.pop();
        if (!next) break;
        const int number = co_await std::move(*next);
        sum += number;
    }
}

task<> sends_tasks(int& sum) {
    bounded_queue<task<int>> jobs(2);
    auto one = rondo::spawn(works_off(jobs, sum));
    auto two = rondo::spawn(works_off(jobs, sum));
    for (int i = 1; i <= 10; ++i) co_await jobs.push(job(i));
    jobs.close();
    co_await rondo::when_all(one, two);
    bounded_queue<task<int>> never_popped(1);
    co_await never_popped.push(job(11));
}

task<> sends_nothing_as_message() {
    bounded_queue<std::optional<int>> queue(2);
    const std::optional<int> nothing;
    co_await queue.push(nothing);
    queue.close();
    const std::optional<std::optional<int>> message = co_await queue.pop();
    CHECK(message.has_value());
    const std::optional<std::optional<int>> end = co_await queue.pop();
    CHECK(!end.has_value());
}

}  // namespace

TEST_CASE("push and pop that need not wait let nothing else run in between") {
    bounded_queue<std::string> queue(4);
    lines log;
    rondo::testing::run(push_and_pop(queue, log));
    REQUIRE(log.size() == 5);
    CHECK(log[0] == "copied");
    CHECK(log[1] == "moved, and too long for the small string optimisation");
    CHECK(log[2] == "temporary");
    CHECK(log[3] == "eee");
    CHECK(log[4] == "other");
}

TEST_CASE("an operation that is never awaited does nothing") {
    bounded_queue<int> queue(2);
    fill(queue, 1);
    rondo::testing::run(never_awaited(queue));
    CHECK(drain(queue) == numbers{1});
}

TEST_CASE("emplace makes aggregates in place") {
    int count = 0;
    rondo::testing::run(both_aggregates(count));
    CHECK(count == 4);
}

TEST_CASE("emplace calls the constructor that its arguments name") { rondo::testing::run(emplaces_with_parentheses()); }

TEST_CASE("tasks may be messages; those that nobody pops are destroyed with the queue") {
    int sum = 0;
    rondo::testing::run(sends_tasks(sum));
    CHECK(sum == 55);
}

TEST_CASE("a message needs to be movable and destructible, nothing else") {
    rondo::testing::run(moves_plain_messages());
    rondo::testing::run(sends_nothing_as_message());
}

// ---- Waiting, in order ----

TEST_CASE("a pop waits for a push, and is resumed by the loop alone") {
    event_loop loop(support::virtual_time());
    bounded_queue<int> queue(1);
    lines log;
    loop.spawn(pops(queue, log, "a"));
    settle(loop);
    fill(queue, 1);
    CHECK(log.empty());
    settle(loop);
    CHECK(log == lines{"a1"});
}

TEST_CASE("a push waits for room, and is resumed by the loop alone") {
    event_loop loop(support::virtual_time());
    bounded_queue<int> queue(1);
    lines log;
    fill(queue, 1);
    loop.spawn(pushes(queue, log, 2));
    settle(loop);
    CHECK(log.empty());
    const std::optional<int> first = queue.try_pop();
    CHECK(first == 1);
    CHECK(log.empty());
    settle(loop);
    CHECK(log == lines{"pushed 2"});
    CHECK(drain(queue) == numbers{2});
}

TEST_CASE("waiting poppers are served in the order in which they came") {
    event_loop loop(support::virtual_time());
    bounded_queue<int> queue(4);
    lines log;
    for (const char* const name : {"a", "b", "c", "d"}) loop.spawn(pops(queue, log, name));
    settle(loop);
    fill(queue, 1, 2);
    settle(loop);
    CHECK(log == lines{"a1", "b2"});
    fill(queue, 3, 4, 5);
    settle(loop);
    CHECK(log == lines{"a1", "b2", "c3", "d4"});
    CHECK(drain(queue) == numbers{5});
}

TEST_CASE("waiting pushers are served in the order in which they came") {
    event_loop loop(support::virtual_time());
    bounded_queue<int> queue(1);
    lines log;
    for (int i = 1; i <= 4; ++i) loop.spawn(pushes(queue, log, i));
    settle(loop);
    CHECK(log == lines{"pushed 1"});
    for (int i = 1; i <= 4; ++i) {
        const std::optional<int> message = queue.try_pop();
        CHECK(message == i);
    }
    settle(loop);
    CHECK(log == lines{"pushed 1", "pushed 2", "pushed 3", "pushed 4"});
}

TEST_CASE("several rooms at once serve several pushers") {
    event_loop loop(support::virtual_time());
    bounded_queue<int> queue(3);
    lines log;
    fill(queue, 1, 2, 3);
    for (int i = 4; i <= 7; ++i) loop.spawn(pushes(queue, log, i));
    settle(loop);
    CHECK(drain(queue) == numbers{1, 2, 3, 4, 5, 6, 7});
    settle(loop);
    CHECK(log == lines{"pushed 4", "pushed 5", "pushed 6", "pushed 7"});
}

TEST_CASE("nobody takes what a woken popper is entitled to") {
    event_loop loop(support::virtual_time());
    bounded_queue<int> queue(2);
    lines log;
    loop.spawn(pops(queue, log, "a"));
    settle(loop);
    fill(queue, 1);
    CHECK(queue.empty());
    const std::optional<int> stolen = queue.try_pop();
    CHECK(!stolen);
    loop.spawn(pops(queue, log, "late"));
    fill(queue, 2);
    CHECK(!queue.empty());  // one message for the woken one, one for whoever comes
    settle(loop);
    CHECK(log == lines{"a1", "late2"});
}

TEST_CASE("a try_pop, or a pop that need not wait, takes from behind the share of woken poppers") {
    event_loop loop(support::virtual_time());
    bounded_queue<int> queue(4);
    lines log;
    loop.spawn(pops(queue, log, "first "));
    loop.spawn(pops(queue, log, "a"));
    settle(loop);
    fill(queue, 0);
    settle(loop);
    loop.spawn(pops(queue, log, "b"));  // starts before `a`, which the next message wakes, resumes
    fill(queue, 1, 2, 3);
    const std::optional<int> taken = queue.try_pop();
    CHECK(taken == 2);
    CHECK(!queue.empty());
    settle(loop);
    CHECK(log == lines{"first 0", "b3", "a1"});
    CHECK(queue.empty());
    const std::optional<int> none = queue.try_pop();
    CHECK(!none);
}

TEST_CASE("nobody takes the room that a waiting pusher is entitled to") {
    event_loop loop(support::virtual_time());
    bounded_queue<int> queue(1);
    lines log;
    fill(queue, 1);
    loop.spawn(pushes(queue, log, 2));
    settle(loop);
    const std::optional<int> first = queue.try_pop();
    CHECK(first == 1);
    CHECK(queue.full());
    CHECK(!queue.try_push(3));
    loop.spawn(pushes(queue, log, 4));
    settle(loop);
    CHECK(log == lines{"pushed 2"});
    CHECK(drain(queue) == numbers{2, 4});
}

TEST_CASE("a popper that comes later waits its turn behind woken ones") {
    event_loop loop(support::virtual_time());
    bounded_queue<int> queue(1);
    lines log;
    loop.spawn(pops(queue, log, "a"));
    settle(loop);
    loop.spawn(pops(queue, log, "b"));
    fill(queue, 1);
    settle(loop);
    CHECK(log == lines{"a1"});
    fill(queue, 2);
    settle(loop);
    CHECK(log == lines{"a1", "b2"});
}

// ---- Cancellation ----

TEST_CASE("a cancelled pop that waits takes no message") {
    event_loop loop(support::virtual_time());
    bounded_queue<int> queue(2);
    lines log;
    auto a = loop.spawn(pops(queue, log, "a"));
    loop.spawn(pops(queue, log, "b"));
    settle(loop);
    a.cancel();
    CHECK(a.done());
    fill(queue, 1);
    settle(loop);
    CHECK(log == lines{"b1"});
}

TEST_CASE("a cancelled pop gives its message to the next popper") {
    event_loop loop(support::virtual_time());
    bounded_queue<int> queue(2);
    lines log;
    auto a = loop.spawn(pops(queue, log, "a"));
    loop.spawn(pops(queue, log, "b"));
    settle(loop);
    fill(queue, 1);
    a.cancel();
    CHECK(a.done());
    CHECK(queue.empty());
    settle(loop);
    CHECK(log == lines{"b1"});
}

TEST_CASE("a cancelled pop gives its message back when nobody waits") {
    event_loop loop(support::virtual_time());
    bounded_queue<int> queue(2);
    lines log;
    auto a = loop.spawn(pops(queue, log, "a"));
    settle(loop);
    fill(queue, 1, 2);
    a.cancel();
    CHECK(queue.size() == 2);
    CHECK(drain(queue) == numbers{1, 2});
    settle(loop);
    CHECK(log.empty());
}

TEST_CASE("when the first of two woken poppers is cancelled, the second takes the first message") {
    event_loop loop(support::virtual_time());
    bounded_queue<int> queue(2);
    lines log;
    auto a = loop.spawn(pops(queue, log, "a"));
    loop.spawn(pops(queue, log, "b"));
    settle(loop);
    fill(queue, 1, 2);
    a.cancel();
    settle(loop);
    CHECK(log == lines{"b1"});
    CHECK(drain(queue) == numbers{2});
}

TEST_CASE("a message wanders along a row of cancelled poppers") {
    event_loop loop(support::virtual_time());
    bounded_queue<int> queue(1);
    lines log;
    std::vector<rondo::join_handle<>> handles;
    for (int i = 0; i < 100; ++i) handles.push_back(loop.spawn(pops(queue, log, "x")));
    loop.spawn(pops(queue, log, "last"));
    settle(loop);
    fill(queue, 1);
    for (auto& handle : handles) handle.cancel();
    CHECK(queue.empty());
    settle(loop);
    CHECK(log == lines{"last1"});
}

TEST_CASE("a cancelled push that waits leaves its value as it was, and its place goes to the next") {
    event_loop loop(support::virtual_time());
    bounded_queue<std::string> queue(1);
    std::string texts[] = {"first", "second, cancelled", "third"};
    rondo::join_handle<bool> handles[] = {loop.spawn(pushes_text(queue, texts[0])),
                                          loop.spawn(pushes_text(queue, texts[1])),
                                          loop.spawn(pushes_text(queue, texts[2]))};
    settle(loop);
    handles[1].cancel();
    CHECK(handles[1].done());
    CHECK(texts[1] == "second, cancelled");
    std::optional<std::string> message = queue.try_pop();
    CHECK(message == "first");
    message = queue.try_pop();
    CHECK(message == "third");
    CHECK(queue.empty());
    settle(loop);
    CHECK(handles[2].done());
}

TEST_CASE("a push that was given room has happened, even when its task is cancelled before it runs") {
    event_loop loop(support::virtual_time());
    bounded_queue<int> queue(1);
    lines log;
    fill(queue, 1);
    auto pusher = loop.spawn(pushes(queue, log, 2));
    auto next = loop.spawn(pushes(queue, log, 3));
    settle(loop);
    std::optional<int> message = queue.try_pop();
    CHECK(message == 1);
    pusher.cancel();
    CHECK(pusher.done());
    CHECK(queue.full());
    settle(loop);
    CHECK(!next.done());
    message = queue.try_pop();
    CHECK(message == 2);
    settle(loop);
    CHECK(log == lines{"pushed 3"});
    CHECK(drain(queue) == numbers{3});
}

TEST_CASE("an operation whose task is cancelled before its first step does nothing") {
    event_loop loop(support::virtual_time());
    bounded_queue<int> queue(2);
    lines log;
    fill(queue, 1);
    auto popper = loop.spawn(pops(queue, log, "a"));
    auto pusher = loop.spawn(pushes(queue, log, 2));
    popper.cancel();
    pusher.cancel();
    settle(loop);
    CHECK(log.empty());
    CHECK(drain(queue) == numbers{1});
}

TEST_CASE("three waiting pushers, two of them cancelled: the third is served") {
    event_loop loop(support::virtual_time());
    bounded_queue<int> queue(1);
    lines log;
    fill(queue, 0);
    auto one = loop.spawn(pushes(queue, log, 1));
    auto two = loop.spawn(pushes(queue, log, 2));
    loop.spawn(pushes(queue, log, 3));
    settle(loop);
    one.cancel();
    two.cancel();
    CHECK(drain(queue) == numbers{0, 3});
    settle(loop);
    CHECK(log == lines{"pushed 3"});
}

namespace {

enum class moment { before_start, waiting, woken, done };

// Cancels a pop and a push at a given moment; what is in the queue afterwards must fit what they say they did.
void cancel_at(moment when) {
    event_loop loop(support::virtual_time());
    bounded_queue<int> empty(1);
    bounded_queue<int> full(1);
    lines log;
    fill(full, 1);
    auto popper = loop.spawn(pops(empty, log, "popped "));
    auto pusher = loop.spawn(pushes(full, log, 2));
    if (when != moment::before_start) settle(loop);
    if (when >= moment::woken) {
        fill(empty, 3);
        const std::optional<int> message = full.try_pop();
        CHECK(message == 1);
    }
    if (when == moment::done) settle(loop);
    popper.cancel();
    pusher.cancel();
    CHECK(popper.done());
    CHECK(pusher.done());
    popper.cancel();
    pusher.cancel();
    settle(loop);
    switch (when) {
        case moment::before_start:
        case moment::waiting:
            CHECK(log.empty());
            CHECK(drain(empty).empty());
            CHECK(drain(full) == numbers{1});
            break;
        case moment::woken:
            CHECK(log.empty());
            CHECK(drain(empty) == numbers{3});
            CHECK(drain(full) == numbers{2});
            break;
        case moment::done:
            CHECK(log == lines{"popped 3", "pushed 2"});
            CHECK(drain(empty).empty());
            CHECK(drain(full) == numbers{2});
            break;
    }
}

}  // namespace

TEST_CASE("a push or pop is cancelled at any moment, and loses and duplicates nothing") {
    for (const moment when : {moment::before_start, moment::waiting, moment::woken, moment::done}) {
        INFO("moment " << static_cast<int>(when));
        cancel_at(when);
    }
}

TEST_CASE("many waiters are cancelled and closed in linear time and constant stack") {
    constexpr std::size_t count = 100'000;
    event_loop loop(support::virtual_time());
    bounded_queue<int> queue(1);
    lines log;
    std::vector<rondo::join_handle<>> handles;
    for (std::size_t i = 0; i < count; ++i) handles.push_back(loop.spawn(pops(queue, log, "x")));
    settle(loop);
    fill(queue, 1);
    for (std::size_t i = count; i-- > 0;)
        if (i % 2 == 0) handles[i].cancel();
    settle(loop);
    CHECK(log == lines{"x1"});
    queue.close();
    settle(loop);
    CHECK(log.size() == count / 2);
}

// ---- Closing ----

TEST_CASE("close ends waiting pops, in the order in which they came") {
    event_loop loop(support::virtual_time());
    bounded_queue<int> queue(1);
    lines log;
    for (const char* const name : {"a", "b", "c"}) loop.spawn(pops(queue, log, name));
    settle(loop);
    queue.close();
    CHECK(queue.is_closed());
    CHECK(log.empty());
    settle(loop);
    CHECK(log == lines{"a closed", "b closed", "c closed"});
}

TEST_CASE("close fails waiting pushes and leaves their values as they were") {
    event_loop loop(support::virtual_time());
    bounded_queue<std::string> queue(1);
    std::string texts[] = {"in the queue", "waiting", "waiting as well"};
    rondo::join_handle<bool> handles[] = {loop.spawn(pushes_text(queue, texts[0])),
                                          loop.spawn(pushes_text(queue, texts[1])),
                                          loop.spawn(pushes_text(queue, texts[2]))};
    settle(loop);
    queue.close();
    lines log;
    for (auto& handle : handles) loop.run(joins(handle, log));
    CHECK(log == lines{"pushed", "closed", "closed"});
    CHECK(texts[1] == "waiting");
    CHECK(texts[2] == "waiting as well");
    std::optional<std::string> message = queue.try_pop();
    CHECK(message == "in the queue");
    message = queue.try_pop();
    CHECK(!message);
}

TEST_CASE("after close pushes throw at once, try_push is refused, and pops drain what is there") {
    event_loop loop(support::virtual_time());
    bounded_queue<int> queue(3);
    lines log;
    fill(queue, 1, 2);
    queue.close();
    CHECK(!queue.try_push(3));
    loop.spawn(pushes(queue, log, 4));
    for (const char* const name : {"a", "b", "c"}) loop.spawn(pops(queue, log, name));
    loop.poll();
    CHECK(log == lines{"closed 4", "a1", "b2", "c closed"});
    CHECK(queue.empty());
}

TEST_CASE("closing again changes nothing") {
    event_loop loop(support::virtual_time());
    bounded_queue<int> queue(1);
    lines log;
    fill(queue, 1);
    queue.close();
    queue.close();
    CHECK(queue.is_closed());
    CHECK(drain(queue) == numbers{1});
    queue.close();
    loop.spawn(pops(queue, log, "a"));
    settle(loop);
    CHECK(log == lines{"a closed"});
}

TEST_CASE("a popper that was served before close keeps its message") {
    event_loop loop(support::virtual_time());
    bounded_queue<int> queue(1);
    lines log;
    loop.spawn(pops(queue, log, "a"));
    loop.spawn(pops(queue, log, "b"));
    settle(loop);
    fill(queue, 1);
    queue.close();
    settle(loop);
    CHECK(log == lines{"a1", "b closed"});
}

TEST_CASE("when a popper that was served before close is cancelled, the next one takes the message") {
    event_loop loop(support::virtual_time());
    bounded_queue<int> queue(1);
    lines log;
    auto a = loop.spawn(pops(queue, log, "a"));
    loop.spawn(pops(queue, log, "b"));
    loop.spawn(pops(queue, log, "c"));
    settle(loop);
    fill(queue, 1);
    queue.close();
    a.cancel();
    settle(loop);
    CHECK(log == lines{"b1", "c closed"});
}

TEST_CASE("a push that was given room before close has happened") {
    event_loop loop(support::virtual_time());
    bounded_queue<int> queue(1);
    lines log;
    fill(queue, 1);
    loop.spawn(pushes(queue, log, 2));
    loop.spawn(pushes(queue, log, 3));
    settle(loop);
    const std::optional<int> message = queue.try_pop();
    CHECK(message == 1);
    queue.close();
    settle(loop);
    CHECK(log == lines{"pushed 2", "closed 3"});
    CHECK(drain(queue) == numbers{2});
}

TEST_CASE("what close has woken may be cancelled") {
    event_loop loop(support::virtual_time());
    bounded_queue<int> empty(1);
    bounded_queue<std::string> full(1);
    lines log;
    std::string texts[] = {"one", "two"};
    auto popper = loop.spawn(pops(empty, log, "a"));
    loop.spawn(pops(empty, log, "b"));
    loop.spawn(pushes_text(full, texts[0]));
    auto pusher = loop.spawn(pushes_text(full, texts[1]));
    settle(loop);
    empty.close();
    full.close();
    popper.cancel();
    pusher.cancel();
    CHECK(popper.done());
    CHECK(pusher.done());
    CHECK(texts[1] == "two");
    settle(loop);
    CHECK(log == lines{"b closed"});
}

namespace {

task<> produces(bounded_queue<int>& queue, int first, int count) {
    for (int i = first; i < first + count; ++i) co_await queue.push(i);
}

task<> consumes(bounded_queue<int>& queue, numbers& got) {
    for (;;) {
        const std::optional<int> message = co_await queue.pop();
        if (!message) co_return;
        got.push_back(*message);
        if (*message % 3 == 0) co_await rondo::yield();
    }
}

task<> closes_behind(bounded_queue<int>& queue, rondo::join_handle<>& producer) {
    co_await producer;
    queue.close();
}

task<> drains_after_close(numbers& got) {
    bounded_queue<int> queue(5);
    auto producer = rondo::spawn(produces(queue, 0, 1000));
    co_await rondo::when_all(consumes(queue, got), closes_behind(queue, producer));
    CHECK(queue.empty());
}

task<> four_and_four(std::vector<numbers>& got) {
    bounded_queue<int> queue(3);
    std::vector<rondo::join_handle<>> consumers;
    for (numbers& place : got) consumers.push_back(rondo::spawn(consumes(queue, place)));
    co_await rondo::when_all(produces(queue, 0, 1000), produces(queue, 1000, 1000), produces(queue, 2000, 1000),
                             produces(queue, 3000, 1000));
    queue.close();
    for (auto& consumer : consumers) co_await consumer;
}

task<> echoes(bounded_queue<int>& in, bounded_queue<int>& out) {
    for (;;) {
        const std::optional<int> message = co_await in.pop();
        if (!message) break;
        co_await out.push(*message + 1);
    }
    out.close();
}

task<> plays(bounded_queue<int>& out, bounded_queue<int>& in, int rounds, int& last) {
    for (int i = 0; i < rounds; ++i) {
        co_await out.push(last);
        const std::optional<int> message = co_await in.pop();
        last = message.value();
    }
    out.close();
}

task<> ping_pong(int rounds, int& last) {
    bounded_queue<int> ping(1);
    bounded_queue<int> pong(1);
    co_await rondo::when_all(plays(ping, pong, rounds, last), echoes(ping, pong));
}

}  // namespace

TEST_CASE("a consumer drains everything that was pushed before close") {
    numbers got;
    rondo::testing::run(drains_after_close(got));
    REQUIRE(got.size() == 1000);
    CHECK(std::is_sorted(got.begin(), got.end()));
}

TEST_CASE("four producers and four consumers: each message arrives once, those of a producer in order") {
    std::vector<numbers> got(4);
    rondo::testing::run(four_and_four(got));
    std::vector<bool> seen(4000);
    std::size_t count = 0;
    for (const numbers& messages : got) {
        int last[4] = {-1, -1, -1, -1};
        CHECK(!messages.empty());
        for (const int message : messages) {
            const auto index = static_cast<std::size_t>(message);
            if (seen[index]) FAIL("message " << message << " arrived twice");
            seen[index] = true;
            if (message <= last[index / 1000]) FAIL("message " << message << " is out of order");
            last[index / 1000] = message;
            ++count;
        }
    }
    CHECK(count == 4000);
}

TEST_CASE("two queues of capacity 1 play ping-pong") {
    int last = 0;
    rondo::testing::run(ping_pong(10'000, last));
    CHECK(last == 10'000);
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

task<> pops_fragile(bounded_queue<fragile>& queue, lines& log, std::string name) {
    try {
        const std::optional<fragile> message = co_await queue.pop();
        log.push_back(name + (message ? std::to_string(message->number) : " closed"));
    } catch (const std::runtime_error& error) {
        log.push_back(name + " " + error.what());
    }
}

task<> pushes_fragile(bounded_queue<fragile>& queue, lines& log, fragile& message) {
    const std::string name = "push " + std::to_string(message.number);
    try {
        co_await queue.push(std::move(message));
        log.push_back(name);
    } catch (const std::runtime_error& error) {
        log.push_back(name + " " + error.what());
    }
}

task<> emplaces_fragile(bounded_queue<fragile>& queue, lines& log, int number) {
    const std::string name = "emplace " + std::to_string(number);
    try {
        co_await queue.emplace(number);
        log.push_back(name);
    } catch (const std::exception& error) {
        log.push_back(name + " " + error.what());
    }
}

}  // namespace

TEST_CASE("a push whose move throws has done nothing") {
    event_loop loop(support::virtual_time());
    bounded_queue<fragile> queue(1);
    lines log;
    fragile message(1);
    {
        one_is_bad guard(1);
        loop.spawn(pushes_fragile(queue, log, message));
        settle(loop);
        CHECK(log == lines{"push 1 moved"});
        CHECK_THROWS_AS(queue.try_push(std::move(message)), std::runtime_error);
        CHECK(message.number == 1);
        CHECK(queue.empty());
        CHECK(!queue.full());
    }
    CHECK(queue.try_push(std::move(message)));
}

TEST_CASE("a push whose move throws does not wake a waiting popper") {
    event_loop loop(support::virtual_time());
    bounded_queue<fragile> queue(1);
    lines log;
    loop.spawn(pops_fragile(queue, log, "a"));
    settle(loop);
    fragile one(1);
    {
        one_is_bad guard(1);
        CHECK_THROWS_AS(queue.try_push(std::move(one)), std::runtime_error);
        settle(loop);
        CHECK(log.empty());
    }
    CHECK(queue.try_push(fragile(2)));
    settle(loop);
    CHECK(log == lines{"a2"});
}

TEST_CASE("a pop whose move throws leaves the message at the front") {
    event_loop loop(support::virtual_time());
    bounded_queue<fragile> queue(2);
    lines log;
    CHECK(queue.try_push(fragile(1)));
    CHECK(queue.try_push(fragile(2)));
    {
        one_is_bad guard(1);
        CHECK_THROWS_AS(queue.try_pop(), std::runtime_error);
        CHECK(queue.size() == 2);
        loop.spawn(pops_fragile(queue, log, "a"));
        settle(loop);
        CHECK(log == lines{"a moved"});
        CHECK(queue.size() == 2);
        CHECK(queue.full());
    }
    loop.spawn(pops_fragile(queue, log, "b"));
    loop.spawn(pops_fragile(queue, log, "c"));
    settle(loop);
    CHECK(log == lines{"a moved", "b1", "c2"});
}

TEST_CASE("when the move to a woken popper throws, the message goes to the next one") {
    event_loop loop(support::virtual_time());
    bounded_queue<fragile> queue(1);
    lines log;
    loop.spawn(pops_fragile(queue, log, "a"));
    loop.spawn(pops_fragile(queue, log, "b"));
    settle(loop);
    CHECK(queue.try_push(fragile(1)));
    {
        one_is_bad guard(1);
        loop.poll();
        CHECK(log == lines{"a moved"});
    }
    settle(loop);
    CHECK(log == lines{"a moved", "b1"});
}

TEST_CASE("a move that throws while a waiting push is served is that pusher's, and the next one is served") {
    event_loop loop(support::virtual_time());
    bounded_queue<fragile> queue(1);
    lines log;
    CHECK(queue.try_push(fragile(1)));
    fragile two(2);
    fragile three(3);
    loop.spawn(pushes_fragile(queue, log, two));
    loop.spawn(pushes_fragile(queue, log, three));
    settle(loop);
    {
        one_is_bad guard(2);
        const std::optional<fragile> message = queue.try_pop();
        REQUIRE(message);
        CHECK(message->number == 1);
        settle(loop);
    }
    CHECK(log == lines{"push 2 moved", "push 3"});
    CHECK(two.number == 2);
    const std::optional<fragile> next = queue.try_pop();
    REQUIRE(next);
    CHECK(next->number == 3);
}

TEST_CASE("an emplace whose constructor throws has done nothing, also when it waited") {
    event_loop loop(support::virtual_time());
    bounded_queue<fragile> queue(1);
    lines log;
    loop.spawn(emplaces_fragile(queue, log, -1));
    settle(loop);
    CHECK(log == lines{"emplace -1 negative"});
    CHECK(queue.empty());
    log.clear();
    loop.spawn(emplaces_fragile(queue, log, 1));
    loop.spawn(emplaces_fragile(queue, log, -2));
    loop.spawn(emplaces_fragile(queue, log, 3));
    settle(loop);
    for (int i = 0; i < 2; ++i) {
        const std::optional<fragile> message = queue.try_pop();
        REQUIRE(message);
        CHECK(message->number == (i == 0 ? 1 : 3));
        settle(loop);
    }
    CHECK(queue.empty());
    std::sort(log.begin(), log.end());
    CHECK(log == lines{"emplace -2 negative", "emplace 1", "emplace 3"});
}

// ---- Lifetimes: queues and loops ----

TEST_CASE("tasks that wait on a destroyed queue never resume, and unwind when they are cancelled") {
    event_loop loop(support::virtual_time());
    std::optional<bounded_queue<int>> empty(1);
    std::optional<bounded_queue<std::string>> full(1);
    lines log;
    std::string texts[] = {"in the queue", "waiting"};
    auto popper = loop.spawn(pops(*empty, log, "a"));
    loop.spawn(pushes_text(*full, texts[0]));
    auto pusher = loop.spawn(pushes_text(*full, texts[1]));
    settle(loop);
    empty.reset();
    full.reset();
    settle(loop);
    CHECK(!popper.done());
    CHECK(!pusher.done());
    popper.cancel();
    pusher.cancel();
    CHECK(popper.done());
    CHECK(pusher.done());
    CHECK(texts[1] == "waiting");
    settle(loop);
    CHECK(log.empty());
}

TEST_CASE("a woken popper whose queue is destroyed before it runs never resumes, and unwinds when it is cancelled") {
    event_loop loop(support::virtual_time());
    std::optional<bounded_queue<int>> queue(1);
    lines log;
    auto popper = loop.spawn(pops(*queue, log, "a"));
    settle(loop);
    fill(*queue, 1);
    queue.reset();
    settle(loop);
    CHECK(log.empty());
    CHECK(!popper.done());
    popper.cancel();
    CHECK(popper.done());
}

TEST_CASE("whatever a queue's tasks had been told before it was destroyed, they can be cancelled") {
    event_loop loop(support::virtual_time());
    lines log;
    for (const bool run : {false, true}) {
        std::optional<bounded_queue<int>> given_room(1);
        std::optional<bounded_queue<int>> closed(1);
        fill(*given_room, 1);
        auto pusher = loop.spawn(pushes(*given_room, log, 2));
        auto popper = loop.spawn(pops(*closed, log, "a"));
        settle(loop);
        const std::optional<int> message = given_room->try_pop();
        CHECK(message == 1);
        closed->close();
        given_room.reset();
        closed.reset();
        if (run) settle(loop);
        pusher.cancel();
        popper.cancel();
        CHECK(pusher.done());
        CHECK(popper.done());
        settle(loop);
    }
}

namespace {

task<> owns_its_queue(lines& log, std::optional<rondo::join_handle<>>& other) {
    bounded_queue<int> queue(1);
    other.emplace(rondo::spawn(pops(queue, log, "a")));
    co_await rondo::sleep(1ms);
}

task<> stuck_pop(bounded_queue<int>& queue, unsigned& line) {
    line = __LINE__ + 1;
    co_await queue.pop();
}

task<> stuck_push(bounded_queue<int>& queue, unsigned& line) {
    line = __LINE__ + 1;
    co_await queue.push(1);
}

task<> stuck_emplace(bounded_queue<int>& queue, unsigned& line) {
    line = __LINE__ + 1;
    co_await queue.emplace(1);
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
    return report.find("bounded_queue.cpp:" + std::to_string(line)) != std::string::npos;
}

}  // namespace

TEST_CASE("a queue may die with the task that made it while others wait on it") {
    event_loop loop(support::virtual_time());
    lines log;
    std::optional<rondo::join_handle<>> other;
    loop.run(owns_its_queue(log, other));
    CHECK(!other->done());
    other->cancel();
    CHECK(other->done());
    CHECK(log.empty());
}

TEST_CASE("a queue outlives a loop, and loses nothing by that") {
    bounded_queue<int> queue(2);
    bounded_queue<std::string> full(1);
    std::string texts[] = {"kept", "waiting"};
    lines log;
    {
        event_loop loop(support::virtual_time());
        loop.spawn(pops(queue, log, "woken "));
        loop.spawn(pops(queue, log, "waiting "));
        loop.spawn(pushes_text(full, texts[0]));
        loop.spawn(pushes_text(full, texts[1]));
        settle(loop);
        fill(queue, 1);
    }
    CHECK(log.empty());
    CHECK(texts[1] == "waiting");
    CHECK(drain(queue) == numbers{1});
    fill(queue, 2);
    event_loop next(support::virtual_time());
    next.spawn(pops(queue, log, "next "));
    settle(next);
    CHECK(log == lines{"next 2"});
    const std::optional<std::string> kept = full.try_pop();
    CHECK(kept == "kept");
    CHECK(full.empty());
}

TEST_CASE("a loop that goes away leaves no waiter on a queue that stays, and none on one that is gone") {
    std::optional<bounded_queue<int>> gone(1);
    bounded_queue<int> stays(1);
    lines log;
    {
        event_loop loop(support::virtual_time());
        loop.spawn(pops(*gone, log, "a"));
        loop.spawn(pops(stays, log, "b"));
        settle(loop);
        gone.reset();
    }
    fill(stays, 1);
    CHECK(drain(stays) == numbers{1});
    CHECK(log.empty());
}

namespace {
bounded_queue<std::string> global_queue(2);  // with a message in it when the program ends

task<> uses_the_global_queue() {
    co_await global_queue.push(std::string("a message that is too long for the small string optimisation"));
    co_await global_queue.push(std::string("another one"));
    const std::optional<std::string> message = co_await global_queue.pop();
    CHECK(message.value().size() > 20);
}
}  // namespace

TEST_CASE("a queue may be global") {
    rondo::testing::run(uses_the_global_queue());
    CHECK(global_queue.size() == 1);
}

TEST_CASE("two loops on one thread share a queue when they are polled in turn") {
    bounded_queue<int> queue(3);
    event_loop here(support::virtual_time());
    event_loop there(support::virtual_time());
    numbers got;
    auto producer = here.spawn(produces(queue, 0, 1000));
    auto consumer = there.spawn(consumes(queue, got));
    for (int i = 0; i < 10'000 && !producer.done(); ++i) {
        here.poll();
        there.poll();
    }
    queue.close();
    while (here.poll() + there.poll() != 0) {
    }
    CHECK(consumer.done());
    REQUIRE(got.size() == 1000);
    CHECK(std::is_sorted(got.begin(), got.end()));
}

TEST_CASE("a message that a loop's popper gives back goes to the other loop's popper") {
    bounded_queue<int> queue(1);
    event_loop here(support::virtual_time());
    event_loop there(support::virtual_time());
    lines log;
    auto one = here.spawn(pops(queue, log, "here "));
    settle(here);
    there.spawn(pops(queue, log, "there "));
    settle(there);
    fill(queue, 1);
    one.cancel();
    settle(here);
    settle(there);
    CHECK(log == lines{"there 1"});
}

TEST_CASE("the stuck report names the line of a push, a pop and an emplace that wait") {
    bounded_queue<int> empty(1);
    bounded_queue<int> full(1);
    fill(full, 1);
    unsigned line = 0;
    std::string report = stuck_report(stuck_pop(empty, line));
    INFO(report);
    CHECK(names(report, line));
    report = stuck_report(stuck_push(full, line));
    CHECK(names(report, line));
    report = stuck_report(stuck_emplace(full, line));
    CHECK(names(report, line));
}

TEST_CASE("the stuck report says that the queue is gone") {
    event_loop loop(support::virtual_time());
    std::optional<bounded_queue<int>> queue(1);
    unsigned line = 0;
    std::string report;
    loop.spawn(stuck_pop(*queue, line));
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
