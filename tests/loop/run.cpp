// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

#include <support/clocks.hpp>
#include <support/foreign.hpp>
#include <support/leak_check.hpp>
#include <support/tasks.hpp>
#include <support/tracked.hpp>

#include <rondo/loop/run.hpp>
#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <catch2/catch_test_macros.hpp>

#include <chrono>
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

task<int&> gives_reference(int& target) { co_return target; }

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

TEST_CASE("run gives back what main returns") {
    static_assert(std::is_void_v<decltype(rondo::run(support::nothing()))>);
    rondo::run(support::nothing());
    CHECK(rondo::run(support::give(5)) == 5);
    CHECK(*rondo::run(support::give(std::make_unique<int>(6))) == 6);
    int target = 0;
    CHECK(&rondo::run(gives_reference(target)) == &target);
    CHECK(rondo::run(support::give(tracked(7))).number() == 7);
}

TEST_CASE("run throws what main throws, and the next run knows nothing of it") {
    CHECK(thrown_by([] { rondo::run(support::fail("from main")); }) == "from main");
    CHECK(rondo::run(support::give(1)) == 1);
}

TEST_CASE("run takes real time") {
    const auto before = std::chrono::steady_clock::now();
    rondo::run(support::nap(20ms));
    CHECK(std::chrono::steady_clock::now() - before >= 20ms);
}

TEST_CASE("run inside a running loop throws logic_error, and the running loop goes on") {
    auto main = []() -> task<std::string> {
        std::string refused = "not refused";
        try {
            rondo::run(support::nothing());
        } catch (const std::logic_error& error) {
            refused = error.what();
        }
        co_await rondo::yield();
        co_return refused;
    };
    const std::string text = rondo::run(main());
    CHECK(text != "not refused");
    CHECK(text.find("loop") != std::string::npos);
}

TEST_CASE("run refuses an empty task") {
    task<int> first = support::give(1);
    const task<int> second = std::move(first);
    CHECK_THROWS_AS(rondo::run(std::move(first)), std::logic_error);
}

TEST_CASE("run cancels the tasks that are left when main has ended, before it returns") {
    lines log;
    auto main = [](lines& out) -> task<int> {
        rondo::spawn(support::waits_for_ever(out, "left"));
        rondo::spawn(support::note_after(out, "late", 10s));
        co_await rondo::sleep(1s);
        rondo::spawn(support::note(out, "unstarted"));
        co_return 5;
    };
    CHECK(rondo::testing::run(main(log)) == 5);
    CHECK(log == lines{"left waits", "left gone"});
}

TEST_CASE("tasks that wait for one another are no failure when run cancels what is left") {
    auto joins = [](join_handle<>& other) -> task<> { co_await rondo::when_all(other, support::stuck()); };
    join_handle<> joined;
    join_handle<> joiner;
    auto main = [&]() -> task<int> {
        joined = rondo::spawn(support::stuck());
        joiner = rondo::spawn(joins(joined));
        co_await support::yields(2);
        co_return 5;
    };
    auto made = main();
    CHECK(rondo::testing::run(std::move(made)) == 5);
    CHECK(joined.done());
    CHECK(joiner.done());
}

TEST_CASE("a task that cannot be withdrawn is waited for at the end of run") {
    lines log;
    support::parking place;
    auto parks = [](support::parking& where, lines& out) -> task<> {
        note_at_exit gone(out, "gone");
        co_await where;
        out.push_back("went on");
    };
    // Resumes when it is unwound, that is, when the run is ending already.
    auto resumes_at_end = [](support::parking& where) -> task<> {
        support::call_at_exit act([&] { where.resume(); });
        co_await support::for_ever();
    };
    auto main = [&](support::parking& where, lines& out) -> task<> {
        rondo::spawn(parks(where, out));
        rondo::spawn(resumes_at_end(where));
        co_await rondo::yield();
        co_await rondo::yield();
    };
    rondo::testing::run(main(place, log));
    CHECK(log == lines{"gone"});
}

namespace {

task<> owns_what_children_use(lines& log, bool fails, bool stops) {
    std::string local = "local of main";
    note_at_exit gone(log, "main gone");
    auto child = [](const std::string& text, lines& out) -> task<> {
        support::call_at_exit look([&] { out.push_back("child saw " + text); });
        co_await support::for_ever();
    };
    rondo::spawn(child(local, log));
    if (fails) rondo::spawn(support::fail("a third task"));
    co_await rondo::yield();
    if (stops) event_loop::current().stop();
    co_await support::for_ever();
}

}  // namespace

TEST_CASE("where a run is cut short the spawned tasks are cancelled before main, whose locals they may use") {
    const lines expected = {"child saw local of main", "main gone"};
    lines log;
    CHECK_THROWS_AS(rondo::testing::run(owns_what_children_use(log, false, true)), rondo::cancelled);
    CHECK(log == expected);
    log.clear();
    CHECK_THROWS_AS(rondo::testing::run(owns_what_children_use(log, false, false)), rondo::deadlock_error);
    CHECK(log == expected);
    log.clear();
    CHECK(thrown_by([&] { rondo::testing::run(owns_what_children_use(log, true, false)); }) == "a third task");
    CHECK(log == expected);
}

TEST_CASE("handles, guards and loop handles may come out of a run") {
    std::optional<join_handle<>> handle;
    std::optional<rondo::loop_handle> to_loop;
    std::unique_ptr<rondo::work_guard> guard;
    auto main = [&]() -> task<> {
        handle = rondo::spawn(support::stuck());
        to_loop.emplace(event_loop::current().handle());
        guard = std::make_unique<rondo::work_guard>(event_loop::current().keep_alive());
        co_await rondo::yield();
    };
    auto made = main();
    rondo::testing::run(std::move(made));
    CHECK(handle->done());
    handle->cancel();
    CHECK(!to_loop->post([] {}));
    guard.reset();
}

TEST_CASE("runs may follow one another on a thread a thousand times") {
    int sum = 0;
    for (int i = 0; i < 1'000; ++i) sum += rondo::run(support::give(1));
    CHECK(sum == 1'000);
}
