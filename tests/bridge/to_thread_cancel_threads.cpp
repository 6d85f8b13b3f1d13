// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

// to_thread where its caller is cancelled: before the call, while it is queued, while it runs, as it ends; in combinators; and where its loop goes.

#include <support/clocks.hpp>
#include <support/journal.hpp>
#include <support/leak_check.hpp>
#include <support/sweeps.hpp>
#include <support/tasks.hpp>
#include <support/threads.hpp>

#include <rondo/bridge/detail/thread_pool.hpp>
#include <rondo/bridge/to_thread.hpp>
#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <catch2/catch_test_macros.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

namespace {

using namespace std::chrono_literals;
using rondo::event_loop;
using rondo::task;
using rondo::to_thread;
using rondo::detail::thread_pool;
using support::gate;
using support::lines;
using support::note_at_exit;

std::string text_of(const std::exception_ptr& error) {
    try {
        std::rethrow_exception(error);
    } catch (const std::exception& e) {
        return e.what();
    }
}

/// A call that lasts until the test lets it go on.
class long_call {
public:
    long_call() = default;
    long_call(const long_call&) = delete;
    long_call& operator=(const long_call&) = delete;

    int operator()() {
        began.open();
        go_on.wait();
        ++calls;
        if (fails) throw std::runtime_error("late failure");
        return value;
    }

    gate began;
    gate go_on;
    std::atomic<int> calls = 0;
    bool fails = false;
    int value = 7;
};

auto in_thread(long_call& call) { return to_thread(std::ref(call)); }

task<int> calls(long_call& call) { co_return co_await in_thread(call); }

task<> calls_and_notes(long_call& call, lines& log) {
    note_at_exit gone(log, "unwound");
    const int value = co_await in_thread(call);
    log.push_back("got " + std::to_string(value));
}

/// Until `g` is open, without holding the loop up.
task<> until(gate& g) {
    while (!g.is_open()) co_await rondo::yield();
}

/// All threads of the pool, busy until it is told to let them go.
class full_pool {
public:
    full_pool() = default;
    full_pool(const full_pool&) = delete;
    full_pool& operator=(const full_pool&) = delete;
    ~full_pool() { let_go(); }

    task<> fill() {
        for (std::size_t i = 0; i < thread_pool::limit(); ++i) handles_.push_back(rondo::spawn(occupy()));
        while (busy_ < thread_pool::limit()) co_await rondo::yield();
    }
    void let_go() { go_on_.open(); }
    task<> empty() {
        let_go();
        for (rondo::join_handle<>& one : handles_) co_await one;
    }

private:
    task<> occupy() {
        co_await to_thread([this] {
            ++busy_;
            go_on_.wait();
        });
    }

    gate go_on_;
    std::atomic<std::size_t> busy_ = 0;
    std::vector<rondo::join_handle<>> handles_;
};

// ---- When it is cancelled ----

task<> cancels_before_the_start(long_call& call, lines& log) {
    auto caller = rondo::spawn(calls_and_notes(call, log));
    caller.cancel();
    CHECK(caller.done());
    co_await to_thread([] {});
    CHECK(log.empty());
}

task<> waits_in_the_queue(std::atomic<int>& calls, std::shared_ptr<int> argument) {
    auto f = [&calls](const std::shared_ptr<int>&) { ++calls; };
    co_await to_thread(f, std::move(argument));
}

task<> cancels_in_the_queue(std::atomic<int>& called) {
    full_pool pool;
    co_await pool.fill();
    auto argument = std::make_shared<int>(1);
    const std::weak_ptr<int> watched = argument;
    auto first = rondo::spawn(waits_in_the_queue(called, std::move(argument)));
    auto second = rondo::spawn(waits_in_the_queue(called, nullptr));
    auto third = rondo::spawn(waits_in_the_queue(called, nullptr));
    co_await support::yields(2);
    first.cancel();
    CHECK(first.done());
    CHECK(watched.expired());
    third.cancel();
    CHECK(third.done());
    CHECK(called == 0);
    co_await pool.empty();
    co_await second;
    CHECK(called == 1);
    co_await to_thread([] {});
    CHECK(called == 1);
}

task<> cancels_while_it_runs(long_call& call, lines& log) {
    auto caller = rondo::spawn(calls_and_notes(call, log));
    co_await until(call.began);
    caller.cancel();
    caller.cancel();
    co_await support::yields(3);
    CHECK(!caller.done());
    CHECK(log.empty());
    CHECK(call.calls == 0);
    call.go_on.open();
    const auto end = co_await caller.settled();
    CHECK(end.is_cancelled());
    CHECK(call.calls == 1);
    CHECK(log == lines{"unwound"});
}

task<> has_locals(gate& began, gate& go_on, int& seen) {
    std::vector<int> local(1000, 1);
    const auto sum = [&] {
        began.open();
        go_on.wait();
        for (const int one : local) seen += one;
        local.clear();
    };
    co_await to_thread(sum);
}

task<> keeps_the_locals(int& seen) {
    gate began;
    gate go_on;
    auto caller = rondo::spawn(has_locals(began, go_on, seen));
    co_await until(began);
    caller.cancel();
    co_await rondo::yield();
    go_on.open();
    const auto end = co_await caller.settled();
    CHECK(end.is_cancelled());
}

task<> parent_of(long_call& call, lines& log) {
    note_at_exit gone(log, "parent unwound");
    co_await calls_and_notes(call, log);
    log.push_back("parent goes on");
}

task<> cancels_a_chain(long_call& call, lines& log) {
    auto caller = rondo::spawn(parent_of(call, log));
    co_await until(call.began);
    caller.cancel();
    CHECK(log.empty());
    call.go_on.open();
    const auto end = co_await caller.settled();
    CHECK(end.is_cancelled());
    CHECK(log == lines{"unwound", "parent unwound"});
}

task<> cancels_the_failing(long_call& call) {
    call.fails = true;
    auto caller = rondo::spawn(calls(call));
    co_await until(call.began);
    caller.cancel();
    call.go_on.open();
    const auto end = co_await caller.settled();
    CHECK(end.is_cancelled());
    co_await rondo::yield();
}

/// In every round before what arrives in it; cancels where the call has most likely returned, and its letter has not been looked at.
task<> cancels_as_it_ends(long_call& call, rondo::join_handle<int>& caller, bool in_the_same_round) {
    co_await until(call.began);
    call.go_on.open();
    while (call.calls == 0) std::this_thread::yield();
    std::this_thread::sleep_for(2ms);
    if (in_the_same_round) co_await rondo::yield();
    caller.cancel();
}

// ---- In combinators ----

/// Virtual time stands still until the call has begun.
task<> opens_later(long_call& call, support::clock::duration time) {
    co_await until(call.began);
    co_await rondo::sleep(time);
    call.go_on.open();
}

task<> loses_a_race(bool as_task, long_call& call) {
    auto opener = rondo::spawn(opens_later(call, 20ms));
    const auto start = event_loop::current().now();
    std::size_t winner = 7;
    if (as_task) {
        const auto first = co_await rondo::when_any(calls(call), until(call.began));
        winner = first.index();
    } else {
        const auto first = co_await rondo::when_any(in_thread(call), until(call.began));
        winner = first.index();
    }
    CHECK(winner == 1);
    CHECK(call.calls == 1);
    CHECK(event_loop::current().now() - start >= 20ms);
    co_await opener;
}

task<> wins_a_race(long_call& call) {
    call.go_on.open();
    // (virtual time would jump to the end of a sleep)
    bool waits = true;
    const auto sibling = [](const bool& goes_on) -> task<> {
        while (goes_on) co_await rondo::yield();
    };
    const auto first = co_await rondo::when_any(in_thread(call), sibling(waits));
    REQUIRE(first.index() == 0);
    CHECK(std::get<0>(first) == 7);
}

task<> fails_when_open(gate& g) {
    co_await until(g);
    throw std::runtime_error("sibling");
}

task<> sibling_fails(bool as_task, long_call& call, lines& log) {
    auto opener = rondo::spawn(opens_later(call, 20ms));
    try {
        if (as_task)
            co_await rondo::when_all(calls(call), fails_when_open(call.began));
        else
            co_await rondo::when_all(in_thread(call), fails_when_open(call.began));
    } catch (const std::runtime_error& error) {
        log.push_back(error.what());
    }
    CHECK(call.calls == 1);
    co_await opener;
}

task<> call_fails(lines& log) {
    const auto fails = [] { throw std::runtime_error("call"); };
    try {
        co_await rondo::when_all(support::stuck(), to_thread(fails));
    } catch (const std::runtime_error& error) {
        log.push_back(error.what());
    }
    const auto settled = co_await rondo::when_all_settled(to_thread([] { return 1; }), to_thread(fails));
    CHECK(std::get<0>(settled).value() == 1);
    REQUIRE(std::get<1>(settled).error() != nullptr);
    CHECK(text_of(std::get<1>(settled).error()) == "call");
}

task<> all_kinds_of_results() {
    int target = 1;
    const auto all = co_await rondo::when_all(to_thread([] { return 1; }), to_thread([] {}),
                                              to_thread([] { return std::make_unique<int>(3); }),
                                              to_thread([&target]() -> int& { return target; }));
    CHECK(std::get<0>(all) == 1);
    CHECK(*std::get<2>(all) == 3);
    CHECK(&std::get<3>(all).get() == &target);
}

task<> cancelled_in_a_combinator(bool as_task, long_call& running, long_call& other, lines& log) {
    note_at_exit gone(log, "unwound");
    if (as_task)
        co_await rondo::when_all(calls(running), calls(other), support::stuck());
    else
        co_await rondo::when_all(in_thread(running), in_thread(other), support::for_ever());
    log.push_back("goes on");
}

task<> cancels_a_combinator(bool as_task, long_call& first, long_call& second, lines& log) {
    auto caller = rondo::spawn(cancelled_in_a_combinator(as_task, first, second, log));
    co_await until(first.began);
    co_await until(second.began);
    caller.cancel();
    CHECK(log.empty());
    first.go_on.open();
    while (first.calls == 0) co_await rondo::yield();
    co_await rondo::yield();
    CHECK(log.empty());
    CHECK(!caller.done());
    second.go_on.open();
    const auto end = co_await caller.settled();
    CHECK(end.is_cancelled());
    CHECK(log == lines{"unwound"});
}

task<> late_results(long_call& call, long_call& failing, long_call& in_a_task, lines& log) {
    auto opener = rondo::spawn(opens_later(call, 20ms));
    const int late = co_await rondo::with_timeout(10ms, in_thread(call));
    CHECK(late == 7);
    co_await opener;

    failing.fails = true;
    auto second = rondo::spawn(opens_later(failing, 20ms));
    try {
        co_await rondo::try_with_timeout(10ms, in_thread(failing));
    } catch (const std::runtime_error& error) {
        log.push_back(error.what());
    }
    co_await second;

    // What was to go on behind the call is gone, and with it the result; the call is waited for.
    auto third = rondo::spawn(opens_later(in_a_task, 20ms));
    const auto none = co_await rondo::try_with_timeout(10ms, calls(in_a_task));
    CHECK(!none);
    CHECK(in_a_task.calls == 1);
    co_await third;
}

task<> tries() {
    for (int i = 0; i < 200; ++i) {
        std::atomic<int> called = 0;
        const auto result = co_await rondo::try_with_timeout(0ms, to_thread([&called] { return ++called; }));
        CHECK(called == (result ? 1 : 0));
    }
}

task<> in_a_group(long_call& call, lines& log) {
    auto opener = rondo::spawn(opens_later(call, 20ms));
    const auto body = [&](rondo::task_group& group) -> task<> {
        group.spawn(calls(call));
        co_await until(call.began);
        throw std::runtime_error("body");
    };
    try {
        co_await rondo::with_task_group(body);
    } catch (const std::runtime_error& error) {
        log.push_back(error.what());
    }
    CHECK(call.calls == 1);
    co_await opener;
}

task<> behind_uncancellable(long_call& call, lines& log) {
    note_at_exit gone(log, "unwound");
    const int value = co_await rondo::uncancellable(in_thread(call));
    log.push_back("got " + std::to_string(value));
}

task<> cancels_uncancellable(long_call& call, lines& log) {
    full_pool pool;
    co_await pool.fill();
    auto caller = rondo::spawn(behind_uncancellable(call, log));
    co_await rondo::yield();
    caller.cancel();  // it is queued, but not to be withdrawn
    CHECK(!caller.done());
    co_await pool.empty();
    call.go_on.open();
    const auto end = co_await caller.settled();
    CHECK(end.is_cancelled());
    CHECK(call.calls == 1);
    CHECK(log == lines{"unwound"});
}

task<> cleans_up_in_a_thread(std::atomic<int>& cleanups) {
    const auto body = [] { return support::stuck(); };
    const auto cleanup = [&cleanups]() -> task<> {
        co_await to_thread([&cleanups] {
            std::this_thread::sleep_for(2ms);
            ++cleanups;
        });
    };
    co_await rondo::finally(body, cleanup);
}

task<> cancels_to_clean_up(std::atomic<int>& cleanups) {
    auto caller = rondo::spawn(cleans_up_in_a_thread(cleanups));
    co_await rondo::yield();
    caller.cancel();
    const auto end = co_await caller.settled();
    CHECK(end.is_cancelled());
}

rondo::async_generator<int> generates(long_call& call, lines& log) {
    note_at_exit gone(log, "generator gone");
    co_yield 1;
    const int value = co_await in_thread(call);
    co_yield value;
}

task<> uses_a_generator(long_call& call, lines& log) {
    note_at_exit gone(log, "user gone");
    auto numbers = generates(call, log);
    const auto first = co_await numbers.next();
    CHECK(first == 1);
    co_await numbers.next();
    log.push_back("goes on");
}

task<> cancels_a_generator(long_call& call, lines& log) {
    auto user = rondo::spawn(uses_a_generator(call, log));
    co_await until(call.began);
    user.cancel();
    CHECK(!user.done());
    call.go_on.open();
    const auto end = co_await user.settled();
    CHECK(end.is_cancelled());
    CHECK(log == lines{"generator gone", "user gone"});
}

task<> many_at_a_time(std::atomic<int>& called) {
    std::vector<int> numbers(100, 1);
    const auto f = [&called](int n) { return to_thread([&called, n] { called += n; }); };
    co_await rondo::for_each_concurrent(numbers, 3, f);
}

// ---- Its loop goes ----

task<> spawns_and_ends(long_call& call, lines& log) {
    rondo::spawn(calls_and_notes(call, log));
    co_await until(call.began);
}

task<> counts(std::atomic<int>& ran, std::atomic<bool>& inside, int& outrun) {
    const auto check = [&] { outrun += inside ? 1 : 0; };
    const support::call_at_exit leave(check);
    co_await to_thread([&] {
        inside = true;
        support::dawdle(20);
        ++ran;
        inside = false;
    });
}

}  // namespace

TEST_CASE("a task cancelled before its first step calls nothing") {
    long_call call;
    lines log;
    rondo::run(cancels_before_the_start(call, log));
    CHECK(call.calls == 0);
}

TEST_CASE("a call that is queued is withdrawn: never made, its arguments gone, and its neighbours are made") {
    std::atomic<int> called = 0;
    rondo::run(cancels_in_the_queue(called));
}

TEST_CASE("a call that runs is waited for, and its caller unwound then") {
    long_call call;
    lines log;
    rondo::run(cancels_while_it_runs(call, log));
}

TEST_CASE("a call may use its caller's locals to its end, also when the caller is cancelled") {
    int seen = 0;
    rondo::run(keeps_the_locals(seen));
    CHECK(seen == 1000);
}

TEST_CASE("the callers of a cancelled caller wait as well, and are unwound behind it") {
    long_call call;
    lines log;
    rondo::run(cancels_a_chain(call, log));
}

TEST_CASE("the exception of a call whose caller was cancelled goes to on_unhandled_exception") {
    long_call call;
    lines log;
    event_loop loop;
    loop.on_unhandled_exception([&](std::exception_ptr error) { log.push_back(text_of(error)); });
    loop.run(cancels_the_failing(call));
    CHECK(log == lines{"late failure"});
}

TEST_CASE("without a handler the exception of a call whose caller was cancelled ends the run") {
    long_call call;
    event_loop loop;
    CHECK_THROWS_AS(loop.run(cancels_the_failing(call)), std::runtime_error);
    CHECK(call.calls == 1);
}

TEST_CASE("a caller cancelled as its call ends is unwound; the value is dropped, the failure reported once") {
    for (const bool fails : {false, true}) {
        for (const bool in_the_same_round : {false, true}) {
            for (int i = 0; i < 10; ++i) {
                long_call call;
                call.fails = fails;
                lines log;
                event_loop loop;
                loop.on_unhandled_exception([&](std::exception_ptr error) { log.push_back(text_of(error)); });
                std::optional<rondo::join_handle<int>> caller(loop.spawn(calls(call)));
                loop.run(cancels_as_it_ends(call, *caller, in_the_same_round));
                loop.run();
                CHECK(caller->done());
                auto end = [](rondo::join_handle<int>& handle, bool& cancelled) -> task<> {
                    const auto how = co_await handle.settled();
                    cancelled = how.is_cancelled();
                };
                bool cancelled = false;
                loop.run(end(*caller, cancelled));
                CHECK(cancelled);
                CHECK(log == (fails ? lines{"late failure"} : lines{}));
            }
        }
    }
}

TEST_CASE("the loser of a race is waited for") {
    for (const bool as_task : {false, true}) {
        long_call call;
        rondo::testing::run(loses_a_race(as_task, call));
    }
}

TEST_CASE("a loser that fails late is reported") {
    for (const bool as_task : {false, true}) {
        long_call call;
        call.fails = true;
        lines log;
        event_loop loop(support::virtual_time());
        loop.on_unhandled_exception([&](std::exception_ptr error) { log.push_back(text_of(error)); });
        loop.run(loses_a_race(as_task, call));
        CHECK(log == lines{"late failure"});
    }
}

TEST_CASE("a call may win a race") {
    long_call call;
    rondo::run(wins_a_race(call));
}

TEST_CASE("when a sibling fails the call is waited for before that is thrown") {
    for (const bool as_task : {false, true}) {
        long_call call;
        lines log;
        rondo::testing::run(sibling_fails(as_task, call, log));
        CHECK(log == lines{"sibling"});
    }
}

TEST_CASE("a call that fails cancels its siblings, and settles as that failure") {
    lines log;
    rondo::run(call_fails(log));
    CHECK(log == lines{"call"});
}

TEST_CASE("when_all gathers values, nothing, move-only objects and references from threads") {
    rondo::run(all_kinds_of_results());
}

TEST_CASE("a cancelled combinator waits for all its calls") {
    for (const bool as_task : {false, true}) {
        long_call first;
        long_call second;
        lines log;
        rondo::run(cancels_a_combinator(as_task, first, second, log));
    }
}

TEST_CASE("with_timeout around a call that runs gives its late result, and its late failure") {
    long_call call;
    long_call failing;
    long_call in_a_task;
    lines log;
    rondo::testing::run(late_results(call, failing, in_a_task, log));
    CHECK(log == lines{"late failure"});
}

TEST_CASE("a timeout of zero withdraws a call or gives its result, as it finds it") { rondo::run(tries()); }

TEST_CASE("a group waits for its children's calls") {
    long_call call;
    lines log;
    rondo::testing::run(in_a_group(call, log));
    CHECK(log == lines{"body"});
}

TEST_CASE("what is uncancellable is not withdrawn from the queue") {
    long_call call;
    lines log;
    rondo::run(cancels_uncancellable(call, log));
}

TEST_CASE("a cleanup may call a thread") {
    std::atomic<int> cleanups = 0;
    rondo::run(cancels_to_clean_up(cleanups));
    CHECK(cleanups == 1);
    {
        event_loop loop;
        loop.spawn(cleans_up_in_a_thread(cleanups));
        loop.poll();
    }
    CHECK(cleanups == 2);
}

TEST_CASE("a generator cancelled in a call waits for it") {
    long_call call;
    lines log;
    rondo::run(cancels_a_generator(call, log));
}

TEST_CASE("for_each_concurrent calls threads") {
    std::atomic<int> called = 0;
    rondo::run(many_at_a_time(called));
    CHECK(called == 100);
}

TEST_CASE("destroying a loop waits for the calls that run, and withdraws those that are queued") {
    constexpr int many = 100;
    std::atomic<int> ran = 0;
    std::atomic<bool> inside = false;
    int outrun = 0;
    long_call call;
    lines log;
    support::threads opener;
    {
        event_loop loop;
        loop.spawn(calls_and_notes(call, log));
        while (!call.began.is_open()) loop.poll();
        for (int i = 0; i < many; ++i) loop.spawn(counts(ran, inside, outrun));
        loop.poll();
        CHECK(!loop.close());  // destruction would have to wait
        CHECK(log.empty());
        opener.start([&call] {
            std::this_thread::sleep_for(10ms);
            call.go_on.open();
        });
    }
    CHECK(call.calls == 1);
    CHECK(log == lines{"unwound"});
    const int finished = ran;
    CHECK(!inside);
    CHECK(finished <= many);
    opener.join();
    std::this_thread::sleep_for(1ms);
    CHECK(ran == finished);  // none is made after
}

TEST_CASE("rondo::run returns when the calls of spawned tasks have ended") {
    long_call call;
    lines log;
    support::threads opener;
    opener.start([&call] {
        call.began.wait();
        std::this_thread::sleep_for(5ms);
        call.go_on.open();
    });
    rondo::run(spawns_and_ends(call, log));
    CHECK(call.calls == 1);
    CHECK(log == lines{"unwound"});
}

TEST_CASE("rondo::run throws what such a call throws, if main has not failed") {
    long_call call;
    call.fails = true;
    lines log;
    support::threads opener;
    opener.start([&call] {
        call.began.wait();
        call.go_on.open();
    });
    CHECK_THROWS_AS(rondo::run(spawns_and_ends(call, log)), std::runtime_error);
    CHECK(log == lines{"unwound"});
}

TEST_CASE("stop() while main waits for a call: main is unwound when the call has returned") {
    long_call call;
    lines log;
    event_loop loop;
    support::threads opener;
    opener.start([&] {
        call.began.wait();
        loop.stop();
        std::this_thread::sleep_for(5ms);
        call.go_on.open();
    });
    CHECK_THROWS_AS(loop.run(calls_and_notes(call, log)), rondo::cancelled);
    CHECK(call.calls == 1);
    CHECK(log == lines{"unwound"});
}

TEST_CASE("a cancellation races the beginning and the end of the call: made or not, it never outlives its caller") {
    int made = 0;
    int withdrawn = 0;
    for (int i = 0; i < 1000; ++i) {
        std::atomic<int> ran = 0;
        std::atomic<bool> inside = false;
        int outrun = 0;
        event_loop loop;
        auto caller = loop.spawn(counts(ran, inside, outrun));
        loop.poll();
        support::dawdle(i * 7 % 2000);
        if (i % 3 == 0) loop.poll();
        caller.cancel();
        const bool at_once = caller.done() && ran == 0;
        loop.run();
        CHECK(caller.done());
        CHECK(outrun == 0);
        CHECK(!inside);
        CHECK(ran <= 1);
        CHECK((!at_once || ran == 0));
        ++(ran == 1 ? made : withdrawn);
    }
    CHECK(made + withdrawn == 1000);
}

TEST_CASE("a loop's destruction races the beginning and the end of its calls") {
    for (int i = 0; i < 300; ++i) {
        std::atomic<int> ran = 0;
        std::atomic<bool> inside[3] = {false, false, false};
        int outrun = 0;
        {
            event_loop loop;
            for (std::atomic<bool>& one : inside) loop.spawn(counts(ran, one, outrun));
            loop.poll();
            support::dawdle(i * 11 % 3000);
        }
        CHECK(outrun == 0);
        CHECK(ran <= 3);
    }
}

namespace {

/// Calls one after another, side by side, in a race, and in a group.
class callers final : public support::swept {
public:
    task<> program() override {
        co_await calls();
        co_await rondo::when_all(calls(), calls());
        co_await rondo::when_any(calls(), calls());
        co_await rondo::with_task_group([this](rondo::task_group& group) -> task<> {
            group.spawn(calls());
            co_await calls();
        });
    }
    void check(support::disturbance by) override {
        REQUIRE(inside == 0);
        REQUIRE(outrun == 0);
        if (by == support::disturbance::none) REQUIRE(made >= 6);
    }

private:
    task<> calls() {
        const presence here(*this);
        std::atomic<int> in_this_call = 0;
        const support::call_at_exit leaves([&] { outrun += in_this_call; });
        const auto job = [this, &in_this_call] {
            ++in_this_call;
            ++inside;
            support::dawdle(100);
            ++made;
            --inside;
            --in_this_call;
        };
        co_await to_thread(job);
    }

    std::atomic<int> inside = 0;
    std::atomic<int> made = 0;
};

}  // namespace

TEST_CASE("a program of calls may be cancelled after any step, end with its loop, and lack memory") {
    support::sweeps::steps<callers>(6, 6);
}

TEST_CASE("a full pool, with cancellations among what is queued: the rest is made, each once") {
    auto program = [](std::atomic<int>& made, int& expected) -> task<> {
        full_pool pool;
        co_await pool.fill();
        std::vector<rondo::join_handle<>> handles;
        for (int i = 0; i < 300; ++i) handles.push_back(rondo::spawn(waits_in_the_queue(made, nullptr)));
        co_await support::yields(2);
        for (std::size_t i = 0; i < handles.size(); i += 3) handles[i].cancel();
        for (std::size_t i = 0; i < handles.size(); ++i) {
            CHECK(handles[i].done() == (i % 3 == 0));
            expected += i % 3 == 0 ? 0 : 1;
        }
        co_await pool.empty();
        for (rondo::join_handle<>& one : handles) {
            const auto end = co_await one.settled();
            CHECK(end.error() == nullptr);
        }
    };
    std::atomic<int> made = 0;
    int expected = 0;
    rondo::run(program(made, expected));
    CHECK(made == expected);
}
