// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

// The loop in a program built with -fno-exceptions -fno-rtti.

#include <support/clocks.hpp>
#include <support/in_child.hpp>
#include <support/journal.hpp>
#include <support/plain_test.hpp>
#include <support/tracked.hpp>

#include <rondo/loop/event_loop.hpp>
#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <chrono>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#if defined(__cpp_exceptions) || defined(__cpp_rtti)
#error "this test is about a build without exceptions and RTTI"
#endif

using namespace std::chrono_literals;
using rondo::event_loop;
using rondo::join_handle;
using rondo::task;
using support::lines;
using support::tracked;

namespace {

[[maybe_unused]] task<> nothing() { co_return; }  // used where there is fork

task<> note_after(lines& log, std::string text, std::chrono::seconds time) {
    co_await rondo::sleep(time);
    log.push_back(text);
}

task<> stuck(lines& log) {
    support::note_at_exit gone(log, "gone");
    co_await rondo::sleep((rondo::duration::max)());
}

task<int> counts(int to) {
    int count = 0;
    while (count < to) {
        co_await rondo::yield();
        ++count;
    }
    co_return count;
}

task<int> spawns_and_joins(lines& log) {
    join_handle<int> first = rondo::spawn(counts(3), "first");
    auto capturing = [text = std::string("captured")](lines& out) -> task<> {
        co_await rondo::sleep(1s);
        out.push_back(text);
    };
    join_handle<> second = rondo::spawn(capturing, std::ref(log));
    const int count = co_await first;
    co_await second;
    co_return count;
}

task<bool> joins_cancelled() {
    lines log;
    join_handle<> victim = rondo::spawn(stuck(log));
    co_await rondo::yield();
    victim.cancel();
    const auto end = co_await victim.settled();
    co_return end.is_cancelled();
}

task<int> ticks(int times) {
    rondo::interval each(1s);
    int count = 0;
    while (count < times) {
        co_await each.next();
        ++count;
    }
    co_return count;
}

}  // namespace

TEST_CASE("spawning, sleeping, joining and ticking work") {
    lines log;
    CHECK(rondo::testing::run(spawns_and_joins(log)) == 3);
    CHECK(log == lines{"captured"});
    CHECK(rondo::testing::run(ticks(5)) == 5);
    CHECK(rondo::run(counts(10)) == 10);
}

TEST_CASE("settled() tells of a cancellation") { CHECK(rondo::testing::run(joins_cancelled())); }

TEST_CASE("poll, post, stop and close work") {
    lines log;
    event_loop loop(support::virtual_time());
    loop.post([&log] { log.push_back("posted"); });
    loop.spawn(note_after(log, "slept", 1s));
    CHECK(loop.poll() == 2);
    loop.run();
    CHECK(log == lines{"posted", "slept"});
    loop.spawn(stuck(log));
    loop.poll();
    loop.stop();
    loop.run();
    CHECK(log.back() == "gone");
    loop.spawn(stuck(log));
    loop.poll();
    CHECK(loop.close());
    CHECK(log.size() == 4);
}

TEST_CASE("the end of a loop frees its tasks") {
    lines log;
    {
        event_loop loop(support::virtual_time());
        for (int i = 0; i < 10; ++i) loop.spawn(stuck(log));
        loop.poll();
    }
    CHECK(log.size() == 10);
}

#if SUPPORT_HAS_FORK

namespace {

task<> joins_throwing() {
    lines log;
    join_handle<> victim = rondo::spawn(stuck(log));
    victim.cancel();
    co_await victim;
}

task<> joins_twice() {
    join_handle<int> handle = rondo::spawn(counts(1));
    co_await handle;
    co_await handle;
}

task<> runs_inside() {
    rondo::testing::run(nothing());
    co_return;
}

task<> sleeps_nan() { co_await rondo::sleep(std::chrono::duration<double>(std::numeric_limits<double>::quiet_NaN())); }

}  // namespace

TEST_CASE("what would throw calls the fatal hook with the text of the exception, and terminates") {
    const auto dies = [](auto body, const char* about) {
        const support::ending end = support::in_child(body);
        CHECK(end.terminated);
        CHECK(end.text.find(about) != std::string::npos);
    };
    dies([] { event_loop::current(); }, "loop");
    dies([] { rondo::spawn(nothing()); }, "loop");
    dies([] { rondo::testing::run(runs_inside()); }, "loop");
    dies([] { rondo::testing::run(joins_throwing()); }, rondo::cancelled().what());
    dies([] { rondo::testing::run(joins_twice()); }, "join");
    dies([] { rondo::testing::run(sleeps_nan()); }, "not a number");
    dies(
        [] {
            lines log;
            rondo::testing::run(stuck(log));
        },
        "loop.cpp");  // a deadlock is reported with the line
    dies([] { event_loop loop(nullptr); }, "driver");
}

#endif
