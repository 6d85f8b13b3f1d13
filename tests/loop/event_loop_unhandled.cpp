// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

// Exceptions that no handle can deliver: each reaches on_unhandled_exception, or run and poll, exactly once.

#include <support/clocks.hpp>
#include <support/leak_check.hpp>
#include <support/tasks.hpp>
#include <support/tracked.hpp>

#include <rondo/loop/event_loop.hpp>
#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <catch2/catch_test_macros.hpp>

#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

using namespace std::chrono_literals;
using rondo::event_loop;
using rondo::join_handle;
using rondo::task;
using support::lines;
using support::note_at_exit;
using support::tracked;

namespace {

std::string text_of(const std::exception_ptr& error) {
    try {
        std::rethrow_exception(error);
    } catch (const std::exception& known) {
        return known.what();
    } catch (...) {
        return "unknown";
    }
}

/// Writes down what is reported.
auto reports_to(lines& log) {
    return [&log](std::exception_ptr error) { log.push_back("unhandled: " + text_of(error)); };
}

task<> fails_after(std::chrono::seconds time, std::string text) {
    co_await rondo::sleep(time);
    throw std::runtime_error(text);
}

template <class F>
std::string thrown_by(F action) {
    try {
        action();
    } catch (const std::exception& error) {
        return error.what();
    }
    return "nothing";
}

}  // namespace

// --- with a handler ---

TEST_CASE("the exception of a task whose handle was dropped reaches the handler, once") {
    lines log;
    event_loop loop(support::virtual_time());
    loop.on_unhandled_exception(reports_to(log));
    loop.spawn(fails_after(1s, "lost"));
    loop.spawn(support::fail("lost at once"));
    loop.run();
    loop.run();
    loop.poll();
    CHECK(log == lines{"unhandled: lost at once", "unhandled: lost"});
}

TEST_CASE("with a handler the loop goes on, and so does main") {
    lines log;
    event_loop loop(support::virtual_time());
    loop.on_unhandled_exception(reports_to(log));
    loop.spawn(fails_after(1s, "lost"));
    loop.run(support::note_after(log, "main", 2s));
    CHECK(log == lines{"unhandled: lost", "main"});
}

TEST_CASE("while a handle could still join, nothing is reported; when it is dropped, it is") {
    lines log;
    event_loop loop(support::virtual_time());
    loop.on_unhandled_exception(reports_to(log));
    std::optional<join_handle<>> handle(loop.spawn(support::fail("kept")));
    loop.run();
    CHECK(handle->done());
    CHECK(log.empty());
    handle.reset();
    CHECK(log.empty());  // not inside a destructor
    loop.poll();
    CHECK(log == lines{"unhandled: kept"});
}

TEST_CASE("assigning over the last handle of a failed task drops it, too") {
    lines log;
    event_loop loop(support::virtual_time());
    loop.on_unhandled_exception(reports_to(log));
    join_handle<> handle = loop.spawn(support::fail("first"));
    loop.run();
    handle = loop.spawn(support::nothing());
    loop.run();
    CHECK(log == lines{"unhandled: first"});
}

TEST_CASE("an exception that was joined is not reported") {
    lines log;
    event_loop loop(support::virtual_time());
    loop.on_unhandled_exception(reports_to(log));
    auto joins = [](join_handle<> child, lines& out) -> task<> {
        try {
            co_await child;
        } catch (const std::runtime_error& error) {
            out.push_back(std::string("joined: ") + error.what());
        }
    };
    loop.spawn(joins(loop.spawn(fails_after(1s, "late")), log));  // joined while it runs
    loop.spawn(joins(loop.spawn(support::fail("early")), log));
    loop.run();
    join_handle<> ended = loop.spawn(support::fail("long ago"));
    loop.run();
    loop.run(joins(std::move(ended), log));  // joined when it has ended
    CHECK(log == lines{"joined: early", "joined: late", "joined: long ago"});
}

TEST_CASE("an exception that settled() has given is not reported") {
    lines log;
    event_loop loop(support::virtual_time());
    loop.on_unhandled_exception(reports_to(log));
    auto settles = [](join_handle<> child, lines& out) -> task<> {
        const auto end = co_await child.settled();
        out.push_back(text_of(end.error()));
    };
    loop.run(settles(loop.spawn(fails_after(1s, "told")), log));
    loop.run();
    CHECK(log == lines{"told"});
}

TEST_CASE("an exception that a joiner rethrows is that joiner's, and is reported once as such") {
    lines log;
    event_loop loop(support::virtual_time());
    loop.on_unhandled_exception(reports_to(log));
    auto joins = [](join_handle<> child) -> task<> { co_await child; };
    loop.spawn(joins(loop.spawn(fails_after(1s, "passed on"))));
    loop.run();
    CHECK(log == lines{"unhandled: passed on"});
}

TEST_CASE("the exception of a task whose joiner was cancelled is reported when the handle goes") {
    lines log;
    event_loop loop(support::virtual_time());
    loop.on_unhandled_exception(reports_to(log));
    auto joins = [](join_handle<> child) -> task<> { co_await child; };
    join_handle<> joiner = loop.spawn(joins(loop.spawn(fails_after(1s, "nobody left"))));
    loop.poll();
    joiner.cancel();
    loop.run();
    CHECK(log == lines{"unhandled: nobody left"});
}

TEST_CASE("a joiner that was woken and then cancelled has not taken the exception") {
    lines log;
    event_loop loop(support::virtual_time());
    loop.on_unhandled_exception(reports_to(log));
    auto fails = []() -> task<> {
        co_await rondo::yield();
        throw std::runtime_error("not taken");
    };
    auto joins = [](join_handle<>& child) -> task<> { co_await child; };
    std::optional<join_handle<>> child(loop.spawn(fails()));
    join_handle<> joiner = loop.spawn(joins(*child));
    loop.poll();
    loop.poll();
    REQUIRE(child->done());
    joiner.cancel();
    loop.run();
    CHECK(log.empty());  // it may still be joined
    child.reset();
    loop.run();
    CHECK(log == lines{"unhandled: not taken"});
}

TEST_CASE("cancellation is not reported") {
    lines log;
    event_loop loop(support::virtual_time());
    loop.on_unhandled_exception(reports_to(log));
    for (int i = 0; i < 2; ++i) {
        join_handle<> handle = loop.spawn(support::stuck());
        if (i == 1) loop.poll();
        handle.cancel();
    }
    loop.run();
    CHECK(log.empty());
}

TEST_CASE("what a posted function throws reaches the handler") {
    lines log;
    event_loop loop(support::virtual_time());
    loop.on_unhandled_exception(reports_to(log));
    loop.post([counted = tracked(1)] { throw std::runtime_error("posted"); });
    loop.post([&] { log.push_back("next"); });
    loop.run();
    CHECK(log == lines{"unhandled: posted", "next"});
    CHECK(tracked::live() == 0);
}

TEST_CASE("the handler may be move-only, spawn, post, cancel and be replaced") {
    lines log;
    event_loop loop(support::virtual_time());
    join_handle<> victim = loop.spawn(support::waits_for_ever(log, "victim"));
    loop.poll();
    loop.on_unhandled_exception([&, owned = std::make_unique<std::string>("first handler")](std::exception_ptr) {
        log.push_back(*owned);
        loop.spawn(support::note(log, "spawned"));
        loop.post([&] { log.push_back("posted"); });
        victim.cancel();
    });
    loop.spawn(support::fail("x"));
    loop.run();
    CHECK(log == lines{"victim waits", "first handler", "victim gone", "spawned", "posted"});
    loop.on_unhandled_exception([&](std::exception_ptr) { log.push_back("second handler"); });
    loop.spawn(support::fail("y"));
    loop.run();
    CHECK(log.back() == "second handler");
}

TEST_CASE("the handler is called between steps, with the loop current") {
    lines log;
    event_loop loop(support::virtual_time());
    bool inside_a_step = false;
    loop.on_unhandled_exception([&](std::exception_ptr) {
        log.push_back(inside_a_step ? "inside a step" : "between steps");
        log.push_back(&event_loop::current() == &loop ? "current" : "not current");
    });
    auto drops = [](bool& inside) -> task<> {
        {
            join_handle<> child = rondo::spawn(support::fail("x"));
            co_await rondo::yield();
            inside = true;
        }
        inside = false;
        co_await rondo::yield();
    };
    loop.run(drops(inside_a_step));
    CHECK(log == lines{"between steps", "current"});
}

TEST_CASE("a handler may replace itself") {
    lines log;
    event_loop loop(support::virtual_time());
    loop.on_unhandled_exception([&, name = std::string("the first handler, with a long name")](std::exception_ptr) {
        loop.on_unhandled_exception([&](std::exception_ptr) { log.push_back("second"); });
        log.push_back(name);
    });
    loop.spawn(support::fail("x"));
    loop.spawn(support::fail("y"));
    loop.run();
    CHECK(log == lines{"the first handler, with a long name", "second"});
}

TEST_CASE("what a handler throws, run throws") {
    event_loop loop(support::virtual_time());
    loop.on_unhandled_exception([](std::exception_ptr) { throw std::runtime_error("from the handler"); });
    loop.spawn(support::fail("x"));
    CHECK(thrown_by([&] { loop.run(); }) == "from the handler");
    loop.run();
}

TEST_CASE("an exception that a joiner in another loop is about to take is not reported when the loop goes") {
    lines log;
    event_loop other(support::virtual_time());
    auto joins = [](join_handle<>& child, lines& out) -> task<> {
        try {
            co_await child;
        } catch (const std::runtime_error& error) {
            out.push_back(std::string("joined: ") + error.what());
        }
    };
    std::optional<join_handle<>> handle;
    {
        event_loop loop(support::virtual_time());
        loop.on_unhandled_exception(reports_to(log));
        handle = loop.spawn(fails_after(1s, "x"));
        other.spawn(joins(*handle, log));
        other.poll();
        loop.run();
    }
    other.run();
    CHECK(log == lines{"joined: x"});
}

TEST_CASE("a loop that goes reports what no handle can join any more") {
    lines log;
    std::optional<join_handle<>> handle;
    {
        event_loop loop(support::virtual_time());
        loop.on_unhandled_exception(reports_to(log));
        handle = loop.spawn(support::fail("kept too long"));
        loop.run();
        CHECK(log.empty());
    }
    CHECK(log == lines{"unhandled: kept too long"});
    CHECK(handle->done());
    handle.reset();
    CHECK(log.size() == 1);
}

TEST_CASE("a task that goes with its loop before it would fail has nothing to report") {
    lines log;
    {
        event_loop loop(support::virtual_time());
        loop.on_unhandled_exception(reports_to(log));
        loop.spawn(fails_after(1h, "never"));
        loop.poll();
    }
    CHECK(log.empty());
}

// --- without one ---

TEST_CASE("without a handler run(main) unwinds main and throws the exception") {
    lines log;
    event_loop loop(support::virtual_time());
    loop.spawn(fails_after(1s, "lost"));
    CHECK(thrown_by([&] { loop.run(support::waits_for_ever(log, "main")); }) == "lost");
    CHECK(log == lines{"main waits", "main gone"});
    loop.run(support::note(log, "next"));
    CHECK(log.back() == "next");
}

TEST_CASE("without a handler run() and poll() throw it") {
    event_loop loop(support::virtual_time());
    loop.spawn(support::fail("from run"));
    CHECK(thrown_by([&] { loop.run(); }) == "from run");
    loop.spawn(support::fail("from poll"));
    CHECK(thrown_by([&] { loop.poll(); }) == "from poll");
    loop.post([] { throw std::runtime_error("from post"); });
    CHECK(thrown_by([&] { loop.run(); }) == "from post");
    loop.run();
    CHECK(loop.poll() == 0);
}

TEST_CASE("without a handler run() leaves the other tasks where they are") {
    lines log;
    event_loop loop(support::virtual_time());
    loop.spawn(fails_after(1s, "lost"));
    loop.spawn(support::note_after(log, "other", 2s));
    CHECK(thrown_by([&] { loop.run(); }) == "lost");
    CHECK(log.empty());
    loop.run();
    CHECK(log == lines{"other"});
}

TEST_CASE("of several in one run the first is thrown, and the others are dropped") {
    auto main = []() -> task<> {
        join_handle<> kept = rondo::spawn(support::fail("second: its handle goes when main is unwound"));
        co_await rondo::yield();
        rondo::spawn(support::fail("first"));
        co_await rondo::sleep(1s);
    };
    event_loop loop(support::virtual_time());
    CHECK(thrown_by([&] { loop.run(main()); }) == "first");
    loop.run();
    CHECK(loop.poll() == 0);
}

TEST_CASE("rondo::run throws the exception of a task that nobody joined") {
    auto main = []() -> task<int> {
        rondo::spawn(support::fail("nobody joined"));
        co_await rondo::sleep(1s);
        co_return 1;
    };
    CHECK(thrown_by([&] { rondo::testing::run(main()); }) == "nobody joined");
}

TEST_CASE("rondo::run throws also when main returns with the handle of a failed task in hand") {
    auto main = []() -> task<int> {
        join_handle<> child = rondo::spawn(support::fail("in hand"));
        co_await rondo::sleep(1s);
        co_return 1;
    };
    CHECK(thrown_by([&] { rondo::testing::run(main()); }) == "in hand");
}

TEST_CASE("when main itself fails, that is what run throws") {
    auto main = []() -> task<> {
        join_handle<> child = rondo::spawn(support::fail("child"));
        co_await rondo::sleep(1s);
        throw std::runtime_error("main");
    };
    CHECK(thrown_by([&] { rondo::testing::run(main()); }) == "main");
}
