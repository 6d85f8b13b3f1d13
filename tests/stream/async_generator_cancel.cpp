// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

// Cancelling a next(), alone and inside combinators; loops that go with bodies in every state.

#include <support/clocks.hpp>
#include <support/foreign.hpp>
#include <support/journal.hpp>
#include <support/leak_check.hpp>
#include <support/native_operation.hpp>
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
using rondo::async_generator;
using rondo::event_loop;
using rondo::task;
using rondo::try_with_timeout;
using rondo::when_all;
using rondo::when_all_settled;
using rondo::when_any;
using rondo::with_timeout;
using support::lines;
using support::note_at_exit;
using support::tracked;

void settle(event_loop& loop) {
    while (loop.poll() != 0) {
    }
}

async_generator<int> counts(int from, int to) {
    for (int i = from; i < to; ++i) co_yield i;
}

// Waits before each value.
async_generator<int> counts_slowly(int from, int to, support::clock::duration wait = 1ms) {
    const tracked local(1);
    for (int i = from; i < to; ++i) {
        co_await rondo::sleep(wait);
        co_yield i;
    }
}

task<> sleeps_within(lines& log) {
    note_at_exit gone(log, "task in body gone");
    co_await support::for_ever();
}

async_generator<int> waits_in_a_task(lines& log) {
    note_at_exit gone(log, "body gone");
    co_yield 1;
    co_await sleeps_within(log);
    co_yield 2;
}

task<> takes_all(async_generator<int>& from, lines& log) {
    note_at_exit gone(log, "asker gone");
    for (;;) {
        const std::optional<int> value = co_await from.next();
        if (!value) break;
        log.push_back("got " + std::to_string(*value));
    }
    log.push_back("end");
}

// What one more next() does.
task<> asks(async_generator<int>& from, lines& log) {
    try {
        const std::optional<int> value = co_await from.next();
        log.push_back(value ? "got " + std::to_string(*value) : "end");
    } catch (const rondo::cancelled&) {
        log.push_back("cancelled");
    } catch (const std::runtime_error& error) {
        log.push_back(error.what());
    }
}

lines after(async_generator<int>& from) {
    lines log;
    rondo::testing::run(asks(from, log));
    return log;
}

}  // namespace

// ---- Cancelling ----

TEST_CASE("cancelling a next cancels the body, innermost first, before cancel returns") {
    event_loop loop(support::virtual_time());
    lines log;
    async_generator<int> g = waits_in_a_task(log);
    auto asker = loop.spawn(takes_all(g, log));
    settle(loop);
    CHECK(log == lines{"got 1"});
    asker.cancel();
    CHECK(asker.done());
    CHECK(log == lines{"got 1", "task in body gone", "body gone", "asker gone"});
}

TEST_CASE("after a next was cancelled, every later one throws cancelled") {
    event_loop loop(support::virtual_time());
    lines log;
    async_generator<int> g = waits_in_a_task(log);
    auto asker = loop.spawn(takes_all(g, log));
    settle(loop);
    asker.cancel();
    log.clear();
    for (int i = 0; i < 2; ++i) loop.run(asks(g, log));
    CHECK(log == lines{"cancelled", "cancelled"});
    async_generator<int> moved = std::move(g);
    loop.run(asks(moved, log));
    CHECK(log.back() == "cancelled");
    moved = counts(5, 6);
    loop.run(asks(moved, log));
    CHECK(log.back() == "got 5");
}

TEST_CASE("a task that is cancelled between two values leaves its generator as it is") {
    event_loop loop(support::virtual_time());
    lines log;
    async_generator<int> g = counts_slowly(0, 3);
    auto takes_one_and_waits = [](async_generator<int>& from) -> task<> {
        const std::optional<int> value = co_await from.next();
        CHECK(value == 0);
        co_await support::for_ever();
    };
    auto asker = loop.spawn(takes_one_and_waits(g));
    auto later = [](rondo::join_handle<>& other) -> task<> {
        co_await rondo::sleep(5ms);
        other.cancel();
    };
    loop.run(later(asker));
    CHECK(asker.done());
    loop.run(asks(g, log));
    CHECK(log == lines{"got 1"});
}

TEST_CASE("a task that is cancelled while a body runs on its behalf is unwound at the next suspension") {
    event_loop loop(support::virtual_time());
    lines log;
    std::optional<rondo::join_handle<>> self;
    auto body = [](std::optional<rondo::join_handle<>>& asker, lines& out) -> async_generator<int> {
        note_at_exit gone(out, "body gone");
        asker->cancel();
        out.push_back("goes on");
        co_yield 1;  // does not suspend the asker
        out.push_back("and on");
        co_await rondo::yield();
        out.push_back("never");
    };
    async_generator<int> g = body(self, log);
    self.emplace(loop.spawn(takes_all(g, log)));
    settle(loop);
    CHECK(self->done());
    CHECK(log == lines{"goes on", "got 1", "and on", "body gone", "asker gone"});
    CHECK(after(g) == lines{"cancelled"});
}

TEST_CASE("a body that is cancelled as it is about to yield does not") {
    event_loop loop(support::virtual_time());
    lines log;
    auto body = [](lines& out) -> async_generator<int> {
        note_at_exit gone(out, "body gone");
        co_await rondo::yield();
        out.push_back("never");
        co_yield 1;
    };
    async_generator<int> g = body(log);
    auto asker = loop.spawn(takes_all(g, log));
    loop.poll();
    asker.cancel();  // it is ready
    CHECK(asker.done());
    settle(loop);
    CHECK(log == lines{"body gone", "asker gone"});
    CHECK(after(g) == lines{"cancelled"});
}

TEST_CASE("the asker may be cancelled when its generator has gone or moved") {
    for (const bool moved : {false, true}) {
        event_loop loop(support::virtual_time());
        lines log;
        std::optional<async_generator<int>> g(waits_in_a_task(log));
        auto asker = loop.spawn(takes_all(*g, log));
        // The second next() would use *g, so only the first may be under way.
        settle(loop);
        std::optional<async_generator<int>> there;
        if (moved) there.emplace(std::move(*g));
        g.reset();
        CHECK(log == lines{"got 1"});
        asker.cancel();
        CHECK(log == lines{"got 1", "task in body gone", "body gone", "asker gone"});
        if (moved) CHECK(after(*there) == lines{"cancelled"});
    }
}

TEST_CASE("a generator in the frame of its asker is unwound with it") {
    event_loop loop(support::virtual_time());
    lines log;
    auto owns = [](lines& out) -> task<> {
        note_at_exit gone(out, "asker gone");
        async_generator<int> g = waits_in_a_task(out);
        for (;;) {
            const std::optional<int> value = co_await g.next();
            out.push_back("got " + std::to_string(*value));
        }
    };
    auto asker = loop.spawn(owns(log));
    settle(loop);
    asker.cancel();
    CHECK(log == lines{"got 1", "task in body gone", "body gone", "asker gone"});
}

TEST_CASE("cancelling goes through generators on generators") {
    auto passes_on = [](async_generator<int> from, lines& out) -> async_generator<int> {
        note_at_exit gone(out, "outer gone");
        for (;;) {
            const std::optional<int> value = co_await from.next();
            if (!value) break;
            co_yield *value;
        }
    };
    event_loop loop(support::virtual_time());
    lines log;
    async_generator<int> g = passes_on(waits_in_a_task(log), log);
    auto asker = loop.spawn(takes_all(g, log));
    settle(loop);
    asker.cancel();
    CHECK(log == lines{"got 1", "task in body gone", "body gone", "outer gone", "asker gone"});
}

TEST_CASE("ten thousand generators in one another are cancelled without the stack") {
    struct nest {
        static async_generator<int> make(int height) {
            if (height == 0) {
                co_await support::for_ever();
            } else {
                async_generator<int> below = make(height - 1);
                co_await below.next();
            }
            co_yield 1;
        }
    };
    event_loop loop(support::virtual_time());
    lines log;
    {
        async_generator<int> g = nest::make(10'000);
        auto asker = loop.spawn(takes_all(g, log));
        settle(loop);
        asker.cancel();
        CHECK(asker.done());
    }
    CHECK(log == lines{"asker gone"});
}

// ---- What cannot be cancelled ----

TEST_CASE("an uncancellable operation in a body keeps the asker until it ends; the body is unwound then") {
    event_loop loop(support::virtual_time());
    lines log;
    auto body = [](lines& out) -> async_generator<int> {
        note_at_exit gone(out, "body gone");
        co_await rondo::uncancellable(support::note_after(out, "committed", 5ms));
        out.push_back("never");
        co_yield 1;
    };
    async_generator<int> g = body(log);
    auto asker = loop.spawn(takes_all(g, log));
    settle(loop);
    asker.cancel();
    CHECK(!asker.done());
    CHECK(log.empty());
    loop.run();
    CHECK(asker.done());
    CHECK(log == lines{"committed", "body gone", "asker gone"});
    CHECK(after(g) == lines{"cancelled"});
}

TEST_CASE("finally in a body cleans up when the next is cancelled, and when the body goes on") {
    auto cleans_up = [](lines& out) -> task<> {
        co_await rondo::sleep(1ms);
        out.push_back("cleaned up");
    };
    auto body = [&](lines& out) -> async_generator<int> {
        co_await rondo::finally(support::nap(1ms), [&]() -> task<> { co_await cleans_up(out); });
        co_yield 1;
        co_await rondo::finally(support::stuck(), [&]() -> task<> { co_await cleans_up(out); });
        co_yield 2;
    };
    event_loop loop(support::virtual_time());
    lines log;
    async_generator<int> g = body(log);
    auto asker = loop.spawn(takes_all(g, log));
    auto waits = []() -> task<> { co_await rondo::sleep(10ms); };
    loop.run(waits());
    CHECK(log == lines{"cleaned up", "got 1"});
    asker.cancel();
    CHECK(!asker.done());
    loop.run(waits());
    CHECK(asker.done());
    CHECK(log == lines{"cleaned up", "got 1", "cleaned up", "asker gone"});
}

TEST_CASE("a body that waits for a foreign awaitable is unwound when that ends") {
    event_loop loop(support::virtual_time());
    lines log;
    support::parking place;
    auto body = [](support::parking& p, lines& out) -> async_generator<int> {
        note_at_exit gone(out, "body gone");
        const int value = co_await p;
        out.push_back("goes on");
        co_yield value;
    };
    async_generator<int> g = body(place, log);
    auto asker = loop.spawn(takes_all(g, log));
    settle(loop);
    asker.cancel();
    CHECK(!asker.done());
    place.resume(1);
    settle(loop);
    CHECK(asker.done());
    CHECK(log == lines{"body gone", "asker gone"});
    CHECK(after(g) == lines{"cancelled"});
}

TEST_CASE("a body's foreign and native operations give it their values") {
    event_loop loop(support::virtual_time());
    lines log;
    support::parking place;
    support::native_operation operation;
    auto body = [](support::parking& p, support::native_operation& o) -> async_generator<int> {
        const int one = co_await p;
        co_yield one;
        const int two = co_await o;
        co_yield two;
    };
    async_generator<int> g = body(place, operation);
    loop.spawn(takes_all(g, log));
    settle(loop);
    place.resume(7);
    settle(loop);
    operation.complete(8);
    settle(loop);
    CHECK(log == lines{"got 7", "got 8", "end", "asker gone"});
}

// ---- Inside combinators ----

TEST_CASE("when_all asks several generators at once") {
    auto main = []() -> task<> {
        async_generator<int> a = counts_slowly(0, 3, 3ms);
        async_generator<int> b = counts_slowly(10, 13, 2ms);
        async_generator<int> c = counts(20, 23);
        const auto start = event_loop::current().now();
        for (int i = 0; i < 3; ++i) {
            const auto all = co_await when_all(a.next(), b.next(), c.next());
            CHECK(std::get<0>(all) == i);
            CHECK(std::get<1>(all) == 10 + i);
            CHECK(std::get<2>(all) == 20 + i);
        }
        CHECK(event_loop::current().now() - start == 9ms);
        const auto ends = co_await when_all(a.next(), c.next());
        CHECK(!std::get<0>(ends));
        CHECK(!std::get<1>(ends));
    };
    rondo::testing::run(main());
}

TEST_CASE("when_all: a sibling's failure cancels the next, and with it the body") {
    auto main = [](lines& log) -> task<> {
        async_generator<int> g = counts_slowly(0, 3, 10ms);
        auto fails = []() -> task<> {
            co_await rondo::sleep(1ms);
            throw std::runtime_error("sibling");
        };
        bool caught = false;
        try {
            co_await when_all(g.next(), fails());
        } catch (const std::runtime_error&) {
            caught = true;
        }
        CHECK(caught);
        CHECK(tracked::live() == 0);
        co_await asks(g, log);
    };
    lines log;
    rondo::testing::run(main(log));
    CHECK(log == lines{"cancelled"});
}

TEST_CASE("when_all of two nexts of one generator fails, for there is one at a time") {
    auto main = [](lines& log) -> task<> {
        async_generator<int> g = counts_slowly(0, 3);
        bool caught = false;
        try {
            co_await when_all(g.next(), g.next());
        } catch (const std::logic_error&) {
            caught = true;
        }
        CHECK(caught);
        co_await asks(g, log);
    };
    lines log;
    rondo::testing::run(main(log));
    CHECK(log == lines{"cancelled"});
}

TEST_CASE("when_all_settled tells of values, ends and failures") {
    auto fails = []() -> async_generator<int> {
        throw std::runtime_error("failed");
        co_yield 1;
    };
    auto main = [&]() -> task<> {
        async_generator<int> a = counts_slowly(5, 6);
        async_generator<int> b = counts(0, 0);
        async_generator<int> c = fails();
        auto all = co_await when_all_settled(a.next(), b.next(), c.next());
        CHECK(std::get<0>(all).value() == 5);
        CHECK(std::get<1>(all).value() == std::nullopt);
        CHECK(std::get<2>(all).error() != nullptr);
    };
    rondo::testing::run(main());
}

TEST_CASE("when_any: the first value wins, and the losing generator is cancelled") {
    auto main = [](lines& log) -> task<> {
        async_generator<int> slow = counts_slowly(0, 3, 10ms);
        async_generator<int> fast = counts_slowly(10, 13, 1ms);
        const auto first = co_await when_any(slow.next(), fast.next());
        REQUIRE(first.index() == 1);
        CHECK(std::get<1>(first) == 10);
        co_await asks(slow, log);
        co_await asks(fast, log);
    };
    lines log;
    rondo::testing::run(main(log));
    CHECK(log == lines{"cancelled", "got 11"});
}

TEST_CASE("when_any: a generator that is not asked any more because the race is over is as before") {
    auto main = [](lines& log) -> task<> {
        async_generator<int> a = counts(0, 3);
        async_generator<int> b = counts_slowly(10, 13);
        const auto first = co_await when_any(a.next(), b.next());
        REQUIRE(first.index() == 0);
        CHECK(std::get<0>(first) == 0);
        co_await asks(b, log);
        co_await asks(a, log);
    };
    lines log;
    rondo::testing::run(main(log));
    CHECK(log == lines{"got 10", "got 1"});
}

TEST_CASE("with_timeout of zero gives what a body has ready, and cancels one that waits") {
    auto main = [](lines& log) -> task<> {
        async_generator<int> ready = counts(0, 2);
        const std::optional<int> value = co_await with_timeout(0s, ready.next());
        CHECK(value == 0);
        std::optional<std::optional<int>> next = co_await try_with_timeout(0s, ready.next());
        REQUIRE(next);
        CHECK(*next == 1);
        next = co_await try_with_timeout(0s, ready.next());
        REQUIRE(next);
        CHECK(!*next);
        async_generator<int> waits = counts_slowly(0, 2);
        const std::optional<std::optional<int>> late = co_await try_with_timeout(0s, waits.next());
        CHECK(!late);
        CHECK(tracked::live() == 0);
        co_await asks(waits, log);
    };
    lines log;
    rondo::testing::run(main(log));
    CHECK(log == lines{"cancelled"});
}

TEST_CASE("with_timeout: values in time come, a late one is cancelled; with the deadline the value wins") {
    auto main = [](lines& log) -> task<> {
        async_generator<int> g = counts_slowly(0, 10, 2ms);
        const std::optional<int> in_time = co_await with_timeout(3ms, g.next());
        CHECK(in_time == 0);
        const std::optional<int> together = co_await with_timeout(2ms, g.next());
        CHECK(together == 1);
        bool timed_out = false;
        try {
            co_await with_timeout(1ms, g.next());
        } catch (const rondo::timeout_error&) {
            timed_out = true;
        }
        CHECK(timed_out);
        co_await asks(g, log);
    };
    lines log;
    rondo::testing::run(main(log));
    CHECK(log == lines{"cancelled"});
}

TEST_CASE("an uncancellable next gets its value although its task was cancelled, and the generator goes on") {
    event_loop loop(support::virtual_time());
    lines log;
    async_generator<int> g = counts_slowly(0, 3);
    auto shields = [](async_generator<int>& from, lines& out) -> task<> {
        note_at_exit gone(out, "gone");
        co_await rondo::uncancellable(from.next());
        out.push_back("goes on");
    };
    auto asker = loop.spawn(shields(g, log));
    settle(loop);
    asker.cancel();
    CHECK(!asker.done());
    loop.run();
    CHECK(asker.done());
    CHECK(log == lines{"gone"});
    loop.run(asks(g, log));
    CHECK(log == lines{"gone", "got 1"});
}

TEST_CASE("a body may use every combinator itself") {
    auto body = []() -> async_generator<int> {
        const auto all = co_await when_all(support::give(1), support::nap(1ms));
        co_yield std::get<0>(all);
        const auto first = co_await when_any(support::nap(1h), support::give(2));
        co_yield std::get<1>(first);
        const std::optional<int> limited = co_await try_with_timeout(1s, support::give(3));
        co_yield *limited;
        int sum = 0;
        auto grouped = [&](rondo::task_group& group) -> task<> {
            auto adds = [](int& to) -> task<> {
                co_await rondo::yield();
                to += 2;
            };
            group.spawn(adds(sum));
            group.spawn(adds(sum));
            co_return;
        };
        co_await rondo::with_task_group(grouped);
        co_yield sum;
    };
    auto main = [&]() -> task<> {
        async_generator<int> g = body();
        for (int expected = 1; expected <= 4; ++expected) {
            const std::optional<int> value = co_await g.next();
            CHECK(value == expected);
        }
        const std::optional<int> end = co_await g.next();
        CHECK(!end);
    };
    rondo::testing::run(main());
}

TEST_CASE("a generator feeds a queue, and a queue a generator") {
    auto messages = [](rondo::bounded_queue<int>& queue) -> async_generator<int> {
        for (;;) {
            const std::optional<int> message = co_await queue.pop();
            if (!message) break;
            co_yield *message;
        }
    };
    auto feeds = [](async_generator<int> from, rondo::bounded_queue<int>& to) -> task<> {
        for (;;) {
            const std::optional<int> value = co_await from.next();
            if (!value) break;
            co_await to.push(*value);
        }
        to.close();
    };
    auto takes = [&](rondo::bounded_queue<int>& queue, int& sum) -> task<> {
        async_generator<int> g = messages(queue);
        for (;;) {
            const std::optional<int> value = co_await g.next();
            if (!value) break;
            sum += *value;
        }
    };
    auto main = [&](int& sum) -> task<> {
        rondo::bounded_queue<int> queue(2);
        co_await when_all(feeds(counts(0, 1000), queue), takes(queue, sum));
    };
    int sum = 0;
    rondo::testing::run(main(sum));
    CHECK(sum == 499'500);
}

TEST_CASE("a message in a body's lease comes back when its generator is destroyed, or its next cancelled") {
    rondo::message_queue<int> queue(2);
    auto leases = [](rondo::message_queue<int>& q, bool waits) -> async_generator<int> {
        for (;;) {
            std::optional<rondo::delivery<int>> d = co_await q.receive();
            if (!d) break;
            if (waits) co_await support::for_ever();
            co_yield **d;
            d->ack();
        }
    };
    REQUIRE(queue.try_push(1));
    REQUIRE(queue.try_push(2));
    auto main = [&]() -> task<> {
        {
            async_generator<int> g = leases(queue, false);
            const std::optional<int> one = co_await g.next();
            CHECK(one == 1);
            const std::optional<int> two = co_await g.next();
            CHECK(two == 2);
            CHECK(queue.in_flight() == 1);
        }
        CHECK(queue.size() == 1);
        async_generator<int> g = leases(queue, true);
        const std::optional<std::optional<int>> late = co_await try_with_timeout(1ms, g.next());
        CHECK(!late);
    };
    rondo::testing::run(main());
    std::optional<rondo::delivery<int>> d = queue.try_receive();
    REQUIRE(d);
    CHECK(**d == 2);
    CHECK(d->attempt() == 3);
}

// ---- The end of the loop ----

namespace {

async_generator<int> goes_through_stages(lines& log) {
    note_at_exit gone(log, "body gone");
    const tracked local(1);
    co_yield 1;
    co_await rondo::sleep(1ms);
    co_yield 2;
    co_await rondo::yield();
    co_yield 3;
    throw std::runtime_error("failed");
}

task<> takes(async_generator<int>& from, int count) {
    for (int i = 0; i < count; ++i) co_await from.next();
}

task<> owns_and_takes(lines& log, int count) {
    async_generator<int> g = goes_through_stages(log);
    for (int i = 0; i < count; ++i) co_await g.next();
    co_await support::for_ever();
}

}  // namespace

TEST_CASE("a loop that goes unwinds tasks with their generators, wherever their bodies stand") {
    for (int count = 0; count <= 4; ++count) {
        for (int polls = 0; polls <= 6; ++polls) {
            lines log;
            {
                auto driver = std::make_unique<rondo::testing::virtual_driver>();
                rondo::testing::virtual_driver& time = *driver;
                event_loop loop(std::move(driver));
                loop.on_unhandled_exception([](std::exception_ptr) {});
                loop.spawn(owns_and_takes(log, count));
                for (int i = 0; i < polls; ++i) {
                    loop.poll();
                    time.advance(1ms);
                }
            }
            CHECK(tracked::live() == 0);
            CHECK(rondo::testing::live_frames() == 0);
            CHECK(log.size() == (polls > 0 && count > 0 ? 1 : 0));
        }
    }
}

TEST_CASE("a loop that goes while a next waits on a generator elsewhere cancels its body") {
    for (int polls = 0; polls <= 6; ++polls) {
        lines log;
        async_generator<int> g = goes_through_stages(log);
        {
            auto driver = std::make_unique<rondo::testing::virtual_driver>();
            rondo::testing::virtual_driver& time = *driver;
            event_loop loop(std::move(driver));
            loop.on_unhandled_exception([](std::exception_ptr) {});
            loop.spawn(takes(g, 3));
            for (int i = 0; i < polls; ++i) {
                loop.poll();
                time.advance(1ms);
            }
        }
        const lines then = after(g);
        INFO("after " << polls << " polls");
        CHECK(then == lines{polls == 0 ? "got 1" : polls <= 2 ? "cancelled" : "failed"});
    }
}

TEST_CASE("a loop that goes with a body that nothing can resume destroys it") {
    lines log;
    support::native_operation operation;
    operation.withdrawable = false;
    auto body = [](support::native_operation& o, lines& out) -> async_generator<int> {
        note_at_exit gone(out, "body gone");
        co_await o;
        co_yield 1;
    };
    async_generator<int> g = body(operation, log);
    {
        event_loop loop(support::virtual_time());
        loop.spawn(takes_all(g, log));
        settle(loop);
        operation.forget();
    }
    CHECK(log == lines{"body gone", "asker gone"});
    CHECK(after(g) == lines{"cancelled"});
}

TEST_CASE("stop cancels a main task that waits in a next") {
    event_loop loop(support::virtual_time());
    lines log;
    async_generator<int> g = waits_in_a_task(log);
    auto stops = []() -> task<> {
        co_await rondo::sleep(1ms);
        event_loop::current().stop();
    };
    loop.spawn(stops());
    CHECK_THROWS_AS(loop.run(takes_all(g, log)), rondo::cancelled);
    CHECK(log == lines{"got 1", "task in body gone", "body gone", "asker gone"});
}
