// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

#include <support/clocks.hpp>
#include <support/leak_check.hpp>
#include <support/tasks.hpp>
#include <support/tracked.hpp>

#include <rondo/loop/spawn.hpp>
#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <catch2/catch_test_macros.hpp>

#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using rondo::event_loop;
using rondo::join_handle;
using rondo::task;
using support::lines;
using support::move_only_tracked;
using support::tracked;

// --- a task ---

namespace {

task<> spawns_and_notes(lines& log) {
    rondo::spawn(support::note(log, "child"));
    log.push_back("after spawn");
    co_await rondo::yield();
    log.push_back("after yield");
}

}  // namespace

TEST_CASE("a spawned task starts on the next round, not inside the call") {
    lines log;
    rondo::testing::run(spawns_and_notes(log));
    CHECK(log == lines{"after spawn", "child", "after yield"});
}

TEST_CASE("spawned tasks start in the order in which they were spawned") {
    lines log;
    event_loop loop(support::virtual_time());
    for (int i = 0; i < 5; ++i) loop.spawn(support::note(log, std::to_string(i)));
    CHECK(log.empty());
    loop.run();
    CHECK(log == lines{"0", "1", "2", "3", "4"});
}

TEST_CASE("a task whose handle was dropped runs to its end: the loop owns it") {
    lines log;
    event_loop loop(support::virtual_time());
    {
        const join_handle<> handle = loop.spawn(support::note_after(log, "done", 1s));
    }
    loop.run();
    CHECK(log == lines{"done"});
}

TEST_CASE("spawning outside a loop throws logic_error, and destroys the task") {
    auto body = [](tracked) -> task<> { co_return; };
    CHECK_THROWS_AS(rondo::spawn(body(tracked(1))), std::logic_error);
    CHECK(tracked::live() == 0);
    CHECK_THROWS_AS(rondo::spawn(body, tracked(1)), std::logic_error);
    CHECK(tracked::live() == 0);
}

TEST_CASE("a name is copied") {
    event_loop loop(support::virtual_time());
    {
        std::string name = "a name that is long enough to be allocated";
        loop.spawn(support::stuck(), name);
        name.assign(name.size(), '#');
    }
    std::string report;
    try {
        loop.run();
    } catch (const rondo::deadlock_error& error) {
        report = error.what();
    }
    CHECK(report.find("a name that is long enough to be allocated") != std::string::npos);
}

TEST_CASE("a name may be a part of a longer text") {
    event_loop loop(support::virtual_time());
    const std::string_view text = "[worker seven]";
    loop.spawn(support::stuck(), text.substr(1, 6));
    std::string report;
    try {
        loop.run();
    } catch (const rondo::deadlock_error& error) {
        report = error.what();
    }
    CHECK(report.find("worker") != std::string::npos);
    CHECK(report.find("seven") == std::string::npos);
}

TEST_CASE("a task may spawn from anywhere below its root, and outlive the one that spawned it") {
    lines log;
    auto inner = [](lines& out) -> task<> {
        rondo::spawn(support::note_after(out, "grandchild", 2s));
        co_return;
    };
    auto outer = [](lines& out, decltype(inner) body) -> task<> {
        co_await body(out);
        out.push_back("outer ends");
    };
    event_loop loop(support::virtual_time());
    loop.spawn(outer(log, inner));
    loop.run();
    CHECK(log == lines{"outer ends", "grandchild"});
}

// --- a callable and its arguments ---

TEST_CASE("a callable lives as long as its task: captures are safe across suspensions") {
    std::string result;
    event_loop loop(support::virtual_time());
    {
        const std::string text = "a text that is long enough to be allocated";
        auto capturing = [text, owned = std::make_shared<int>(3), &result]() -> task<> {
            co_await rondo::sleep(1s);
            result = text + std::to_string(*owned);
        };
        loop.spawn(capturing);
        loop.spawn([text, &result]() -> task<> {
            co_await rondo::sleep(2s);
            result += text;
        });
    }
    loop.run();
    CHECK(result == "a text that is long enough to be allocated3a text that is long enough to be allocated");
}

TEST_CASE("arguments are moved into the frame, and are destroyed once, when the task ends") {
    event_loop loop(support::virtual_time());
    int seen = 0;
    auto body = [&seen](tracked first, move_only_tracked second, std::unique_ptr<int> third) -> task<> {
        co_await rondo::sleep(1s);
        seen = first.number() + second.number() + *third;
    };
    const tracked named(1);
    join_handle<> handle = loop.spawn(body, named, move_only_tracked(2), std::make_unique<int>(4));
    CHECK(named.number() == 1);  // an lvalue is copied
    loop.run();
    CHECK(seen == 7);
    CHECK(handle.done());
    CHECK(tracked::live() == 1);  // only the one out here
}

TEST_CASE("a reference parameter may refer to an argument in the frame, or through std::ref to the outside") {
    event_loop loop(support::virtual_time());
    std::string outside = "before";
    auto by_reference = [](const std::string& text, std::string& target) -> task<> {
        co_await rondo::sleep(1s);
        target = text;
    };
    loop.spawn(by_reference, std::string("a text that is long enough to be allocated"), std::ref(outside));
    loop.run();
    CHECK(outside == "a text that is long enough to be allocated");
}

TEST_CASE("the handle has the type of what the callable's task gives") {
    event_loop loop(support::virtual_time());
    auto adds = [](int a, int b) -> task<int> {
        co_await rondo::yield();
        co_return a + b;
    };
    auto handle = loop.spawn(adds, 2, 3);
    static_assert(std::is_same_v<decltype(handle), join_handle<int>>);
    auto joins = [](join_handle<int> sum) -> task<int> { co_return co_await sum; };
    CHECK(loop.run(joins(std::move(handle))) == 5);
}

namespace {

task<std::string> repeat(std::string text, int times) {
    std::string result;
    for (int i = 0; i < times; ++i) {
        result += text;
        co_await rondo::yield();
    }
    co_return result;
}

task<std::string> spawns_function_pointer() {
    auto handle = rondo::spawn(repeat, std::string("ab"), 3);
    co_return co_await handle;
}

class accumulates {
public:
    task<int> operator()(int by) {
        co_await rondo::yield();
        sum_ += by;
        co_return sum_;
    }

private:
    int sum_ = 100;
};

}  // namespace

TEST_CASE("functions, function objects and mutable lambdas are callables, also with the free spawn") {
    CHECK(rondo::testing::run(spawns_function_pointer()) == "ababab");
    event_loop loop(support::virtual_time());
    auto joins = [](join_handle<int> number) -> task<int> { co_return co_await number; };
    CHECK(loop.run(joins(loop.spawn(accumulates(), 5))) == 105);
    auto counts = [count = 0]() mutable -> task<int> {
        co_await rondo::yield();
        co_return ++count;
    };
    CHECK(loop.run(joins(loop.spawn(counts))) == 1);
    CHECK(loop.run(joins(loop.spawn(counts))) == 1);  // a copy each time
}

TEST_CASE("callable and arguments of a task cancelled before its first step are destroyed") {
    event_loop loop(support::virtual_time());
    auto body = [counted = tracked(1)](tracked) -> task<> { co_return; };
    join_handle<> handle = loop.spawn(std::move(body), tracked(2));
    CHECK(tracked::live() == 3);  // the one moved from, too
    handle.cancel();
    CHECK(tracked::live() == 1);
    loop.run();
}

TEST_CASE("callable and arguments of a waiting task are destroyed after its locals") {
    lines log;
    event_loop loop(support::virtual_time());
    join_handle<> handle = loop.spawn(
        [captured = support::note_at_exit(log, "capture")](support::note_at_exit argument, lines& out) -> task<> {
            (void)argument;
            support::note_at_exit local(out, "local");
            co_await support::for_ever();
        },
        support::note_at_exit(log, "argument"), std::ref(log));
    loop.poll();
    handle.cancel();
    REQUIRE(log.size() == 3);
    CHECK(log.front() == "local");
}

TEST_CASE("an exception of a callable's task arrives like any other") {
    event_loop loop(support::virtual_time());
    auto fails = [](std::string text) -> task<int> {
        co_await rondo::yield();
        throw std::runtime_error(text);
    };
    auto joins = [](join_handle<int> handle) -> task<std::string> {
        try {
            co_await handle;
        } catch (const std::runtime_error& error) {
            co_return error.what();
        }
        co_return "nothing";
    };
    CHECK(loop.run(joins(loop.spawn(fails, std::string("failed")))) == "failed");
}

// --- no memory ---

TEST_CASE("spawn that finds no memory throws bad_alloc, destroys what it was given, and leaves the loop as it was") {
    event_loop loop(support::virtual_time());
    auto body = [](tracked value) -> task<int> {
        co_await rondo::yield();
        co_return value.number();
    };
    int failures = 0;
    for (std::size_t n = 1;; ++n) {
        bool failed = false;
        std::optional<rondo::testing::fail_frame_allocation> guard(std::in_place, n);
        try {
            loop.spawn(body(tracked(1)), "name");
            loop.spawn(body, tracked(2));
        } catch (const std::bad_alloc&) {
            failed = true;
            ++failures;
        }
        const bool happened = guard->happened();
        guard.reset();
        CHECK(failed == happened);
        loop.run();
        CHECK(tracked::live() == 0);
        CHECK(rondo::testing::live_frames() == 0);
        if (!happened) break;
    }
    CHECK(failures >= 3);
}

TEST_CASE("a hundred thousand tasks may be spawned at once") {
    event_loop loop(support::virtual_time());
    int sum = 0;
    auto adds = [](int& to) -> task<> {
        co_await rondo::yield();
        ++to;
    };
    for (int i = 0; i < 100'000; ++i) loop.spawn(adds(sum));
    loop.run();
    CHECK(sum == 100'000);
}
