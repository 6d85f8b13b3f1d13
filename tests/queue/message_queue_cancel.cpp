// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

// Whatever ends a consumer, its message is not lost: exceptions, cancellation, lost races, timeouts, and the end of its loop.

#include <support/clocks.hpp>
#include <support/journal.hpp>
#include <support/leak_check.hpp>
#include <support/tasks.hpp>
#include <support/tracked.hpp>

#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <catch2/catch_test_macros.hpp>

#include <cstddef>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

namespace {

using namespace std::chrono_literals;
using rondo::bounded_queue;
using rondo::delivery;
using rondo::event_loop;
using rondo::message_queue;
using rondo::task;
using rondo::try_with_timeout;
using rondo::when_all;
using rondo::when_all_settled;
using rondo::when_any;
using rondo::with_timeout;
using support::lines;

using queue_of_int = message_queue<int>;
using delivery_of_int = std::optional<delivery<int>>;

void settle(event_loop& loop) {
    while (loop.poll() != 0) {
    }
}

template <class... Values>
void fill(queue_of_int& queue, Values... values) {
    for (const int value : {values...}) REQUIRE(queue.try_push(value));
}

std::string text_of(const delivery_of_int& d) {
    return d ? std::to_string(**d) + "#" + std::to_string(d->attempt()) : "nothing";
}

// What is queued, in order, as number#attempt; acknowledges it.
lines drain(queue_of_int& queue) {
    lines messages;
    while (delivery_of_int d = queue.try_receive()) {
        messages.push_back(text_of(d));
        d->ack();
    }
    return messages;
}

task<> receives(queue_of_int& queue, lines& log, std::string name) {
    delivery_of_int d = co_await queue.receive();
    log.push_back(name + " " + text_of(d));
    if (d) d->ack();
}

// Receives a message and works on it for ever.
task<> works_for_ever(queue_of_int& queue, lines& log, std::string name) {
    const delivery_of_int d = co_await queue.receive();
    log.push_back(name + " " + text_of(d));
    co_await support::for_ever();
}

task<> pushes(queue_of_int& queue, lines& log, int message) {
    try {
        co_await queue.push(message);
        log.push_back("pushed " + std::to_string(message));
    } catch (const rondo::queue_closed&) {
        log.push_back("closed " + std::to_string(message));
    }
}

task<> joins(queue_of_int& queue, lines& log) {
    co_await queue.join();
    log.push_back("joined");
}

}  // namespace

// ---- A consumer that has a message ----

namespace {

task<> fails_with(queue_of_int& queue) {
    const delivery_of_int d = co_await queue.receive();
    throw std::runtime_error(text_of(d));
}

task<> catches(queue_of_int& queue, lines& log) {
    for (int i = 0; i < 3; ++i) {
        try {
            co_await fails_with(queue);
        } catch (const std::runtime_error& error) {
            log.push_back(error.what());
        }
    }
}

}  // namespace

TEST_CASE("a consumer that throws loses its message to the front, one attempt older") {
    queue_of_int queue(2);
    lines log;
    fill(queue, 1, 2);
    rondo::testing::run(catches(queue, log));
    CHECK(log == lines{"1#1", "1#2", "1#3"});
    CHECK(queue.in_flight() == 0);
    CHECK(drain(queue) == lines{"1#4", "2#1"});
}

TEST_CASE("a spawned consumer that throws has given its message back, even if nobody has joined it") {
    event_loop loop(support::virtual_time());
    queue_of_int queue(1);
    fill(queue, 1);
    const auto handle = loop.spawn(fails_with(queue));
    loop.on_unhandled_exception([](std::exception_ptr) {});
    loop.poll();
    CHECK(handle.done());
    CHECK(drain(queue) == lines{"1#2"});
}

TEST_CASE("a cancelled consumer loses its message to the next one, before cancel returns") {
    event_loop loop(support::virtual_time());
    queue_of_int queue(2);
    lines log;
    fill(queue, 1);
    auto worker = loop.spawn(works_for_ever(queue, log, "worker"));
    loop.spawn(receives(queue, log, "next"));
    settle(loop);
    worker.cancel();
    CHECK(worker.done());
    CHECK(queue.in_flight() == 1);  // reserved already
    CHECK(log == lines{"worker 1#1"});
    settle(loop);
    CHECK(log == lines{"worker 1#1", "next 1#2"});
}

TEST_CASE("a cancelled consumer loses its message to the front when nobody waits") {
    event_loop loop(support::virtual_time());
    queue_of_int queue(2);
    lines log;
    fill(queue, 1, 2);
    auto worker = loop.spawn(works_for_ever(queue, log, "worker"));
    settle(loop);
    worker.cancel();
    CHECK(queue.size() == 2);
    CHECK(queue.in_flight() == 0);
    CHECK(drain(queue) == lines{"1#2", "2#1"});
}

TEST_CASE("a consumer that is cancelled after its ack takes nothing with it") {
    event_loop loop(support::virtual_time());
    queue_of_int queue(1);
    auto works = [](queue_of_int& q) -> task<> {
        delivery_of_int d = co_await q.receive();
        d->ack();
        co_await support::for_ever();
    };
    fill(queue, 1);
    auto worker = loop.spawn(works(queue));
    settle(loop);
    worker.cancel();
    CHECK(drain(queue).empty());
}

TEST_CASE("consumers that go with their loop leave their messages in the queue") {
    queue_of_int queue(4);
    lines log;
    {
        event_loop loop(support::virtual_time());
        for (const char* const name : {"a", "b", "c"}) loop.spawn(works_for_ever(queue, log, name));
        fill(queue, 1, 2, 3, 4);
        settle(loop);
        CHECK(queue.in_flight() == 3);
    }
    CHECK(log == lines{"a 1#1", "b 2#1", "c 3#1"});
    CHECK(queue.in_flight() == 0);
    CHECK(queue.size() == 4);
    int sum = 0;
    while (delivery_of_int d = queue.try_receive()) {
        sum += **d;
        CHECK(d->attempt() == (**d == 4 ? 1 : 2));
        d->ack();
    }
    CHECK(sum == 10);
}

TEST_CASE("a failing sibling takes the message from a consumer, and it is back when the parent goes on") {
    queue_of_int queue(1);
    fill(queue, 1);
    auto main = [](queue_of_int& q) -> task<> {
        lines log;
        auto fails = []() -> task<> {
            co_await rondo::sleep(1ms);
            throw std::runtime_error("sibling");
        };
        bool caught = false;
        try {
            co_await when_all(works_for_ever(q, log, "worker"), fails());
        } catch (const std::runtime_error&) {
            caught = true;
        }
        CHECK(caught);
        CHECK(log == lines{"worker 1#1"});
        CHECK(q.size() == 1);
        delivery_of_int d = co_await q.receive();
        CHECK(d->attempt() == 2);
        d->ack();
    };
    rondo::testing::run(main(queue));
}

TEST_CASE("a tree that is cancelled gives its messages to nobody in it") {
    event_loop loop(support::virtual_time());
    queue_of_int queue(1);
    lines log;
    auto tree = [](queue_of_int& q, lines& out) -> task<> {
        co_await when_all(works_for_ever(q, out, "a"), receives(q, out, "b"), works_for_ever(q, out, "c"));
    };
    fill(queue, 1);
    auto root = loop.spawn(tree(queue, log));
    settle(loop);
    root.cancel();
    CHECK(root.done());
    CHECK(queue.in_flight() == 0);
    CHECK(drain(queue) == lines{"1#2"});
    CHECK(log == lines{"a 1#1"});
}

TEST_CASE("a message that comes back as its consumer is cancelled wakes consumers of another loop") {
    queue_of_int queue(1);
    lines log;
    event_loop here(support::virtual_time());
    event_loop there(support::virtual_time());
    fill(queue, 1);
    auto worker = here.spawn(works_for_ever(queue, log, "here"));
    settle(here);
    there.spawn(receives(queue, log, "there"));
    settle(there);
    worker.cancel();
    settle(here);
    settle(there);
    CHECK(log == lines{"here 1#1", "there 1#2"});
}

// ---- A consumer who has yet to get his message ----

TEST_CASE("a cancelled receive that waits takes no message") {
    event_loop loop(support::virtual_time());
    queue_of_int queue(2);
    lines log;
    auto a = loop.spawn(receives(queue, log, "a"));
    loop.spawn(receives(queue, log, "b"));
    settle(loop);
    a.cancel();
    CHECK(a.done());
    fill(queue, 1);
    settle(loop);
    CHECK(log == lines{"b 1#1"});
}

TEST_CASE("a receive that is cancelled after it was served is no attempt: the next consumer has the first") {
    event_loop loop(support::virtual_time());
    queue_of_int queue(2);
    lines log;
    auto a = loop.spawn(receives(queue, log, "a"));
    loop.spawn(receives(queue, log, "b"));
    settle(loop);
    fill(queue, 1);
    a.cancel();
    CHECK(a.done());
    CHECK(queue.empty());
    settle(loop);
    CHECK(log == lines{"b 1#1"});
}

TEST_CASE("two receives that were served and are cancelled, in either order, leave the messages as they were") {
    for (const bool first_first : {false, true}) {
        event_loop loop(support::virtual_time());
        queue_of_int queue(4);
        lines log;
        auto a = loop.spawn(receives(queue, log, "a"));
        auto b = loop.spawn(receives(queue, log, "b"));
        settle(loop);
        fill(queue, 1, 2, 3);
        CHECK(queue.in_flight() == 2);
        (first_first ? a : b).cancel();
        (first_first ? b : a).cancel();
        CHECK(queue.in_flight() == 0);
        CHECK(queue.size() == 3);
        CHECK(drain(queue) == lines{"1#1", "2#1", "3#1"});
    }
}

TEST_CASE(
    "served receives that are cancelled in any order leave the messages as they were, also among those that came "
    "back") {
    const int orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    for (const auto& order : orders) {
        event_loop loop(support::virtual_time());
        queue_of_int queue(6);
        lines log;
        fill(queue, 8, 9);
        delivery_of_int eight = queue.try_receive();
        delivery_of_int nine = queue.try_receive();
        rondo::join_handle<> handles[] = {loop.spawn(receives(queue, log, "a")), loop.spawn(receives(queue, log, "b")),
                                          loop.spawn(receives(queue, log, "c"))};
        settle(loop);
        nine->nack();          // for a
        fill(queue, 1, 2, 3);  // for b and c, and one queued
        eight->nack();         // at the front
        handles[order[0]].cancel();
        handles[order[1]].cancel();
        handles[order[2]].cancel();
        CHECK(queue.size() == 5);
        CHECK(drain(queue) == lines{"8#2", "9#2", "1#1", "2#1", "3#1"});
        CHECK(log.empty());
    }
}

TEST_CASE("when the first of two served consumers is cancelled, the other keeps what is reserved for it") {
    event_loop loop(support::virtual_time());
    queue_of_int queue(3);
    lines log;
    auto a = loop.spawn(receives(queue, log, "a"));
    loop.spawn(receives(queue, log, "b"));
    settle(loop);
    fill(queue, 1, 2);
    loop.spawn(receives(queue, log, "late"));
    a.cancel();
    settle(loop);
    CHECK(log.size() == 2);
    CHECK((log == lines{"b 2#1", "late 1#1"} || log == lines{"late 1#1", "b 2#1"}));
}

TEST_CASE("a message wanders along a row of cancelled consumers, in its first attempt still") {
    event_loop loop(support::virtual_time());
    queue_of_int queue(1);
    lines log;
    std::vector<rondo::join_handle<>> handles;
    for (int i = 0; i < 100; ++i) handles.push_back(loop.spawn(receives(queue, log, "x")));
    loop.spawn(receives(queue, log, "last"));
    settle(loop);
    fill(queue, 1);
    for (auto& handle : handles) handle.cancel();
    CHECK(queue.empty());
    settle(loop);
    CHECK(log == lines{"last 1#1"});
}

TEST_CASE("what close has woken may be cancelled") {
    event_loop loop(support::virtual_time());
    queue_of_int empty(1);
    queue_of_int full(1);
    lines log;
    fill(full, 1);
    auto a = loop.spawn(receives(empty, log, "a"));
    loop.spawn(receives(empty, log, "b"));
    auto pusher = loop.spawn(pushes(full, log, 2));
    loop.spawn(pushes(full, log, 3));
    settle(loop);
    empty.close();
    full.close();
    a.cancel();
    pusher.cancel();
    CHECK(a.done());
    CHECK(pusher.done());
    settle(loop);
    CHECK(log == lines{"b nothing", "closed 3"});
}

TEST_CASE("many waiters are cancelled and closed in linear time and constant stack") {
    constexpr std::size_t count = 100'000;
    event_loop loop(support::virtual_time());
    queue_of_int queue(1);
    lines log;
    std::vector<rondo::join_handle<>> handles;
    for (std::size_t i = 0; i < count; ++i) handles.push_back(loop.spawn(receives(queue, log, "x")));
    settle(loop);
    fill(queue, 1);
    for (std::size_t i = count; i-- > 0;)
        if (i % 2 == 0) handles[i].cancel();
    settle(loop);
    CHECK(log == lines{"x 1#1"});
    queue.close();
    settle(loop);
    CHECK(log.size() == count / 2);
}

// ---- Pushers and joiners ----

TEST_CASE("a cancelled push that waits leaves its value as it was, and its place goes to the next") {
    event_loop loop(support::virtual_time());
    message_queue<std::unique_ptr<int>> queue(1);
    auto pushes_owned = [](message_queue<std::unique_ptr<int>>& q, std::unique_ptr<int>& value) -> task<> {
        co_await q.push(std::move(value));
    };
    std::unique_ptr<int> values[] = {std::make_unique<int>(1), std::make_unique<int>(2), std::make_unique<int>(3)};
    rondo::join_handle<> handles[] = {loop.spawn(pushes_owned(queue, values[0])),
                                      loop.spawn(pushes_owned(queue, values[1])),
                                      loop.spawn(pushes_owned(queue, values[2]))};
    settle(loop);
    handles[1].cancel();
    REQUIRE(values[1]);
    CHECK(*values[1] == 2);
    for (const int expected : {1, 3}) {
        auto d = queue.try_receive();
        REQUIRE(d);
        CHECK(***d == expected);
        d->ack();
    }
    settle(loop);
    CHECK(handles[2].done());
    CHECK(queue.empty());
}

TEST_CASE("a push that was given room has happened, even when its task is cancelled before it runs") {
    event_loop loop(support::virtual_time());
    queue_of_int queue(1);
    lines log;
    fill(queue, 1);
    auto pusher = loop.spawn(pushes(queue, log, 2));
    auto next = loop.spawn(pushes(queue, log, 3));
    settle(loop);
    {
        delivery_of_int d = queue.try_receive();
        d->ack();
    }
    pusher.cancel();
    CHECK(queue.full());
    settle(loop);
    CHECK(!next.done());
    CHECK(drain(queue) == lines{"2#1", "3#1"});
    settle(loop);
    CHECK(log == lines{"pushed 3"});
}

TEST_CASE("a cancelled joiner leaves, whether it waits or was told, and the others join") {
    event_loop loop(support::virtual_time());
    queue_of_int queue(1);
    lines log;
    fill(queue, 1);
    auto waits = loop.spawn(joins(queue, log));
    auto told = loop.spawn(joins(queue, log));
    loop.spawn(joins(queue, log));
    settle(loop);
    waits.cancel();
    CHECK(waits.done());
    CHECK(drain(queue) == lines{"1#1"});
    told.cancel();
    CHECK(told.done());
    settle(loop);
    CHECK(log == lines{"joined"});
}

TEST_CASE("a cancelled consumer keeps joiners waiting: its message is not done") {
    event_loop loop(support::virtual_time());
    queue_of_int queue(1);
    lines log;
    fill(queue, 1);
    auto worker = loop.spawn(works_for_ever(queue, log, "worker"));
    loop.spawn(joins(queue, log));
    settle(loop);
    worker.cancel();
    settle(loop);
    CHECK(log == lines{"worker 1#1"});
    CHECK(drain(queue) == lines{"1#2"});
    settle(loop);
    CHECK(log == lines{"worker 1#1", "joined"});
}

TEST_CASE("operations whose task is cancelled before its first step do nothing") {
    event_loop loop(support::virtual_time());
    queue_of_int queue(2);
    lines log;
    fill(queue, 1);
    rondo::join_handle<> handles[] = {loop.spawn(receives(queue, log, "a")), loop.spawn(pushes(queue, log, 2)),
                                      loop.spawn(joins(queue, log))};
    for (auto& handle : handles) handle.cancel();
    settle(loop);
    CHECK(log.empty());
    CHECK(drain(queue) == lines{"1#1"});
}

// ---- Races ----

namespace {

task<> receives_from_one_of(queue_of_int& a, queue_of_int& b, lines& log) {
    auto first = co_await when_any(a.receive(), b.receive());
    delivery_of_int& d = first.index() == 0 ? std::get<0>(first) : std::get<1>(first);
    log.push_back((first.index() == 0 ? "a " : "b ") + text_of(d));
    if (d) d->ack();
}

}  // namespace

TEST_CASE("when_any: the first queue that serves decides, and what the other has served goes back, unattempted") {
    for (const bool b_first : {false, true}) {
        event_loop loop(support::virtual_time());
        queue_of_int a(1), b(1);
        lines log;
        loop.spawn(receives_from_one_of(a, b, log));
        settle(loop);
        fill(b_first ? b : a, 1);
        fill(b_first ? a : b, 2);
        settle(loop);
        CHECK(log == lines{b_first ? "b 1#1" : "a 1#1"});
        CHECK(drain(b_first ? a : b) == lines{"2#1"});
        CHECK(drain(b_first ? b : a).empty());
    }
}

TEST_CASE("when_any: of two queues that can serve at once, the second is not asked") {
    event_loop loop(support::virtual_time());
    queue_of_int a(1), b(1);
    lines log;
    fill(a, 1);
    fill(b, 2);
    loop.spawn(receives_from_one_of(a, b, log));
    settle(loop);
    CHECK(log == lines{"a 1#1"});
    CHECK(drain(b) == lines{"2#1"});
}

TEST_CASE("when_any: a race that is cancelled after it was decided gives the message back, unattempted") {
    event_loop loop(support::virtual_time());
    queue_of_int a(2), b(1);
    lines log;
    auto race = loop.spawn(receives_from_one_of(a, b, log));
    settle(loop);
    fill(a, 1, 2);
    race.cancel();
    CHECK(race.done());
    settle(loop);
    CHECK(log.empty());
    CHECK(a.in_flight() == 0);
    CHECK(drain(a) == lines{"1#1", "2#1"});
}

TEST_CASE("when_any: two receives of one queue take one message, and the next consumer has the second") {
    event_loop loop(support::virtual_time());
    queue_of_int queue(2);
    lines log;
    loop.spawn(receives_from_one_of(queue, queue, log));
    settle(loop);
    loop.spawn(receives(queue, log, "next"));
    settle(loop);
    fill(queue, 1, 2);
    settle(loop);
    CHECK(log == lines{"a 1#1", "next 2#1"});
}

TEST_CASE("when_any: a losing task gives back the message that it has, one attempt older") {
    queue_of_int queue(1);
    fill(queue, 1);
    auto main = [](queue_of_int& q) -> task<> {
        lines log;
        const auto first = co_await when_any(works_for_ever(q, log, "worker"), rondo::sleep(1ms));
        CHECK(first.index() == 1);
        CHECK(log == lines{"worker 1#1"});
        CHECK(drain(q) == lines{"1#2"});
    };
    rondo::testing::run(main(queue));
}

TEST_CASE("when_any: a push or join that loses has not happened") {
    queue_of_int queue(1);
    fill(queue, 1);
    auto main = [](queue_of_int& q) -> task<> {
        const auto first = co_await when_any(q.push(2), q.join(), rondo::sleep(1ms));
        CHECK(first.index() == 2);
        CHECK(drain(q) == lines{"1#1"});
        const auto second = co_await when_any(q.push(3), q.receive());
        CHECK(second.index() == 0);
        CHECK(q.in_flight() == 0);
        CHECK(drain(q) == lines{"3#1"});
        const auto third = co_await when_any(q.receive(), q.join());
        CHECK(third.index() == 1);
        CHECK(q.try_push(4));
        CHECK(q.size() == 1);
    };
    rondo::testing::run(main(queue));
}

TEST_CASE("when_any: an ack that both makes room and ends a join decides by the order of the waiters") {
    event_loop loop(support::virtual_time());
    queue_of_int queue(1);
    lines log;
    fill(queue, 1);
    auto races = [](queue_of_int& q, lines& out) -> task<> {
        int message = 2;
        const auto first = co_await when_any(q.join(), q.push(std::move(message)));
        out.push_back("won by " + std::to_string(first.index()));
    };
    loop.spawn(races(queue, log));
    settle(loop);
    {
        delivery_of_int d = queue.try_receive();
        d->ack();
    }
    settle(loop);
    CHECK(log == lines{"won by 1"});  // room first; with that message in, nothing is to be joined
    CHECK(drain(queue) == lines{"2#1"});
}

namespace {

// A race between taking from a queue and putting something in.
task<> races_with_itself(queue_of_int& queue) {
    int message = 1;
    auto first = co_await when_any(queue.receive(), queue.push(std::move(message)));
    if (first.index() == 0) std::get<0>(first)->nack();
}

task<> races_with_itself(bounded_queue<int>& queue) {
    int message = 1;
    const auto first = co_await when_any(queue.pop(), queue.push(std::move(message)));
    if (first.index() == 0) CHECK(queue.try_push(std::get<0>(first).value()));
}

template <class Queue>
void is_served_by_itself() {
    for (const bool cancelled : {false, true}) {
        event_loop loop(support::virtual_time());
        Queue queue(1);
        auto race = loop.spawn(races_with_itself(queue));
        loop.poll();
        if (cancelled)
            race.cancel();
        else
            settle(loop);
        CHECK(race.done());
        CHECK(queue.size() == 1);
    }
}

}  // namespace

TEST_CASE(
    "when_any: a receive that is served by the push that it races with ends the race, which may be cancelled then") {
    is_served_by_itself<queue_of_int>();
    is_served_by_itself<bounded_queue<int>>();
}

TEST_CASE("when_all: several receives are served in order, and acknowledged apart") {
    event_loop loop(support::virtual_time());
    queue_of_int queue(3);
    lines log;
    auto both = [](queue_of_int& q, lines& out) -> task<> {
        auto all = co_await when_all(q.receive(), q.receive());
        out.push_back(text_of(std::get<0>(all)) + " and " + text_of(std::get<1>(all)));
        std::get<1>(all)->ack();
    };
    loop.spawn(both(queue, log));
    settle(loop);
    fill(queue, 1);
    settle(loop);
    CHECK(log.empty());
    CHECK(queue.in_flight() == 1);
    fill(queue, 2, 3);
    settle(loop);
    CHECK(log == lines{"1#1 and 2#1"});
    CHECK(drain(queue) == lines{"1#2", "3#1"});
}

TEST_CASE("when_all: what a receive was served goes back, unattempted, when a sibling fails or all are cancelled") {
    for (const bool fails : {false, true}) {
        event_loop loop(support::virtual_time());
        queue_of_int queue(2);
        queue_of_int never(1);
        lines log;
        auto both = [](queue_of_int& q, queue_of_int& other, lines& out) -> task<> {
            const int nothing = 0;
            try {
                co_await when_all(q.receive(), other.push(nothing));
            } catch (const rondo::queue_closed&) {
                out.push_back("failed");
            }
        };
        fill(never, 0);
        auto handle = loop.spawn(both(queue, never, log));
        settle(loop);
        fill(queue, 1, 2);
        CHECK(queue.in_flight() == 1);
        if (fails)
            never.close();
        else
            handle.cancel();
        settle(loop);
        CHECK(log == (fails ? lines{"failed"} : lines{}));
        CHECK(queue.in_flight() == 0);
        CHECK(drain(queue) == lines{"1#1", "2#1"});
        never.close();
    }
}

TEST_CASE("when_all_settled: tells of a refused push, a served receive, and one of a closed queue") {
    queue_of_int queue(1);
    queue_of_int closed(1);
    fill(queue, 1);
    closed.close();
    auto main = [](queue_of_int& q, queue_of_int& over) -> task<> {
        const int message = 2;
        auto all = co_await when_all_settled(over.push(message), q.receive(), over.receive());
        CHECK(std::get<0>(all).error() != nullptr);
        CHECK(text_of(std::get<1>(all).value()) == "1#1");
        CHECK(!std::get<2>(all).value());
        std::get<1>(all).value()->ack();
    };
    rondo::testing::run(main(queue, closed));
    CHECK(drain(queue).empty());
}

// ---- Timeouts ----

TEST_CASE("with_timeout of zero is try_receive") {
    queue_of_int queue(1);
    auto main = [](queue_of_int& q) -> task<> {
        const auto start = event_loop::current().now();
        const std::optional<delivery_of_int> none = co_await try_with_timeout(0s, q.receive());
        CHECK(!none);
        bool timed_out = false;
        try {
            const delivery_of_int d = co_await with_timeout(0s, q.receive());
        } catch (const rondo::timeout_error&) {
            timed_out = true;
        }
        CHECK(timed_out);
        CHECK(q.try_push(1));
        {
            const delivery_of_int d = co_await with_timeout(0s, q.receive());
            CHECK(text_of(d) == "1#1");
            const std::optional<delivery_of_int> other = co_await try_with_timeout(0s, q.receive());
            CHECK(!other);
        }
        {
            std::optional<delivery_of_int> d = co_await try_with_timeout(0s, q.receive());
            REQUIRE(d);
            CHECK(text_of(*d) == "1#2");
            (*d)->ack();
        }
        q.close();
        const std::optional<delivery_of_int> closed = co_await try_with_timeout(0s, q.receive());
        REQUIRE(closed);
        CHECK(!*closed);
        CHECK(event_loop::current().now() == start);
    };
    rondo::testing::run(main(queue));
}

TEST_CASE("with_timeout of zero around push is try_push, and around join a question") {
    queue_of_int queue(1);
    auto main = [](queue_of_int& q) -> task<> {
        const bool idle = co_await try_with_timeout(0s, q.join());
        const bool room = co_await try_with_timeout(0s, q.push(1));
        const bool full = co_await try_with_timeout(0s, q.push(2));
        const bool busy = co_await try_with_timeout(0s, q.join());
        CHECK(idle);
        CHECK(room);
        CHECK(!full);
        CHECK(!busy);
        CHECK(drain(q) == lines{"1#1"});
    };
    rondo::testing::run(main(queue));
}

TEST_CASE("a receive that times out takes nothing, and one that is served in time is not disturbed") {
    queue_of_int queue(1);
    auto main = [](queue_of_int& q) -> task<> {
        const std::optional<delivery_of_int> late = co_await try_with_timeout(5ms, q.receive());
        CHECK(!late);
        CHECK(q.try_push(1));
        CHECK(q.size() == 1);
        delivery_of_int held = q.try_receive();
        auto returns = [](delivery_of_int& d) -> task<> {
            co_await rondo::sleep(3ms);
            d->nack();
        };
        auto other = rondo::spawn(returns(held));
        std::optional<delivery_of_int> in_time = co_await try_with_timeout(5ms, q.receive());
        REQUIRE(in_time);
        CHECK(text_of(*in_time) == "1#2");
        (*in_time)->ack();
        co_await other;
    };
    rondo::testing::run(main(queue));
}

TEST_CASE("when a message and the deadline of a receive come together, the message wins") {
    queue_of_int queue(1);
    auto main = [](queue_of_int& q) -> task<> {
        auto pushes_after = [](queue_of_int& to, int ms) -> task<> {
            co_await rondo::sleep(std::chrono::milliseconds(ms));
            co_await to.push(ms);
        };
        for (const bool pusher_first : {false, true}) {
            std::optional<rondo::join_handle<>> pusher;
            if (pusher_first) {
                pusher.emplace(rondo::spawn(pushes_after(q, 5)));
                co_await rondo::yield();
            } else {
                pusher.emplace(rondo::spawn(pushes_after(q, 5)));
            }
            std::optional<delivery_of_int> d = co_await try_with_timeout(5ms, q.receive());
            REQUIRE(d);
            CHECK(text_of(*d) == "5#1");
            (*d)->ack();
            co_await *pusher;
        }
    };
    rondo::testing::run(main(queue));
    CHECK(queue.empty());
}

TEST_CASE("work that times out loses its message") {
    queue_of_int queue(1);
    fill(queue, 1);
    auto main = [](queue_of_int& q) -> task<> {
        lines log;
        const bool done = co_await try_with_timeout(1ms, works_for_ever(q, log, "worker"));
        CHECK(!done);
        CHECK(log == lines{"worker 1#1"});
        CHECK(drain(q) == lines{"1#2"});
    };
    rondo::testing::run(main(queue));
}

// ---- Groups, uncancellable, finally ----

TEST_CASE("a group of workers that fails gives all its messages back") {
    queue_of_int queue(4);
    fill(queue, 1, 2, 3, 4);
    auto main = [](queue_of_int& q) -> task<> {
        lines log;
        bool caught = false;
        auto body = [&](rondo::task_group& group) -> task<> {
            group.spawn(works_for_ever(q, log, "a"));
            group.spawn(works_for_ever(q, log, "b"));
            group.spawn(fails_with(q));
            co_return;
        };
        try {
            co_await rondo::with_task_group(body);
        } catch (const std::runtime_error& error) {
            caught = true;
            CHECK(std::string(error.what()) == "3#1");
        }
        CHECK(caught);
        CHECK(q.in_flight() == 0);
        CHECK(q.size() == 4);
    };
    rondo::testing::run(main(queue));
    int attempts = 0;
    while (delivery_of_int d = queue.try_receive()) {
        attempts += static_cast<int>(d->attempt());
        d->ack();
    }
    CHECK(attempts == 7);
}

TEST_CASE("work that may not be cancelled keeps its message to its end") {
    event_loop loop(support::virtual_time());
    queue_of_int queue(1);
    lines log;
    auto works = [](queue_of_int& q, lines& out) -> task<> {
        delivery_of_int d = co_await q.receive();
        auto commit = [](delivery_of_int& held) -> task<> {
            co_await rondo::sleep(5ms);
            held->ack();
        };
        co_await rondo::uncancellable(commit(d));
        out.push_back("goes on");
    };
    fill(queue, 1);
    auto worker = loop.spawn(works(queue, log));
    settle(loop);
    worker.cancel();
    CHECK(!worker.done());
    CHECK(queue.in_flight() == 1);
    loop.run();
    CHECK(worker.done());
    CHECK(log.empty());
    CHECK(drain(queue).empty());
}

TEST_CASE("an uncancellable receive is served although its task was cancelled, and gives the message back then") {
    event_loop loop(support::virtual_time());
    queue_of_int queue(1);
    lines log;
    auto works = [](queue_of_int& q, lines& out) -> task<> {
        const delivery_of_int d = co_await rondo::uncancellable(q.receive());
        out.push_back("goes on");
    };
    auto worker = loop.spawn(works(queue, log));
    settle(loop);
    worker.cancel();
    CHECK(!worker.done());
    fill(queue, 1);
    settle(loop);
    CHECK(worker.done());
    CHECK(log.empty());
    CHECK(drain(queue) == lines{"1#1"});
}

namespace {

enum class shape { operation, operation_in_task, cleanup };

template <class Queue>
task<> takes_one(Queue& queue, bool& got) {
    if constexpr (requires { queue.pop(); })
        co_await queue.pop();
    else
        co_await queue.receive();
    got = true;
}

template <class Queue>
task<> takes_undisturbed(Queue& queue, shape how, bool& got) {
    if (how == shape::operation) {
        if constexpr (requires { queue.pop(); })
            co_await rondo::uncancellable(queue.pop());
        else
            co_await rondo::uncancellable(queue.receive());
        got = true;
    } else if (how == shape::operation_in_task) {
        co_await rondo::uncancellable(takes_one(queue, got));
    } else {
        co_await rondo::finally(support::stuck(), [&]() -> task<> { return takes_one(queue, got); });
    }
}

template <class Queue>
void leaves_with_its_loop() {
    for (const shape how : {shape::operation, shape::operation_in_task, shape::cleanup}) {
        Queue queue(1);
        bool got = false;
        {
            event_loop loop(support::virtual_time());
            loop.spawn(takes_undisturbed(queue, how, got));
            settle(loop);
        }
        CHECK(queue.try_push(1));
        CHECK(queue.size() == 1);
        CHECK(!got);
    }
}

}  // namespace

TEST_CASE("an uncancellable receive, or one in a cleanup, that waits when its loop goes leaves the queue") {
    leaves_with_its_loop<queue_of_int>();
    leaves_with_its_loop<bounded_queue<int>>();
}

TEST_CASE("a cleanup still has the message, and may acknowledge it") {
    event_loop loop(support::virtual_time());
    queue_of_int queue(1);
    auto works = [](queue_of_int& q) -> task<> {
        delivery_of_int d = co_await q.receive();
        co_await rondo::finally(support::stuck(), [&]() -> task<> {
            co_await rondo::sleep(1ms);
            d->ack();
        });
    };
    fill(queue, 1);
    auto worker = loop.spawn(works(queue));
    settle(loop);
    worker.cancel();
    CHECK(queue.in_flight() == 1);
    loop.run();
    CHECK(worker.done());
    CHECK(queue.in_flight() == 0);
    CHECK(queue.empty());
}
