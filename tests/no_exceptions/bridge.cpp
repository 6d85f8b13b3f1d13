// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

// from_callback, to_thread and with_stop_token in a program built with -fno-exceptions -fno-rtti.

#include <support/clocks.hpp>
#include <support/in_child.hpp>
#include <support/journal.hpp>
#include <support/legacy.hpp>
#include <support/plain_test.hpp>
#include <support/threads.hpp>
#include <support/tracked.hpp>

#include <rondo/bridge/with_stop_token.hpp>
#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#if defined(__cpp_exceptions) || defined(__cpp_rtti)
#error "this test is about a build without exceptions and RTTI"
#endif

namespace {

using namespace std::chrono_literals;
using rondo::callback;
using rondo::event_loop;
using rondo::from_callback;
using rondo::task;
using rondo::to_thread;
using rondo::with_stop_token;
using support::ask;
using support::asks;
using support::legacy;
using support::lines;
using support::note_at_exit;
using support::tracked;

task<> gets_answers(legacy<tracked>& values, legacy<void>& signals, legacy<int&>& references) {
    const int at_once = co_await from_callback<int>([](const callback<int>& done) { done(1); });
    CHECK(at_once == 1);
    event_loop::current().post([&] {
        values.answer(2);
        signals.answer();
    });
    const auto both = co_await rondo::when_all(ask(values), ask(signals));
    CHECK(std::get<0>(both).number() == 2);
    int target = 3;
    event_loop::current().post([&] { references.answer(target); });
    int& reference = co_await ask(references);
    CHECK(&reference == &target);
}

task<> withdraws(legacy<int>& api) {
    auto waiter = rondo::spawn(asks(api));
    co_await rondo::yield();
    waiter.cancel();
    CHECK(waiter.done());
    CHECK(api.withdrawn == 1);
    api.answer(1);
    const auto in_time = co_await rondo::try_with_timeout(1ms, ask(api));
    CHECK(!in_time);
    CHECK(api.withdrawn == 2);
    const auto first = co_await rondo::when_any(ask(api), rondo::sleep(1ms));
    CHECK(first.index() == 1);
    CHECK(api.withdrawn == 3);
}

task<> asks_a_thread(support::threads& threads) {
    const auto start = [&threads](callback<std::unique_ptr<int>> done) {
        threads.start([done = std::move(done)] { done(std::make_unique<int>(4)); });
    };
    const std::unique_ptr<int> value = co_await from_callback<std::unique_ptr<int>>(start);
    CHECK(*value == 4);
}

int twice(int n) { return 2 * n; }

task<> calls_threads() {
    const int doubled = co_await to_thread(twice, 4);
    CHECK(doubled == 8);
    bool called = false;
    co_await to_thread([&called] { called = true; });
    CHECK(called);
    const std::unique_ptr<int> owned =
        co_await to_thread([](std::unique_ptr<int> p) { return p; }, std::make_unique<int>(5));
    CHECK(*owned == 5);
    int target = 6;
    int& reference = co_await to_thread([](int& t) -> int& { return t; }, std::ref(target));
    CHECK(&reference == &target);
    const auto many = co_await rondo::when_all(to_thread(twice, 1), to_thread(twice, 2), to_thread(twice, 3));
    CHECK(std::get<0>(many) + std::get<1>(many) + std::get<2>(many) == 12);
}

task<> calls_for_long(support::gate& began, support::gate& go_on, lines& log) {
    note_at_exit gone(log, "unwound");
    co_await to_thread([&] {
        began.open();
        go_on.wait();
    });
    log.push_back("goes on");
}

task<> cancels_a_call(lines& log) {
    support::gate began;
    support::gate go_on;
    auto caller = rondo::spawn(calls_for_long(began, go_on, log));
    while (!began.is_open()) co_await rondo::yield();
    caller.cancel();
    CHECK(!caller.done());
    CHECK(log.empty());
    go_on.open();
    const auto end = co_await caller.settled();
    CHECK(end.is_cancelled());
    CHECK(log == lines{"unwound"});
}

task<int> commits(rondo::event& stopped) {
    co_await stopped.wait();
    co_return 7;
}

task<> stops_one(std::stop_source source, rondo::event& stopped) {
    co_await rondo::sleep(1ms);
    source.request_stop();
    stopped.set();
}

task<> stops() {
    std::stop_source source;
    const int by_itself = co_await with_stop_token(source.get_token(), to_thread(twice, 1));
    CHECK(by_itself == 2);
    const int without = co_await with_stop_token(std::stop_token(), to_thread(twice, 2));
    CHECK(without == 4);
    rondo::event stopped;
    auto stopper = rondo::spawn(stops_one(source, stopped));
    const int nevertheless = co_await with_stop_token(source.get_token(), rondo::uncancellable(commits(stopped)));
    CHECK(nevertheless == 7);
    CHECK(source.stop_requested());
    co_await stopper;
}

task<> serves_until(std::stop_token token, lines& log) {
    const auto op = [](lines& l) -> task<> {
        note_at_exit gone(l, "gone");
        co_await rondo::sleep(1h);
    };
    co_await with_stop_token(std::move(token), op(log));
}

task<> cancels_the_served(lines& log) {
    std::stop_source source;
    auto server = rondo::spawn(serves_until(source.get_token(), log));
    co_await rondo::yield();
    server.cancel();
    CHECK(log == lines{"gone"});
    source.request_stop();
}

}  // namespace

TEST_CASE("callbacks give values, nothing and references, also to combinators") {
    legacy<tracked> values;
    legacy<void> signals;
    legacy<int&> references;
    rondo::testing::run(gets_answers(values, signals, references));
}

TEST_CASE("a cancelled waiter withdraws its operation, and so do a timeout and a lost race") {
    legacy<int> api;
    rondo::testing::run(withdraws(api));
}

TEST_CASE("a callback may be called on another thread") {
    support::threads threads;
    rondo::run(asks_a_thread(threads));
}

TEST_CASE("to_thread gives results, and several at once") { rondo::run(calls_threads()); }

TEST_CASE("a cancelled caller is unwound when its call has returned") {
    lines log;
    rondo::run(cancels_a_call(log));
}

TEST_CASE("with_stop_token gives the result of an op that ends, also where it was asked to stop") {
    rondo::run(stops());
}

TEST_CASE("cancelling the caller of with_stop_token cancels op") {
    lines log;
    rondo::testing::run(cancels_the_served(log));
}

TEST_CASE("callbacks, calls and stops may outlive the loop") {
    legacy<tracked> api;
    lines log;
    std::stop_source source;
    {
        event_loop loop;
        loop.spawn(asks(api));
        loop.spawn(serves_until(source.get_token(), log));
        loop.spawn(calls_threads());
        loop.poll();
    }
    CHECK(api.withdrawn == 1);
    CHECK(log == lines{"gone"});
    api.answer(1);
    source.request_stop();
    CHECK(tracked::live() == 0);
}

#if SUPPORT_HAS_FORK

namespace {

task<> is_dropped() {
    co_await from_callback<int>([](const callback<int>&) {});
}

task<> fails_without_an_exception() {
    co_await from_callback<void>([](const callback<void>& done) { done.fail(nullptr); });
}

task<> is_stopped() {
    std::stop_source source;
    const auto op = [](std::stop_source s) -> task<> {
        s.request_stop();
        co_await rondo::sleep(1h);
    };
    co_await with_stop_token(source.get_token(), op(source));
}

task<> was_stopped() {
    std::stop_source source;
    source.request_stop();
    co_await with_stop_token(source.get_token(), rondo::sleep(1h));
}

}  // namespace

TEST_CASE("a failure that would be thrown calls the fatal hook with its text, and terminates") {
    const auto dies = [](auto body, const std::string& about) {
        const support::ending end = support::in_child(body);
        CHECK(end.terminated);
        CHECK(end.text.find(about) != std::string::npos);
    };
    dies([] { rondo::testing::run(is_dropped()); }, rondo::callback_dropped().what());
    dies([] { rondo::testing::run(fails_without_an_exception()); }, "callback::fail");
    dies([] { rondo::testing::run(is_stopped()); }, rondo::cancelled().what());
    dies([] { rondo::testing::run(was_stopped()); }, rondo::cancelled().what());
}

#endif
