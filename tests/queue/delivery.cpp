// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

#include <support/clocks.hpp>
#include <support/journal.hpp>
#include <support/leak_check.hpp>
#include <support/tasks.hpp>
#include <support/tracked.hpp>

#include <rondo/queue/delivery.hpp>
#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <catch2/catch_test_macros.hpp>

#include <cstddef>
#include <functional>
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
using rondo::delivery;
using rondo::event_loop;
using rondo::message_queue;
using rondo::task;
using support::lines;
using support::move_only_tracked;
using support::tracked;

static_assert(!std::is_copy_constructible_v<delivery<int>> && !std::is_copy_assignable_v<delivery<int>>);
static_assert(std::is_nothrow_move_constructible_v<delivery<int>> && std::is_nothrow_move_assignable_v<delivery<int>>);
static_assert(!std::is_default_constructible_v<delivery<int>>);
static_assert(!std::is_aggregate_v<delivery<int>>);
static_assert(std::is_same_v<decltype(*std::declval<const delivery<std::string>&>()), std::string&>);

// The message at the front, which is there.
template <class T>
delivery<T> take(message_queue<T>& queue) {
    std::optional<delivery<T>> d = queue.try_receive();
    REQUIRE(d);
    return std::move(*d);
}

void settle(event_loop& loop) {
    while (loop.poll() != 0) {
    }
}

}  // namespace

TEST_CASE("ack removes the message and destroys it at once") {
    message_queue<tracked> queue(1);
    CHECK(queue.try_push(tracked(1)));
    delivery<tracked> d = take(queue);
    CHECK(d->number() == 1);
    CHECK((*d).number() == 1);
    CHECK(d.attempt() == 1);
    CHECK(d);
    CHECK(tracked::live() == 1);
    d.ack();
    CHECK(tracked::live() == 0);
    CHECK(!d);
    CHECK(queue.in_flight() == 0);
    CHECK(queue.empty());
}

TEST_CASE("nack puts the message back at once") {
    message_queue<tracked> queue(1);
    CHECK(queue.try_push(tracked(1)));
    delivery<tracked> d = take(queue);
    d.nack();
    CHECK(!d);
    CHECK(queue.size() == 1);
    delivery<tracked> again = take(queue);
    CHECK(again->number() == 1);
    CHECK(again.attempt() == 2);
    CHECK(d.attempt() == 1);
}

TEST_CASE("a second ack or nack throws std::logic_error, and changes nothing") {
    message_queue<int> queue(2);
    CHECK(queue.try_push(1));
    CHECK(queue.try_push(2));
    delivery<int> acknowledged = take(queue);
    acknowledged.ack();
    CHECK_THROWS_AS(acknowledged.ack(), std::logic_error);
    CHECK_THROWS_AS(acknowledged.nack(), std::logic_error);
    CHECK(queue.size() == 1);
    delivery<int> given_back = take(queue);
    given_back.nack();
    CHECK_THROWS_AS(given_back.nack(), std::logic_error);
    CHECK_THROWS_AS(given_back.ack(), std::logic_error);
    CHECK(queue.size() == 1);
    CHECK(queue.in_flight() == 0);
    delivery<int> next = take(queue);  // in the same slot: not to be confused with it
    CHECK_THROWS_AS(given_back.ack(), std::logic_error);
    CHECK(*next == 2);
    next.ack();
}

TEST_CASE("the message of a delivery that has ended cannot be reached any more") {
    message_queue<std::string> queue(1);
    CHECK(queue.try_push("text"));
    delivery<std::string> back = take(queue);
    back.nack();
    CHECK_THROWS_AS(*back, std::logic_error);
    CHECK_THROWS_AS(back->size(), std::logic_error);
    delivery<std::string> gone = take(queue);
    gone.ack();
    CHECK_THROWS_AS(*gone, std::logic_error);
    CHECK_THROWS_AS(gone->size(), std::logic_error);
    CHECK_THROWS_AS(*back, std::logic_error);
}

TEST_CASE("a delivery that is moved takes its message along") {
    message_queue<int> queue(1);
    CHECK(queue.try_push(1));
    delivery<int> one = take(queue);
    delivery<int> two(std::move(one));
    CHECK(!one);
    CHECK_THROWS_AS(one.ack(), std::logic_error);
    CHECK_THROWS_AS(one.nack(), std::logic_error);
    CHECK_THROWS_AS(*one, std::logic_error);
    CHECK(queue.in_flight() == 1);
    CHECK(two);
    CHECK(*two == 1);
    CHECK(two.attempt() == 1);
    two.ack();
    CHECK(queue.in_flight() == 0);
}

TEST_CASE("assigning a delivery gives back the one that was there") {
    message_queue<int> queue(3);
    for (int i = 1; i <= 3; ++i) CHECK(queue.try_push(i));
    delivery<int> one = take(queue);
    delivery<int> two = take(queue);
    one = std::move(two);
    CHECK(queue.in_flight() == 1);
    CHECK(queue.size() == 2);
    CHECK(*one == 2);
    CHECK(!two);
    delivery<int> again = take(queue);
    CHECK(*again == 1);
    CHECK(again.attempt() == 2);
    two = std::move(again);  // one that has ended may be assigned to
    CHECK(*two == 1);
    two.ack();
    one.ack();
    two = take(queue);
    CHECK(*two == 3);
    two = std::move(one);  // and from
    CHECK(!two);
    CHECK(queue.size() == 1);
}

TEST_CASE("assigning a delivery to itself changes nothing") {
    message_queue<int> queue(1);
    CHECK(queue.try_push(1));
    delivery<int> d = take(queue);
    delivery<int>& same = d;
    d = std::move(same);
    CHECK(d);
    CHECK(*d == 1);
    CHECK(queue.in_flight() == 1);
    d.ack();
}

TEST_CASE("deliveries may be kept in containers, and be acknowledged in any order") {
    message_queue<int> queue(100);
    std::vector<delivery<int>> all;
    for (int i = 0; i < 100; ++i) {
        CHECK(queue.try_push(i));
        all.push_back(take(queue));
    }
    for (std::size_t i = 0; i < 100; i += 2) all[(i * 37) % 100].ack();
    CHECK(queue.in_flight() == 50);
    all.clear();
    CHECK(queue.in_flight() == 0);
    CHECK(queue.size() == 50);
    std::vector<bool> seen(100);
    while (auto d = queue.try_receive()) {
        CHECK(d->attempt() == 2);
        CHECK(**d % 2 == 1);
        seen[static_cast<std::size_t>(**d)] = true;
        d->ack();
    }
    for (std::size_t i = 1; i < 100; i += 2) CHECK(seen[i]);
}

// ---- When the queue goes first ----

TEST_CASE("a delivery that outlives its queue has no message, and ack and nack do nothing") {
    std::optional<message_queue<tracked>> queue(4);
    for (int i = 1; i <= 4; ++i) CHECK(queue->try_push(tracked(i)));
    delivery<tracked> acknowledged = take(*queue);
    delivery<tracked> given_back = take(*queue);
    delivery<tracked> dropped = take(*queue);
    delivery<tracked> ended = take(*queue);
    ended.ack();
    queue.reset();
    CHECK(tracked::live() == 0);
    CHECK(!acknowledged);
    CHECK_THROWS_AS(*acknowledged, std::logic_error);
    CHECK_NOTHROW(acknowledged.ack());
    CHECK_NOTHROW(given_back.nack());
    CHECK_THROWS_AS(ended.ack(), std::logic_error);
    delivery<tracked> moved = std::move(dropped);
    CHECK(!moved);
    CHECK_NOTHROW(moved.ack());
    std::optional<delivery<int>> left;
    {
        message_queue<int> gone(1);
        CHECK(gone.try_push(2));
        left.emplace(take(gone));
    }
    std::string why;
    try {
        (void)**left;
    } catch (const std::logic_error& error) {
        why = error.what();
    }
    CHECK(why == "rondo: this delivery has no message: its queue is gone");
}

TEST_CASE("a delivery that was moved is still detached when its queue goes") {
    std::optional<message_queue<int>> queue(2);
    CHECK(queue->try_push(1));
    CHECK(queue->try_push(2));
    std::vector<delivery<int>> places;
    places.push_back(take(*queue));
    places.push_back(take(*queue));
    places.shrink_to_fit();
    delivery<int> last = std::move(places[0]);
    places[0] = std::move(places[1]);
    places.pop_back();
    queue.reset();
    CHECK(!last);
    CHECK(!places[0]);
    CHECK_NOTHROW(last.nack());
    CHECK_NOTHROW(places[0].ack());
}

TEST_CASE("a task that works on a message of a destroyed queue goes on") {
    event_loop loop(support::virtual_time());
    std::optional<message_queue<int>> queue(1);
    lines log;
    auto works = [](message_queue<int>& q, lines& out) -> task<> {
        std::optional<delivery<int>> d = co_await q.receive();
        co_await rondo::sleep(1ms);
        out.push_back(*d ? "has it" : "has it no more");
        d->ack();
        out.push_back("done");
    };
    auto worker = loop.spawn(works(*queue, log));
    CHECK(queue->try_push(1));
    settle(loop);
    queue.reset();
    loop.run();
    CHECK(worker.done());
    CHECK(log == lines{"has it no more", "done"});
}

TEST_CASE("a delivery outlives its loop, and is acknowledged or given back without one") {
    message_queue<int> queue(2);
    CHECK(queue.try_push(1));
    CHECK(queue.try_push(2));
    std::vector<delivery<int>> kept;
    auto collects = [](message_queue<int>& q, std::vector<delivery<int>>& out) -> task<> {
        for (int i = 0; i < 2; ++i) {
            std::optional<delivery<int>> d = co_await q.receive();
            out.push_back(std::move(*d));
        }
    };
    rondo::testing::run(collects(queue, kept));
    CHECK(queue.in_flight() == 2);
    kept[0].ack();
    kept[1].nack();
    CHECK(queue.in_flight() == 0);
    delivery<int> again = take(queue);
    CHECK(*again == 2);
    CHECK(again.attempt() == 2);
}

// ---- Messages that do something when they are destroyed ----

namespace {

class calls_at_end {
public:
    explicit calls_at_end(std::function<void()> f) : function_(new std::function<void()>(std::move(f))) {}

    class at_end {
    public:
        void operator()(std::function<void()>* f) const {
            (*f)();
            delete f;
        }
    };

private:
    std::unique_ptr<std::function<void()>, at_end> function_;
};

}  // namespace

TEST_CASE("a message whose destructor uses the queue may be acknowledged") {
    int calls = 0;
    message_queue<calls_at_end> queue(3);
    std::optional<delivery<calls_at_end>> other;
    CHECK(queue.try_push(calls_at_end([&] {
        ++calls;
        CHECK(queue.try_push(calls_at_end([&] { ++calls; })));
        other->nack();
        CHECK(queue.size() == 2);
    })));
    CHECK(queue.try_push(calls_at_end([&] { ++calls; })));
    delivery<calls_at_end> first = take(queue);
    other.emplace(take(queue));
    first.ack();
    CHECK(calls == 1);
    CHECK(queue.in_flight() == 0);
    CHECK(queue.size() == 2);
    const delivery<calls_at_end> back = take(queue);
    CHECK(back.attempt() == 2);
}

TEST_CASE("a message that goes with its queue may drop, or end, deliveries of other messages") {
    for (const bool first : {false, true}) {
        std::optional<message_queue<calls_at_end>> queue(2);
        std::optional<delivery<calls_at_end>> other;
        bool ended = false;
        const auto ends_it = [&] {
            CHECK(!*other);
            other->ack();
            other.reset();
            ended = true;
        };
        const auto nothing = [] {};
        CHECK(queue->try_push(first ? calls_at_end(ends_it) : calls_at_end(nothing)));
        CHECK(queue->try_push(first ? calls_at_end(nothing) : calls_at_end(ends_it)));
        if (first) {
            delivery<calls_at_end> one = take(*queue);
            other.emplace(take(*queue));
            one.nack();
        } else {
            other.emplace(take(*queue));
        }
        queue.reset();
        CHECK(ended);
    }
}

// ---- Handing deliveries on ----

namespace {

task<> dispatches(message_queue<int>& in, bounded_queue<delivery<int>>& out) {
    for (;;) {
        std::optional<delivery<int>> d = co_await in.receive();
        if (!d) break;
        co_await out.push(std::move(*d));
    }
    out.close();
}

task<> works_off(bounded_queue<delivery<int>>& in, std::vector<int>& done) {
    for (;;) {
        std::optional<delivery<int>> d = co_await in.pop();
        if (!d) break;
        if (**d % 3 == 0 && d->attempt() == 1) continue;  // comes again
        done.push_back(**d);
        d->ack();
        if (done.size() == 9) co_return;
    }
}

task<> closes_when_done(message_queue<int>& queue) {
    co_await queue.join();
    queue.close();
}

task<> through_two_queues(std::vector<int>& done) {
    message_queue<int> jobs(9);
    bounded_queue<delivery<int>> line(1);
    for (int i = 1; i <= 9; ++i) co_await jobs.push(i);
    co_await rondo::when_all(dispatches(jobs, line), works_off(line, done), closes_when_done(jobs));
    CHECK(jobs.is_closed());
}

}  // namespace

TEST_CASE("deliveries pass through a bounded_queue") {
    std::vector<int> done;
    rondo::testing::run(through_two_queues(done));
    CHECK(done.size() == 9);
    int sum = 0;
    for (const int one : done) sum += one;
    CHECK(sum == 45);
}

TEST_CASE("what a queue of deliveries loses, the first queue has again") {
    message_queue<int> jobs(2);
    CHECK(jobs.try_push(1));
    CHECK(jobs.try_push(2));
    {
        bounded_queue<delivery<int>> line(2);
        CHECK(line.try_push(take(jobs)));
        CHECK(line.try_push(take(jobs)));
        CHECK(jobs.in_flight() == 2);
    }
    CHECK(jobs.size() == 2);
    message_queue<delivery<int>> second(1);
    CHECK(second.try_push(take(jobs)));
    {
        delivery<delivery<int>> outer = take(second);
        delivery<int>& inner = *outer;
        inner.ack();
        CHECK(jobs.size() == 1);
        outer.ack();
    }
    CHECK(jobs.in_flight() == 0);
    CHECK(second.empty());
}
