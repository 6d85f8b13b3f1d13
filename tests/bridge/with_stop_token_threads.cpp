// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

// with_stop_token: stopped before, meanwhile and after, by a task, by op itself, and by other threads.

#include <support/clocks.hpp>
#include <support/foreign.hpp>
#include <support/in_child.hpp>
#include <support/journal.hpp>
#include <support/leak_check.hpp>
#include <support/native_operation.hpp>
#include <support/sweeps.hpp>
#include <support/tasks.hpp>
#include <support/threads.hpp>
#include <support/tracked.hpp>

#include <rondo/bridge/with_stop_token.hpp>
#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <chrono>
#include <concepts>
#include <cstdlib>
#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using rondo::bounded_queue;
using rondo::cancelled;
using rondo::event_loop;
using rondo::task;
using rondo::with_stop_token;
using support::give;
using support::lines;
using support::note_at_exit;
using support::tracked;

using stopping = decltype(with_stop_token(std::stop_token(), std::declval<task<int>>()));
static_assert(rondo::awaitable<stopping> && !rondo::awaitable<stopping&>);
static_assert(std::same_as<rondo::await_result_t<stopping>, int>);

task<> serves(lines& log) {
    note_at_exit gone(log, "gone");
    log.push_back("serves");
    co_await support::for_ever();
    log.push_back("goes on");
}

/// Serves until the token says stop; the journal tells in which order things went.
task<> serves_until(std::stop_token token, lines& log) {
    try {
        co_await with_stop_token(std::move(token), serves(log));
        log.push_back("returned");
    } catch (const cancelled&) {
        log.push_back("cancelled");
    }
}

task<> stops_after(std::stop_source source, support::clock::duration time) {
    co_await rondo::sleep(time);
    source.request_stop();
}

// ---- Before ----

task<> is_stopped_before(lines& log) {
    std::stop_source source;
    source.request_stop();
    bounded_queue<int> queue(1);
    co_await queue.push(1);
    co_await serves_until(source.get_token(), log);
    CHECK(log == lines{"cancelled"});
    try {
        co_await with_stop_token(source.get_token(), queue.pop());
    } catch (const cancelled&) {
        log.push_back("cancelled");
    }
    CHECK(queue.size() == 1);
    const tracked argument(1);
    const auto never = [](tracked kept) -> task<> {
        (void)kept;
        co_return;
    };
    try {
        co_await with_stop_token(source.get_token(), never(argument));
    } catch (const cancelled&) {
        log.push_back("cancelled");
    }
    CHECK(tracked::live() == 1);
}

// ---- During ----

task<> is_stopped_by_a_task(lines& log) {
    std::stop_source source;
    auto server = rondo::spawn(serves_until(source.get_token(), log));
    co_await rondo::sleep(1ms);
    log.push_back("stops");
    source.request_stop();
    log.push_back("stopped");
    source.request_stop();
    CHECK(!server.done());
    co_await server;
    log.push_back("joined");
}

task<> stops_its_own(std::stop_source& source, lines& log, bool waits_after) {
    note_at_exit gone(log, "gone");
    co_await rondo::yield();
    source.request_stop();
    log.push_back("stopped");
    if (waits_after) co_await rondo::yield();
    log.push_back("goes on");
}

task<> stops_its_own_at_once(std::stop_source& source, lines& log, bool waits_after) {
    note_at_exit gone(log, "gone");
    source.request_stop();
    log.push_back("stopped");
    if (waits_after) co_await rondo::yield();
    log.push_back("goes on");
}

template <class Make>
task<> runs_what_stops_itself(Make make, lines& log, bool waits_after) {
    std::stop_source source;
    try {
        co_await with_stop_token(source.get_token(), make(source, log, waits_after));
        log.push_back("returned");
    } catch (const cancelled&) {
        log.push_back("cancelled");
    }
}

task<> waits_for_operations(lines& log) {
    bounded_queue<int> queue(1);
    std::stop_source source;
    auto stopper = rondo::spawn(stops_after(source, 1ms));
    try {
        co_await with_stop_token(source.get_token(), queue.pop());
    } catch (const cancelled&) {
        log.push_back("pop cancelled");
    }
    co_await stopper;
    co_await queue.push(1);
    CHECK(queue.size() == 1);

    std::stop_source second;
    auto other = rondo::spawn(stops_after(second, 1ms));
    try {
        co_await with_stop_token(second.get_token(), rondo::sleep(1h));
    } catch (const cancelled&) {
        log.push_back("sleep cancelled");
    }
    co_await other;

    support::native_operation native;
    std::stop_source third;
    auto last = rondo::spawn(stops_after(third, 1ms));
    try {
        co_await with_stop_token(third.get_token(), native);
    } catch (const cancelled&) {
        log.push_back("native cancelled");
    }
    CHECK(native.cancels == 1);
    CHECK(native.destroyed == 1);
    co_await last;
}

task<> combinators_inside(lines& log) {
    std::stop_source source;
    auto stopper = rondo::spawn(stops_after(source, 1ms));
    try {
        co_await with_stop_token(source.get_token(), rondo::when_all(serves(log), serves(log), rondo::sleep(1h)));
    } catch (const cancelled&) {
        log.push_back("cancelled");
    }
    co_await stopper;
}

task<> combinators_outside(lines& log) {
    std::stop_source source;
    auto stopper = rondo::spawn(stops_after(source, 1ms));
    const auto both =
        co_await rondo::when_all_settled(with_stop_token(source.get_token(), serves(log)), support::nap(2ms));
    // cancelled leaving a task is an ordinary failure
    CHECK_THROWS_AS(std::get<0>(both).value(), cancelled);
    CHECK(std::get<1>(both).has_value());
    const auto first = co_await rondo::when_any(support::nap(1ms), with_stop_token(std::stop_token(), serves(log)));
    CHECK(first.index() == 0);
    std::stop_source other;
    const auto in_time = co_await rondo::try_with_timeout(1ms, with_stop_token(other.get_token(), serves(log)));
    CHECK(!in_time);
    co_await stopper;
}

task<> one_source_for_many(lines& log) {
    std::stop_source source;
    std::vector<rondo::join_handle<>> servers;
    for (int i = 0; i < 3; ++i) servers.push_back(rondo::spawn(serves_until(source.get_token(), log)));
    co_await rondo::yield();
    source.request_stop();
    for (rondo::join_handle<>& one : servers) co_await one;
}

task<> nested(lines& log) {
    std::stop_source outer;
    std::stop_source inner;
    auto stopper = rondo::spawn(stops_after(inner, 1ms));
    co_await with_stop_token(outer.get_token(), serves_until(inner.get_token(), log));
    CHECK(log == lines{"serves", "gone", "cancelled"});
    co_await stopper;
    std::stop_source fresh;
    stopper = rondo::spawn(stops_after(outer, 1ms));
    try {
        co_await with_stop_token(outer.get_token(), serves_until(fresh.get_token(), log));
    } catch (const cancelled&) {
        log.push_back("outer cancelled");
    }
    co_await stopper;
}

// ---- After, and without ----

task<> ends_by_itself() {
    std::stop_source source;
    const int at_once = co_await with_stop_token(source.get_token(), give(1));
    CHECK(at_once == 1);
    const auto later = [](int value) -> task<int> {
        co_await rondo::sleep(1ms);
        co_return value;
    };
    const int value = co_await with_stop_token(source.get_token(), later(2));
    CHECK(value == 2);
    source.request_stop();  // nobody listens any more
    co_await rondo::yield();
    CHECK(source.stop_requested());
}

task<> gives_everything() {
    std::stop_source source;
    const auto token = source.get_token();
    int target = 1;
    const auto lends = [](int& t) -> task<int&> {
        co_await rondo::yield();
        co_return t;
    };
    int& reference = co_await with_stop_token(token, lends(target));
    CHECK(&reference == &target);
    const auto owned = co_await with_stop_token(token, give(std::make_unique<int>(3)));
    CHECK(*owned == 3);
    co_await with_stop_token(token, support::nap(1ms));
    co_await with_stop_token(token, rondo::yield());
    std::string said;
    try {
        co_await with_stop_token(token, support::fail("op"));
    } catch (const std::runtime_error& error) {
        said = error.what();
    }
    CHECK(said == "op");
}

task<> without_a_source(lines& log) {
    const int value = co_await with_stop_token(std::stop_token(), give(4));
    CHECK(value == 4);
    std::stop_token orphan;
    {
        const std::stop_source source;
        orphan = source.get_token();
    }
    CHECK(!orphan.stop_possible());
    co_await with_stop_token(orphan, support::nap(1ms));
    log.push_back("returned");
}

task<int> commits(support::clock::duration time) {
    co_await rondo::sleep(time);
    co_return 5;
}

task<> fails_after(support::clock::duration time) {
    co_await rondo::sleep(time);
    throw std::runtime_error("late");
}

task<> ends_nevertheless(lines& log) {
    std::stop_source source;
    auto stopper = rondo::spawn(stops_after(source, 1ms));
    const auto start = event_loop::current().now();
    const int value = co_await with_stop_token(source.get_token(), rondo::uncancellable(commits(5ms)));
    CHECK(value == 5);
    CHECK(event_loop::current().now() - start == 5ms);
    CHECK(source.stop_requested());
    co_await stopper;

    std::stop_source second;
    auto other = rondo::spawn(stops_after(second, 1ms));
    try {
        co_await with_stop_token(second.get_token(), rondo::uncancellable(fails_after(5ms)));
    } catch (const std::runtime_error& error) {
        log.push_back(error.what());
    }
    co_await other;

    std::stop_source third;
    support::parking place;
    const auto resume = [&] { place.resume(6); };
    const auto resumes = [&]() -> task<> {
        co_await rondo::sleep(1ms);
        third.request_stop();
        co_await rondo::sleep(1ms);
        resume();
    };
    auto last = rondo::spawn(resumes());
    const int foreign = co_await with_stop_token(third.get_token(), place);
    CHECK(foreign == 6);
    co_await last;
}

task<int> stops_and_commits(std::stop_source source, bool waits_before) {
    if (waits_before) co_await rondo::sleep(1ms);
    source.request_stop();
    co_await rondo::sleep(5ms);
    co_return 5;
}

task<> ends_nevertheless_having_stopped_itself() {
    for (const bool waits_before : {false, true}) {
        std::stop_source source;
        const int value =
            co_await with_stop_token(source.get_token(), rondo::uncancellable(stops_and_commits(source, waits_before)));
        CHECK(value == 5);
        CHECK(source.stop_requested());
    }
}

task<> cleans_up(lines& log) {
    const auto body = [] { return support::stuck(); };
    const auto cleanup = [&log]() -> task<> {
        co_await rondo::sleep(5ms);
        log.push_back("cleaned");
    };
    co_await rondo::finally(body, cleanup);
}

task<> waits_for_the_cleanup(lines& log) {
    std::stop_source source;
    auto stopper = rondo::spawn(stops_after(source, 1ms));
    try {
        co_await with_stop_token(source.get_token(), cleans_up(log));
    } catch (const cancelled&) {
        log.push_back("cancelled");
    }
    co_await stopper;
}

// ---- Its caller is cancelled ----

task<> cancels_the_caller(lines& log) {
    std::stop_source source;
    auto server = rondo::spawn(serves_until(source.get_token(), log));
    co_await rondo::yield();
    server.cancel();
    CHECK(server.done());
    CHECK(log == lines{"serves", "gone"});
    source.request_stop();
    co_await rondo::yield();
    CHECK(log == lines{"serves", "gone"});
}

task<> stops_and_cancels(lines& log, bool stop_first) {
    std::stop_source source;
    auto server = rondo::spawn(serves_until(source.get_token(), log));
    co_await rondo::yield();
    if (stop_first) source.request_stop();
    server.cancel();
    if (!stop_first) source.request_stop();
    CHECK(server.done());
    CHECK(log == lines{"serves", "gone"});
}

/// Its destructor, which the stop sets off, cancels the task that waits for it.
task<> cancels_its_caller_when_it_goes(std::optional<rondo::join_handle<>>& caller) {
    const auto cancel = [&] { caller->cancel(); };
    const support::call_at_exit leave(cancel);
    co_await support::for_ever();
}

task<> is_cancelled_by_its_op(std::stop_token token, std::optional<rondo::join_handle<>>& self, lines& log) {
    note_at_exit gone(log, "gone");
    try {
        co_await with_stop_token(std::move(token), cancels_its_caller_when_it_goes(self));
    } catch (const cancelled&) {
        log.push_back("cancelled");
    }
}

task<> stop_cancels_the_caller(lines& log) {
    std::stop_source source;
    std::optional<rondo::join_handle<>> caller;
    caller.emplace(rondo::spawn(is_cancelled_by_its_op(source.get_token(), caller, log)));
    co_await rondo::yield();
    source.request_stop();
    const auto end = co_await caller->settled();
    CHECK(end.is_cancelled());
    CHECK(log == lines{"gone"});
}

// ---- The loop ----

task<> never_ends(std::stop_token token) { co_await with_stop_token(std::move(token), support::stuck()); }

[[maybe_unused]] task<> never_ends_and_cannot_be_cancelled(std::stop_source& source) {
    auto stopper = rondo::spawn(stops_after(source, 1ms));
    co_await with_stop_token(source.get_token(), rondo::uncancellable(support::stuck()));
}

task<> stopped_by(std::stop_token token, task<> op) { co_await with_stop_token(std::move(token), std::move(op)); }

task<> races(std::stop_token token, int& values, int& stops, int yields) {
    try {
        co_await with_stop_token(std::move(token), support::yields(yields));
        ++values;
    } catch (const cancelled&) {
        ++stops;
    }
}

// ---- Under disturbance ----

class servers final : public support::swept {
public:
    task<> program() override {
        std::stop_source source;
        auto stopper = rondo::spawn(stops_after(source, 2ms));
        co_await serves_until(source.get_token(), log);
        point();
        std::stop_source second;
        co_await with_stop_token(second.get_token(), support::nap(1ms));
        point();
        co_await rondo::when_all(serves_until(source.get_token(), log), with_stop_token(second.get_token(), give(1)));
        co_await stopper;
    }
    void check(support::disturbance) override {
        REQUIRE(std::count(log.begin(), log.end(), "serves") == std::count(log.begin(), log.end(), "gone"));
    }

private:
    lines log;
};

}  // namespace

TEST_CASE("a stop that came first: op is not started, and destroyed") {
    lines log;
    rondo::testing::run(is_stopped_before(log));
}

TEST_CASE("a stop requested by a task cancels op; its caller goes on, on a later step, when op is gone") {
    lines log;
    rondo::testing::run(is_stopped_by_a_task(log));
    CHECK(log == lines{"serves", "stops", "gone", "stopped", "cancelled", "joined"});
}

TEST_CASE("op may request the stop itself: it takes effect where op waits next, or not at all") {
    for (const bool waits_after : {true, false}) {
        const lines expected =
            waits_after ? lines{"stopped", "gone", "cancelled"} : lines{"stopped", "goes on", "gone", "returned"};
        lines log;
        rondo::testing::run(runs_what_stops_itself(stops_its_own, log, waits_after));
        CHECK(log == expected);
        log.clear();
        rondo::testing::run(runs_what_stops_itself(stops_its_own_at_once, log, waits_after));
        CHECK(log == expected);
    }
}

TEST_CASE("op may be an operation") {
    lines log;
    rondo::testing::run(waits_for_operations(log));
    CHECK(log == lines{"pop cancelled", "sleep cancelled", "native cancelled"});
}

TEST_CASE("op may be a combinator, and with_stop_token an operand of one") {
    lines log;
    rondo::testing::run(combinators_inside(log));
    CHECK(log == lines{"serves", "serves", "gone", "gone", "cancelled"});
    log.clear();
    rondo::testing::run(combinators_outside(log));
    CHECK(log == lines{"serves", "gone", "serves", "gone", "serves", "gone"});
}

TEST_CASE("one source stops many") {
    lines log;
    rondo::testing::run(one_source_for_many(log));
    CHECK(std::count(log.begin(), log.end(), "cancelled") == 3);
    CHECK(std::count(log.begin(), log.end(), "gone") == 3);
}

TEST_CASE("tokens nest: each stops its own") {
    lines log;
    rondo::testing::run(nested(log));
    CHECK(log == lines{"serves", "gone", "cancelled", "serves", "gone", "outer cancelled"});
}

TEST_CASE("an op that ends by itself gives its result; a stop after that does nothing") {
    rondo::testing::run(ends_by_itself());
}

TEST_CASE("values, references, move-only objects, nothing and exceptions come through") {
    rondo::testing::run(gives_everything());
}

TEST_CASE("a token without a source changes nothing") {
    lines log;
    rondo::testing::run(without_a_source(log));
    CHECK(log == lines{"returned"});
}

TEST_CASE("an op that ended although it was asked to stop gives its result, or its failure") {
    lines log;
    rondo::testing::run(ends_nevertheless(log));
    CHECK(log == lines{"late"});
}

TEST_CASE("an op that cannot be cancelled, and requests the stop itself, gives its result") {
    rondo::testing::run(ends_nevertheless_having_stopped_itself());
}

TEST_CASE("op's cleanup has run before the caller goes on") {
    lines log;
    rondo::testing::run(waits_for_the_cleanup(log));
    CHECK(log == lines{"cleaned", "cancelled"});
}

TEST_CASE("cancelling the caller cancels op; a stop after that, or before its step, does nothing more") {
    lines log;
    rondo::testing::run(cancels_the_caller(log));
    for (const bool stop_first : {true, false}) {
        log.clear();
        rondo::testing::run(stops_and_cancels(log, stop_first));
    }
}

TEST_CASE("a stop may set off the cancellation of the caller") {
    lines log;
    rondo::testing::run(stop_cancels_the_caller(log));
}

TEST_CASE("a token that cannot stop any more does not keep an idle loop waiting") {
    CHECK_THROWS_AS(rondo::testing::run(never_ends(std::stop_token())), rondo::deadlock_error);
    std::stop_source source;
    const auto waits = [](std::stop_token token) -> task<> {
        co_await with_stop_token(std::move(token), support::nothing());
        co_await support::for_ever();
    };
    CHECK_THROWS_AS(rondo::testing::run(waits(source.get_token())), rondo::deadlock_error);
}

TEST_CASE("a stop between polls makes the loop ready, and wakes its driver") {
    support::manual_clock clock;
    lines log;
    std::stop_source source;
    event_loop loop(clock.driver());
    auto server = loop.spawn(serves_until(source.get_token(), log));
    loop.poll();
    const int wakes = clock.wakes;
    source.request_stop();
    CHECK(clock.wakes > wakes);
    loop.poll();
    loop.poll();
    CHECK(server.done());
    CHECK(log == lines{"serves", "gone", "cancelled"});
}

TEST_CASE("a source may outlive the loop, and stop what is gone") {
    lines log;
    std::stop_source source;
    {
        event_loop loop(support::virtual_time());
        loop.spawn(serves_until(source.get_token(), log));
        loop.poll();
    }
    CHECK(log == lines{"serves", "gone"});
    CHECK(source.request_stop());
    CHECK(log == lines{"serves", "gone"});
}

TEST_CASE("a stop requested from outside, and its loop destroyed before it is looked at") {
    lines log;
    std::stop_source source;
    {
        event_loop loop(support::virtual_time());
        loop.spawn(serves_until(source.get_token(), log));
        loop.poll();
        source.request_stop();
    }
    CHECK(log == lines{"serves", "gone"});
}

TEST_CASE("a stop from another thread wakes a loop that waits for it, and op is destroyed on the loop's thread") {
    for (int i = 0; i < 20; ++i) {
        lines log;
        std::stop_source source;
        std::thread::id destroyed_on;
        support::threads threads;
        support::gate begun;
        threads.start([&source, &begun, i] {
            begun.wait();
            std::this_thread::sleep_for(std::chrono::microseconds(100 * i));
            source.request_stop();
        });
        const auto body = [](support::gate& started, std::thread::id& where) -> task<> {
            started.open();
            const auto note = [&] { where = std::this_thread::get_id(); };
            const support::call_at_exit leave(note);
            co_await support::for_ever();
        };
        CHECK_THROWS_AS(rondo::run(stopped_by(source.get_token(), body(begun, destroyed_on))), cancelled);
        CHECK(destroyed_on == std::this_thread::get_id());
    }
}

TEST_CASE("a stop from another thread races op's end: a result, or cancelled") {
    int values = 0;
    int stops = 0;
    for (int i = 0; i < 1000; ++i) {
        std::stop_source source;
        support::starting_line line(2);
        support::threads threads;
        threads.start([&] {
            line.wait();
            support::dawdle(i % 100 * 20);
            source.request_stop();
        });
        event_loop loop;
        line.wait();
        loop.run(races(source.get_token(), values, stops, i % 20));
    }
    CHECK(values + stops == 1000);
}

TEST_CASE("a stop races the caller's cancellation, and the end of the loop") {
    for (int i = 0; i < 1000; ++i) {
        lines log;
        std::stop_source source;
        support::starting_line line(2);
        support::threads threads;
        {
            event_loop loop;
            auto server = loop.spawn(serves_until(source.get_token(), log));
            loop.poll();
            threads.start([&] {
                line.wait();
                support::dawdle(i % 50 * 10);
                source.request_stop();
            });
            line.wait();
            if (i % 2 == 0) {
                support::dawdle(i % 70 * 5);
                loop.poll();
                server.cancel();
                CHECK(server.done());
            }
        }
        REQUIRE(log.size() >= 2);
        CHECK(log[1] == "gone");
    }
}

TEST_CASE("stops from eight threads, of eight sources, all arrive") {
    constexpr int many = 8;
    for (int i = 0; i < 100; ++i) {
        std::vector<std::stop_source> sources(many);
        support::starting_line line(many);
        support::threads threads;
        int values = 0;
        int stops = 0;
        {
            event_loop loop;
            for (std::stop_source& one : sources) {
                loop.spawn(races(one.get_token(), values, stops, 100'000'000));
                threads.start([&line, &one] {
                    line.wait();
                    one.request_stop();
                });
            }
            loop.run();
        }
        CHECK(values == 0);
        CHECK(stops == many);
    }
}

TEST_CASE("a program of with_stop_token is right under every sweep") { support::sweeps::all<servers>(12, 6); }

TEST_CASE("a call that runs on a thread ends with its result although it was asked to stop") {
    std::stop_source source;
    support::gate go_on;
    const auto body = [](std::stop_source& s, support::gate& g) -> task<int> {
        const auto call = [&] {
            s.request_stop();
            g.wait();
            return 9;
        };
        const auto opener = [&]() -> task<> {
            while (!s.stop_requested()) co_await rondo::yield();
            co_await support::yields(3);
            g.open();
        };
        auto opens = rondo::spawn(opener());
        const int value = co_await with_stop_token(s.get_token(), rondo::to_thread(call));
        co_await opens;
        co_return value;
    };
    CHECK(rondo::run(body(source, go_on)) == 9);
}

TEST_CASE("a call on a thread may be stopped by its own token as well") {
    std::stop_source source;
    const auto body = [](std::stop_source& s) -> task<bool> {
        auto stopper = rondo::spawn(stops_after(s, 2ms));
        const auto call = [token = s.get_token()] {
            while (!token.stop_requested()) std::this_thread::yield();
            return true;
        };
        const bool stopped = co_await rondo::to_thread(call);
        co_await stopper;
        co_return stopped;
    };
    CHECK(rondo::run(body(source)));
}

#if SUPPORT_HAS_FORK
TEST_CASE("a stop that was requested does not keep an idle loop waiting for an op that never ends") {
    const auto end = support::in_child([] {
        ::alarm(5);  // it would wait for ever
        std::stop_source source;
        try {
            rondo::testing::run(never_ends_and_cannot_be_cancelled(source));
        } catch (const rondo::deadlock_error&) {
            std::_Exit(7);
        }
    });
    CHECK(end.code == 7);
}
#endif
