// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

// What the operations of a race are granted: the first grant decides and is kept, later ones go back.

#include <support/clocks.hpp>
#include <support/journal.hpp>
#include <support/leak_check.hpp>
#include <support/tasks.hpp>

#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <catch2/catch_test_macros.hpp>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>

namespace {

using namespace std::chrono_literals;
using rondo::bounded_queue;
using rondo::event_loop;
using rondo::task;
using rondo::when_any;
using support::give;
using support::lines;
using support::note_at_exit;

// ---- What a loser was granted ----

task<> pops_one_of(bounded_queue<int>& a, bounded_queue<int>& b, lines& log) {
    note_at_exit gone(log, "gone");
    const auto first = co_await when_any(a.pop(), b.pop());
    const int message = first.index() == 0 ? std::get<0>(first).value() : std::get<1>(first).value();
    log.push_back("took " + std::to_string(message));
}

task<> both_have_messages() {
    bounded_queue<int> a(1), b(1);
    lines log;
    a.try_push(1);
    b.try_push(2);
    co_await pops_one_of(a, b, log);
    CHECK(log == lines{"took 1", "gone"});
    CHECK(a.empty());
    CHECK(b.try_pop() == 2);
}

task<> both_are_granted(bool b_first) {
    bounded_queue<int> a(1), b(1);
    lines log;
    auto handle = rondo::spawn(pops_one_of(a, b, log));
    co_await rondo::sleep(1ms);
    bounded_queue<int>& earlier = b_first ? b : a;
    bounded_queue<int>& later = b_first ? a : b;
    earlier.try_push(1);
    later.try_push(2);
    co_await handle;
    CHECK(log == lines{"took 1", "gone"});
    CHECK(earlier.empty());
    CHECK(later.try_pop() == 2);
}

task<> pops_into(bounded_queue<int>& queue, lines& log) {
    const std::optional<int> message = co_await queue.pop();
    log.push_back("the next took " + std::to_string(*message));
}

task<> cancelled_once_granted(bool another_waits) {
    bounded_queue<int> a(1), b(1);
    lines log;
    auto handle = rondo::spawn(pops_one_of(a, b, log));
    co_await rondo::sleep(1ms);
    std::optional<rondo::join_handle<>> next;
    if (another_waits) next.emplace(rondo::spawn(pops_into(b, log)));
    co_await rondo::sleep(1ms);
    b.try_push(2);
    handle.cancel();
    CHECK(handle.done());
    CHECK(log == lines{"gone"});
    if (next) {
        CHECK(!b.try_pop());
        co_await *next;
        CHECK(log == lines{"gone", "the next took 2"});
    } else {
        CHECK(b.try_pop() == 2);
    }
    CHECK(a.empty());
    CHECK(b.empty());
}

// Grants the race, and looks at the queue before the caller has gone on.
task<> the_winner_keeps_its_message(bool another_waits) {
    bounded_queue<int> a(2), b(1);
    lines log;
    auto racer = rondo::spawn(pops_one_of(a, b, log));
    co_await rondo::yield();
    std::optional<rondo::join_handle<>> next;
    if (another_waits) next.emplace(rondo::spawn(pops_into(a, log)));
    co_await rondo::yield();
    a.try_push(1);
    CHECK(a.empty());
    CHECK(!a.try_pop());
    co_await racer;
    CHECK(log == lines{"took 1", "gone"});
    a.try_push(2);
    if (next) {
        co_await *next;
        CHECK(log.back() == "the next took 2");
    } else {
        CHECK(a.try_pop() == 2);
    }
}

task<> locks_or_gives_up(rondo::mutex& mutex, lines& log) {
    auto first = co_await when_any(mutex.scoped_lock(), rondo::sleep(10ms));
    log.push_back(first.index() == 0 ? "locked" : "gave up");
    co_await rondo::sleep(1ms);
    CHECK(mutex.is_locked());
}

task<> a_lock() {
    rondo::mutex mutex;
    lines log;
    co_await mutex.lock();
    co_await locks_or_gives_up(mutex, log);
    CHECK(log == lines{"gave up"});
    auto racer = rondo::spawn(locks_or_gives_up(mutex, log));
    co_await rondo::sleep(1ms);
    mutex.unlock();
    CHECK(!mutex.try_lock());
    co_await racer;
    CHECK(log == lines{"gave up", "locked"});
    CHECK(!mutex.is_locked());
    // Granted after another has won.
    co_await mutex.lock();
    bounded_queue<int> queue(1);
    auto loser = rondo::spawn([&]() -> task<> {
        const auto first = co_await when_any(queue.pop(), mutex.scoped_lock());
        CHECK(first.index() == 0);
    });
    co_await rondo::sleep(1ms);
    queue.try_push(1);
    mutex.unlock();
    CHECK(mutex.try_lock());
    mutex.unlock();
    co_await loser;
    CHECK(!mutex.is_locked());
}

task<> a_permit() {
    rondo::semaphore permits(0);
    rondo::event set;
    const auto first = co_await when_any(permits.acquire(), rondo::sleep(1ms), set.wait());
    CHECK(first.index() == 1);
    auto racer = rondo::spawn([&]() -> task<> {
        auto won = co_await when_any(permits.scoped_acquire(), set.wait());
        CHECK(won.index() == 0);
        co_await rondo::yield();
    });
    auto loser = rondo::spawn([&]() -> task<> {
        auto won = co_await when_any(set.wait(), permits.scoped_acquire());
        CHECK(won.index() == 0);
    });
    co_await rondo::sleep(1ms);
    permits.release();
    set.set();
    permits.release();
    CHECK(permits.try_acquire());  // one is the winner's; the other race was decided before
    permits.release();
    co_await racer;
    co_await loser;
    CHECK(permits.available() == 2);
}

task<> a_loser_leaves_the_line() {
    bounded_queue<int> a(1), b(1);
    lines log;
    auto racer = rondo::spawn(pops_one_of(a, b, log));
    co_await rondo::yield();
    auto next = rondo::spawn(pops_into(b, log));
    co_await rondo::yield();
    a.try_push(1);
    b.try_push(2);
    co_await racer;
    co_await next;
    CHECK(log == lines{"took 1", "gone", "the next took 2"});
}

task<> twice_the_same_queue() {
    bounded_queue<int> queue(2);
    const auto first = co_await when_any(queue.pop(), queue.pop(), rondo::sleep(1ms));
    CHECK(first.index() == 2);
    lines log;
    auto handle = rondo::spawn(pops_one_of(queue, queue, log));
    co_await rondo::yield();
    queue.try_push(1);
    queue.try_push(2);
    co_await handle;
    CHECK(log == lines{"took 1", "gone"});
    CHECK(queue.try_pop() == 2);
}

task<> a_losing_push() {
    bounded_queue<std::unique_ptr<int>> queue(1);
    queue.try_push(std::make_unique<int>(1));
    auto message = std::make_unique<int>(2);
    const auto first = co_await when_any(queue.push(std::move(message)), rondo::sleep(1ms));
    CHECK(first.index() == 1);
    REQUIRE(message);
    CHECK(*message == 2);
    queue.try_pop();
    CHECK(queue.empty());
    const auto second = co_await when_any(rondo::sleep(1ms), queue.push(std::move(message)));
    CHECK(second.index() == 1);
    CHECK(!message);
    CHECK(queue.size() == 1);
}

task<> a_push_that_is_not_reached() {
    bounded_queue<std::unique_ptr<int>> queue(1);
    auto message = std::make_unique<int>(2);
    const auto first = co_await when_any(give(1), queue.push(std::move(message)));
    CHECK(first.index() == 0);
    CHECK(message);
    CHECK(queue.empty());
}

task<> a_closed_push(bool closed_before) {
    bounded_queue<std::unique_ptr<int>> queue(1);
    queue.try_push(std::make_unique<int>(1));
    auto message = std::make_unique<int>(2);
    if (closed_before) queue.close();
    auto closer = rondo::spawn([&]() -> task<> {
        co_await rondo::sleep(1ms);
        queue.close();
    });
    bool caught = false;
    try {
        co_await when_any(rondo::sleep(10ms), queue.push(std::move(message)));
    } catch (const rondo::queue_closed&) {
        caught = true;
    }
    CHECK(caught);
    CHECK(message);
    CHECK(queue.size() == 1);
    co_await closer;
}

task<> echo(bounded_queue<int>& in, bounded_queue<int>& out, lines& log) {
    for (;;) {
        const auto first = co_await when_any(in.pop(), rondo::sleep(1ms));
        if (first.index() == 1) continue;
        if (!std::get<0>(first)) co_return;
        co_await out.push(*std::get<0>(first));
        log.push_back(std::to_string(*std::get<0>(first)));
    }
}

task<> a_loop_of_races() {
    bounded_queue<int> in(1), out(100);
    lines log;
    auto server = rondo::spawn(echo(in, out, log));
    for (int i = 0; i < 50; ++i) {
        // At, before and after the instant at which the server gives up waiting.
        co_await rondo::sleep((i % 5) * 500us);
        co_await in.push(i);
    }
    in.close();
    co_await server;
    for (int i = 0; i < 50; ++i) CHECK(out.try_pop() == i);
    CHECK(log.size() == 50);
}

}  // namespace

TEST_CASE("of two queues that have a message the first gives its own") { rondo::testing::run(both_have_messages()); }

TEST_CASE("of two messages granted in one step the first decides, and the other goes back") {
    rondo::testing::run(both_are_granted(false));
    rondo::testing::run(both_are_granted(true));
}

TEST_CASE("a race cancelled after a message was granted gives it back, or to the next in line") {
    rondo::testing::run(cancelled_once_granted(false));
    rondo::testing::run(cancelled_once_granted(true));
}

TEST_CASE("the winner keeps what it was granted: nobody takes it before the caller goes on") {
    rondo::testing::run(the_winner_keeps_its_message(false));
    rondo::testing::run(the_winner_keeps_its_message(true));
}

TEST_CASE("a race for a lock holds it, or leaves it to others") { rondo::testing::run(a_lock()); }

TEST_CASE("a race for a permit holds it, or leaves it to others") { rondo::testing::run(a_permit()); }

TEST_CASE("a losing pop leaves the line at once") { rondo::testing::run(a_loser_leaves_the_line()); }

TEST_CASE("two pops of the same queue take one message") { rondo::testing::run(twice_the_same_queue()); }

TEST_CASE("a push that loses leaves its value as it was") {
    rondo::testing::run(a_losing_push());
    rondo::testing::run(a_push_that_is_not_reached());
}

TEST_CASE("a push to a queue that is closed wins with queue_closed, its value as it was") {
    rondo::testing::run(a_closed_push(true));
    rondo::testing::run(a_closed_push(false));
}

TEST_CASE("no message is lost between a pop and a timer that race again and again") {
    rondo::testing::run(a_loop_of_races());
}

TEST_CASE("a loop destroyed under a decided race leaves the message in the queue") {
    bounded_queue<int> a(1), b(1);
    lines log;
    {
        event_loop loop(support::virtual_time());
        loop.spawn(pops_one_of(a, b, log));
        loop.poll();
        a.try_push(1);
        b.try_push(2);
    }
    CHECK(log == lines{"gone"});
    CHECK(a.try_pop() == 1);
    CHECK(b.try_pop() == 2);
}

TEST_CASE("a queue destroyed after it granted a message in a race leaves the race decided or to the others") {
    // The first grant has decided it, and has gone with its queue: what was withdrawn for it does not come back,
    // so that the task is stuck; it unwinds.
    lines log;
    auto queue = std::make_unique<bounded_queue<int>>(1);
    event_loop loop(support::virtual_time());
    auto handle = loop.spawn([&]() -> task<> {
        note_at_exit gone(log, "gone");
        co_await when_any(queue->pop(), rondo::sleep(10ms));
        log.push_back("goes on");
    });
    loop.poll();
    queue->try_push(1);
    queue.reset();
    CHECK_THROWS_AS(loop.run(), rondo::deadlock_error);
    handle.cancel();
    CHECK(handle.done());
    CHECK(log == lines{"gone"});
}

TEST_CASE("a sleep that loses because a task of another loop grants its rival leaves its own loop's timers") {
    lines log;
    bounded_queue<int> queue(1);
    event_loop here(support::virtual_time());
    event_loop there(support::virtual_time());
    here.spawn([&]() -> task<> {
        const auto first = co_await when_any(queue.pop(), rondo::sleep(1h));
        log.push_back(first.index() == 0 ? "granted" : "slept");
    });
    here.spawn([&]() -> task<> {
        co_await rondo::sleep(2h);
        log.push_back("here");
    });
    here.poll();
    there.spawn([&]() -> task<> {
        co_await rondo::sleep(3h);
        log.push_back("there");
    });
    there.spawn([&]() -> task<> {
        co_await rondo::sleep(1ms);
        queue.try_push(1);
    });
    there.run();
    here.run();
    CHECK(log == lines{"there", "granted", "here"});
}
