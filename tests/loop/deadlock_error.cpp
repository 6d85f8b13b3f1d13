// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

#include <support/clocks.hpp>
#include <support/foreign.hpp>
#include <support/leak_check.hpp>
#include <support/native_operation.hpp>
#include <support/tasks.hpp>
#include <support/tracked.hpp>

#include <rondo/loop/deadlock_error.hpp>
#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <catch2/catch_test_macros.hpp>

#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

using namespace std::chrono_literals;
using rondo::event_loop;
using rondo::join_handle;
using rondo::task;
using support::lines;
using support::tracked;

namespace {

/// How the report names a line of this file.
std::string at_line(int line) { return "deadlock_error.cpp:" + std::to_string(line); }

constexpr const char* circle_title = "These wait for one another:";

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

template <class F>
std::string report_of(F action) {
    try {
        action();
    } catch (const rondo::deadlock_error& error) {
        return error.what();
    }
    return "no deadlock";
}

int stuck_line = 0;
task<> is_stuck() {
    stuck_line = __LINE__ + 1;
    co_await support::for_ever();
}

int middle_line = 0;
task<> awaits_stuck() {
    tracked local(1);
    middle_line = __LINE__ + 1;
    co_await is_stuck();
}

int outer_line = 0;
task<int> awaits_middle() {
    outer_line = __LINE__ + 1;
    co_await awaits_stuck();
    co_return 1;
}

int join_line = 0;
task<> joins(join_handle<>& other) {
    join_line = __LINE__ + 1;
    co_await other;
}

}  // namespace

TEST_CASE("a stuck main is reported with the line of every co_await in its chain") {
    const std::string report = report_of([] { rondo::testing::run(awaits_middle()); });
    INFO(report);
    CHECK(contains(report, "deadlock"));
    CHECK(contains(report, at_line(stuck_line)));
    CHECK(contains(report, at_line(middle_line)));
    CHECK(contains(report, at_line(outer_line)));
    CHECK(contains(report, "is_stuck"));
    CHECK(contains(report, "awaits_middle"));
}

TEST_CASE("main is unwound before the error is thrown") {
    CHECK_THROWS_AS(rondo::testing::run(awaits_middle()), rondo::deadlock_error);
    CHECK(tracked::live() == 0);
}

TEST_CASE("spawned tasks are reported by the names that spawn was given") {
    event_loop loop(support::virtual_time());
    loop.spawn(awaits_stuck(), "the reader");
    loop.spawn(is_stuck(), "the writer");
    loop.spawn(support::nothing(), "the one that ended");
    const std::string report = report_of([&] { loop.run(is_stuck()); });
    INFO(report);
    CHECK(contains(report, "the reader"));
    CHECK(contains(report, "the writer"));
    CHECK(!contains(report, "the one that ended"));
    CHECK(contains(report, at_line(middle_line)));
}

TEST_CASE("names given to the free spawn are reported as well, and main is called main") {
    auto main = []() -> task<> {
        (void)rondo::spawn(is_stuck(), "the assistant");
        co_await is_stuck();
    };
    const std::string report = report_of([&] { rondo::testing::run(main()); });
    INFO(report);
    CHECK(contains(report, "the assistant"));
    CHECK(contains(report, "main"));
}

TEST_CASE("tasks that join each other are reported at their joins") {
    event_loop loop(support::virtual_time());
    std::optional<join_handle<>> second;
    auto joins_second = [](std::optional<join_handle<>>& other) -> task<> { co_await joins(*other); };
    join_handle<> first = loop.spawn(joins_second(second), "first");
    second = loop.spawn(joins(first), "second");
    const std::string report = report_of([&] { loop.run(); });
    INFO(report);
    CHECK(contains(report, "first"));
    CHECK(contains(report, "second"));
    CHECK(contains(report, at_line(join_line)));
}

TEST_CASE("the report says what a task waits for") {
    event_loop loop(support::virtual_time());
    join_handle<> sleeper = loop.spawn(is_stuck());
    loop.spawn(joins(sleeper));
    const std::string report = report_of([&] { loop.run(); });
    INFO(report);
    CHECK(contains(report, "sleep"));
    CHECK(contains(report, "join_handle"));
}

TEST_CASE("the report leaves out the library's own coroutines") {
    const int calls_line = __LINE__ + 1;
    auto calls = [](join_handle<>& own) -> task<> { co_await rondo::when_all(rondo::when_all(is_stuck()), own); };
    event_loop loop(support::virtual_time());
    join_handle<> stuck = loop.spawn(is_stuck());
    loop.spawn(calls, std::ref(stuck));
    const std::string report = report_of([&] { loop.run(); });
    INFO(report);
    CHECK(contains(report, at_line(stuck_line)));
    CHECK(contains(report, at_line(calls_line)));
    for (const char* own : {"call_in_frame", "as_task", "/detail/", ".hpp"}) CHECK(!contains(report, own));
}

TEST_CASE("run() without main throws it when all that is left is stuck, and leaves the tasks where they are") {
    event_loop loop(support::virtual_time());
    join_handle<> handle = loop.spawn(awaits_stuck(), "left");
    CHECK(contains(report_of([&] { loop.run(); }), "left"));
    CHECK(!handle.done());
    handle.cancel();
    loop.run();
}

TEST_CASE("a loop is as good as before after a deadlock") {
    event_loop loop(support::virtual_time());
    CHECK_THROWS_AS(loop.run(is_stuck()), rondo::deadlock_error);
    CHECK(loop.run(support::give(5)) == 5);
    loop.run(support::nap(1s));
}

TEST_CASE("try_run gives the deadlock as the error of the outcome") {
    event_loop loop(support::virtual_time());
    const auto end = loop.try_run(is_stuck());
    REQUIRE(end.error() != nullptr);
    CHECK_THROWS_AS(end.value(), rondo::deadlock_error);
}

TEST_CASE("while any task may still go on there is no deadlock") {
    lines log;
    event_loop loop(support::virtual_time());
    join_handle<> stuck = loop.spawn(is_stuck());
    auto frees = [](join_handle<>& other) -> task<> {
        co_await rondo::sleep(24h);
        other.cancel();
    };
    loop.spawn(frees(stuck));
    auto main = [](join_handle<>& other, lines& out) -> task<> {
        const auto end = co_await other.settled();
        out.push_back(end.is_cancelled() ? "cancelled" : "not cancelled");
    };
    loop.run(main(stuck, log));
    CHECK(log == lines{"cancelled"});
}

TEST_CASE("a task is stuck when it waits for an operation whose resumer is gone") {
    support::native_operation operation;
    auto waits = [](support::native_operation& what) -> task<> { co_await what; };
    event_loop loop(support::virtual_time());
    loop.spawn(waits(operation), "forgotten");
    loop.poll();
    operation.forget();
    CHECK(contains(report_of([&] { loop.run(); }), "forgotten"));
}

TEST_CASE("an operation of the user's may say what it is") {
    auto waits = []() -> task<> { co_await support::described("readiness of a socket"); };
    const std::string report = report_of([&] { rondo::testing::run(waits()); });
    INFO(report);
    CHECK(contains(report, "readiness of a socket"));
}

TEST_CASE("a deep chain and many tasks are reported, too") {
    struct deep {
        static task<> chain(int depth) {
            if (depth == 0) {
                co_await is_stuck();
            } else {
                co_await chain(depth - 1);
            }
        }
    };
    event_loop loop(support::virtual_time());
    for (int i = 0; i < 1'000; ++i) loop.spawn(is_stuck(), "number " + std::to_string(i));
    const std::string report = report_of([&] { loop.run(deep::chain(1'000)); });
    CHECK(contains(report, at_line(stuck_line)));
    CHECK(contains(report, "number 999"));
}

TEST_CASE("the report tells of failures that nobody has joined, for they may be the cause") {
    const std::string report = report_of([] {
        rondo::testing::run([]() -> task<> {
            rondo::bounded_queue<int> queue(1);
            auto worker = rondo::spawn(
                []() -> task<> {
                    throw std::runtime_error("the real cause");
                    co_return;
                }(),
                "worker");
            co_await queue.push(1);
            co_await queue.push(2);  // nobody is left to take anything
        }());
    });
    CHECK(contains(report, "nobody has joined"));
    CHECK(contains(report, "worker: the real cause"));
}

// --- who waits for whom ---

namespace {

task<> holds_lock(rondo::mutex& m) {
    const auto guard = co_await m.scoped_lock();
    co_await support::for_ever();
}
int lock_line = 0;
task<> wants_lock(rondo::mutex& m) {
    lock_line = __LINE__ + 1;
    const auto guard = co_await m.scoped_lock();
}
task<> holds_and_wants(rondo::mutex& first, rondo::mutex& second) {
    const auto outer = co_await first.scoped_lock();
    co_await rondo::yield();
    const auto inner = co_await second.scoped_lock();
}

}  // namespace

TEST_CASE("the children of a group are reported below it by their names") {
    const auto main = []() -> task<> {
        co_await rondo::with_task_group([](rondo::task_group& group) -> task<> {
            group.spawn(is_stuck(), "the reader");
            group.spawn(is_stuck(), "the writer");
            group.spawn(support::nothing(), "the one that ended");
            co_return;
        });
    };
    const std::string report = report_of([&] { rondo::testing::run(main()); });
    INFO(report);
    CHECK(contains(report, "with_task_group"));
    CHECK(contains(report, "the reader: "));
    CHECK(contains(report, "the writer: "));
    CHECK(report.find("with_task_group") < report.find("the reader: "));
    CHECK(!contains(report, "the one that ended"));
}

TEST_CASE("a join is reported with the name of the task that is joined") {
    event_loop loop(support::virtual_time());
    join_handle<> first = loop.spawn(is_stuck(), "the worker");
    join_handle<> second = loop.spawn(is_stuck());
    loop.spawn(joins(first));
    loop.spawn(joins(second));
    const std::string report = report_of([&] { loop.run(); });
    INFO(report);
    CHECK(contains(report, "join_handle of the worker"));
    CHECK(contains(report, "join_handle of a task"));
    CHECK(!contains(report, circle_title));
}

TEST_CASE("a lock is reported with its holder") {
    rondo::mutex m;
    event_loop loop(support::virtual_time());
    loop.spawn(holds_lock(m), "the holder");
    loop.spawn(wants_lock(m), "the waiter");
    const std::string report = report_of([&] { loop.run(); });
    INFO(report);
    CHECK(contains(report, "mutex::lock, held by the holder"));
    CHECK(contains(report, at_line(lock_line)));
    CHECK(!contains(report, circle_title));
}

TEST_CASE("a wait that has lasted is reported with its time") {
    event_loop loop(support::virtual_time());
    rondo::event never;
    const auto waits = [&]() -> task<> { co_await never.wait(); };
    const auto waits_later = [&]() -> task<> {
        co_await rondo::sleep(500ms);
        co_await never.wait();
    };
    loop.spawn(waits(), "from the start");
    loop.spawn(waits_later(), "later");
    const std::string report = report_of([&] { loop.run(support::nap(2s)), loop.run(); });
    INFO(report);
    CHECK(contains(report, "event::wait, for 2.000 s"));
    CHECK(contains(report, "event::wait, for 1.500 s"));
}

TEST_CASE("main is in a circle, too, when its end is waited for and it holds what the other wants") {
    const auto main = []() -> task<> {
        rondo::mutex m;
        const auto guard = co_await m.scoped_lock();
        co_await rondo::with_task_group([&](rondo::task_group& group) -> task<> {
            group.spawn(wants_lock(m), "the child");
            co_return;
        });
    };
    const std::string report = report_of([&] { rondo::testing::run(main()); });
    INFO(report);
    CHECK(contains(report, circle_title));
    CHECK(contains(report, "main waits for the child to end"));
    CHECK(contains(report, "the child waits for mutex::lock, which is held by main"));
}

TEST_CASE("tasks that wait for each other's lock are named as a circle, with the lines of their waits") {
    rondo::mutex a, b;
    event_loop loop(support::virtual_time());
    loop.spawn(holds_and_wants(a, b), "the first");
    loop.spawn(holds_and_wants(b, a), "the second");
    const std::string report = report_of([&] { loop.run(); });
    INFO(report);
    const std::size_t circle = report.find(circle_title);
    REQUIRE(circle != std::string::npos);
    CHECK(contains(report, "the first waits for mutex::lock, which is held by the second"));
    CHECK(contains(report, "the second waits for mutex::lock, which is held by the first"));
    CHECK(contains(report.substr(circle), "deadlock_error.cpp:"));
}

TEST_CASE("tasks that join each other are named as a circle") {
    event_loop loop(support::virtual_time());
    std::optional<join_handle<>> second;
    auto joins_second = [](std::optional<join_handle<>>& other) -> task<> { co_await joins(*other); };
    join_handle<> first = loop.spawn(joins_second(second), "the first");
    second = loop.spawn(joins(first), "the second");
    const std::string report = report_of([&] { loop.run(); });
    INFO(report);
    CHECK(contains(report, circle_title));
    CHECK(contains(report, "the first waits for the second to end"));
    CHECK(contains(report, "the second waits for the first to end"));
}

TEST_CASE("what is waited for inside of several combinators is in the report") {
    rondo::bounded_queue<int> queue(1);
    rondo::mutex m;
    const auto waits = [&]() -> task<> {
        (void)co_await rondo::when_all(rondo::when_any(queue.pop(), m.scoped_lock()), is_stuck());
    };
    event_loop loop(support::virtual_time());
    loop.spawn(holds_lock(m), "the holder");
    loop.poll();
    const std::string report = report_of([&] { loop.run(waits()); });
    INFO(report);
    CHECK(contains(report, "bounded_queue::pop"));
    CHECK(contains(report, "mutex::lock, held by the holder"));
}
