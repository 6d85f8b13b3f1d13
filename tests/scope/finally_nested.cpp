// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

// finally inside of others: cleanups around cleanups, races and when_all around them, and everything inside of them.

#include <support/clocks.hpp>
#include <support/journal.hpp>
#include <support/leak_check.hpp>
#include <support/tasks.hpp>

#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <exception>
#include <stdexcept>
#include <string>
#include <utility>

namespace {

using namespace std::chrono_literals;
using rondo::bounded_queue;
using rondo::event_loop;
using rondo::finally;
using rondo::task;
using support::lines;
using support::nap;
using support::note_at_exit;

using duration = support::clock::duration;

auto now() { return event_loop::current().now(); }

template <class T>
task<T> give_after(T value, duration time) {
    co_await rondo::sleep(time);
    co_return std::move(value);
}

task<> fail_after(std::string text, duration time) {
    co_await rondo::sleep(time);
    throw std::runtime_error(text);
}

task<int> body(lines& log, duration time) {
    note_at_exit gone(log, "body gone");
    log.push_back("body");
    co_await rondo::sleep(time);
    log.push_back("body ends");
    co_return 7;
}

task<> clean(lines& log, std::string name, duration time) {
    note_at_exit gone(log, name + " gone");
    log.push_back(name);
    co_await rondo::sleep(time);
    log.push_back(name + " ends");
}

task<> clean_and_fail(lines& log, duration time) {
    log.push_back("cleanup");
    co_await rondo::sleep(time);
    throw std::runtime_error("cleanup fails");
}

std::string text_of(const std::exception_ptr& error) {
    try {
        std::rethrow_exception(error);
    } catch (const std::exception& e) {
        return e.what();
    }
}

// ---- Nested, and inside of others ----

task<> nested(lines& log, duration time) {
    const auto outer = [&] { return clean(log, "outer", 1ms); };
    const auto inner = [&] { return clean(log, "inner", 1ms); };
    co_await finally(finally(body(log, time), inner), outer);
    log.push_back("goes on");
}

const lines inner_then_outer{"inner", "inner ends", "inner gone", "outer", "outer ends", "outer gone"};

task<> nested_and_cancelled() {
    lines log;
    auto handle = rondo::spawn(nested(log, 1h));
    co_await rondo::sleep(5ms);
    handle.cancel();
    co_await rondo::sleep(5ms);
    CHECK(handle.done());
    CHECK(lines(log.begin() + 2, log.end()) == inner_then_outer);
}

// A cleanup with a cleanup: the caller is cancelled while the inner one runs.
task<> a_cleanup_with_a_cleanup() {
    lines log;
    auto handle = rondo::spawn([&]() -> task<> {
        const auto last = [&] { return clean(log, "last", 1ms); };
        const auto first = [&]() -> task<> { co_await finally(clean(log, "first", 1ms), last); };
        co_await finally(nap(1h), first);
    });
    co_await rondo::sleep(5ms);
    handle.cancel();
    co_await rondo::sleep(1500us);
    CHECK(log == lines{"first", "first ends", "first gone", "last"});
    handle.cancel();
    co_await rondo::sleep(1ms);
    CHECK(handle.done());
    CHECK(log.back() == "last gone");
}

task<> in_races(lines& log) {
    const auto start = now();
    const auto cleanup = [&] { return clean(log, "cleanup", 10ms); };
    const auto first = co_await rondo::when_any(finally(body(log, 1h), cleanup), nap(5ms));
    CHECK(first.index() == 1);
    CHECK(now() - start == 15ms);
    log.push_back("goes on");
    try {
        co_await rondo::when_all(finally(body(log, 1h), cleanup), fail_after("boom", 5ms));
    } catch (const std::runtime_error& error) {
        log.push_back(error.what());
    }
    CHECK(now() - start == 30ms);
}

task<> a_failing_cleanup_of_a_loser(lines& log) {
    const auto cleanup = [&] { return clean_and_fail(log, 1ms); };
    const auto first = co_await rondo::when_any(finally(nap(1h), cleanup), nap(5ms));
    CHECK(first.index() == 1);
    log.push_back("goes on");
}

task<> cleans_with_everything(lines& log, bounded_queue<int>& queue) {
    auto helper = rondo::spawn(give_after(3, 1ms));
    const auto both = co_await rondo::when_all(helper, give_after(4, 2ms));
    CHECK(std::get<0>(both) == 3);
    const auto first = co_await rondo::when_any(queue.pop(), rondo::sleep(1ms));
    CHECK(first.index() == 1);
    const bool in_time = co_await rondo::try_with_timeout(1ms, nap(1h));
    CHECK(!in_time);
    auto other = rondo::spawn(support::stuck());
    co_await rondo::yield();
    other.cancel();
    CHECK(other.done());
    co_await queue.push(1);
    log.push_back("cleaned");
}

task<> everything_in_a_cleanup(lines& log, bounded_queue<int>& queue) {
    const auto cleanup = [&] { return cleans_with_everything(log, queue); };
    co_await finally(support::stuck(), cleanup);
}

task<int> deep(int depth, int& cleanups, duration time) {
    if (depth == 0) {
        co_await rondo::sleep(time);
        co_return 0;
    }
    const auto cleanup = [&]() -> task<> {
        ++cleanups;
        co_return;
    };
    const int below = co_await finally(deep(depth - 1, cleanups, time), cleanup);
    co_return below + 1;
}

}  // namespace

TEST_CASE("nested cleanups run from the inside out") {
    lines log;
    rondo::testing::run(nested(log, 1ms));
    CHECK(lines(log.begin() + 3, log.end() - 1) == inner_then_outer);
    CHECK(log.back() == "goes on");
    rondo::testing::run(nested_and_cancelled());
}

TEST_CASE("a cleanup may have a cleanup") { rondo::testing::run(a_cleanup_with_a_cleanup()); }

TEST_CASE("a race and when_all wait for the cleanup of a child that they cancel") {
    lines log;
    rondo::testing::run(in_races(log));
    CHECK(log == lines{"body", "body gone", "cleanup", "cleanup ends", "cleanup gone", "goes on", "body", "body gone",
                       "cleanup", "cleanup ends", "cleanup gone", "boom"});
}

TEST_CASE("the exception of a loser's cleanup goes to the handler") {
    lines log;
    event_loop loop(support::virtual_time());
    loop.on_unhandled_exception([&](std::exception_ptr error) { log.push_back("unhandled: " + text_of(error)); });
    loop.run(a_failing_cleanup_of_a_loser(log));
    loop.poll();
    std::sort(log.begin(), log.end());
    CHECK(log == lines{"cleanup", "goes on", "unhandled: cleanup fails"});
}

TEST_CASE("a cleanup may spawn, join, race, time out, cancel others, and use queues") {
    lines log;
    bounded_queue<int> queue(1);
    event_loop loop(support::virtual_time());
    auto handle = loop.spawn(everything_in_a_cleanup(log, queue));
    loop.poll();
    handle.cancel();
    CHECK(!handle.done());
    loop.run();
    CHECK(handle.done());
    CHECK(log == lines{"cleaned"});
    CHECK(queue.try_pop() == 1);
}

TEST_CASE("finally nested 1,000 deep ends by value, and by cancellation, with every cleanup") {
    int cleanups = 0;
    const int depth = rondo::testing::run(deep(1000, cleanups, 1ms));
    CHECK(depth == 1000);
    CHECK(cleanups == 1000);
    event_loop loop(support::virtual_time());
    auto handle = loop.spawn(deep(1000, cleanups, 1h));
    while (loop.poll() != 0) {
    }
    handle.cancel();
    loop.run();
    CHECK(handle.done());
    CHECK(cleanups == 2000);
}
