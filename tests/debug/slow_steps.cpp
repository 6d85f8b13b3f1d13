// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

#include <support/leak_check.hpp>

#include <rondo/debug.hpp>
#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <catch2/catch_test_macros.hpp>

#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using rondo::task;
using rondo::debug::slow_step;
using rondo::debug::slow_steps;

namespace {

/// A loop whose time passes only when somebody works.
class workplace {
public:
    workplace() : workplace(std::make_unique<rondo::testing::virtual_driver>()) {}

    void work(rondo::duration length) { driver_->advance(length); }
    rondo::event_loop& loop() { return *loop_; }

private:
    explicit workplace(std::unique_ptr<rondo::testing::virtual_driver> d)
        : driver_(d.get()), loop_(std::make_unique<rondo::event_loop>(std::move(d))) {}

    rondo::testing::virtual_driver* driver_;
    std::unique_ptr<rondo::event_loop> loop_;
};

class warnings {
public:
    void operator()(const slow_step& s) const { list->push_back(s); }
    std::shared_ptr<std::vector<slow_step>> list = std::make_shared<std::vector<slow_step>>();
};

task<> work_and_wait(workplace& here) {
    co_await rondo::sleep(1ms);
    here.work(200ms);
    co_await rondo::sleep(1ms);
}

task<> work_twice(workplace& here) {
    here.work(150ms);
    co_await rondo::yield();
    here.work(250ms);
}

bool ends_with(const std::source_location& place, const char* coroutine) {
    return std::string(place.function_name()).find(coroutine) != std::string::npos;
}

}  // namespace

TEST_CASE("a slow step is told with its task, its length, and the lines between which it ran") {
    workplace here;
    const warnings told;
    const slow_steps watch(100ms, told);
    here.loop().run(work_and_wait(here));
    REQUIRE(told.list->size() == 1);
    const slow_step& s = told.list->front();
    CHECK(s.task == "main");
    CHECK(s.took == 200ms);
    CHECK(ends_with(s.from, "work_and_wait"));
    CHECK(s.to.line() == s.from.line() + 2);
    CHECK(s.text().starts_with("main held the loop for 0.200 s: from "));
    CHECK(s.text().find("slow_steps.cpp:" + std::to_string(s.to.line()) + " (") != std::string::npos);
}

TEST_CASE("a slow step from the beginning, and one to the end, have no line there") {
    workplace here;
    const warnings told;
    const slow_steps watch(100ms, told);
    here.loop().run(work_twice(here));
    REQUIRE(told.list->size() == 2);
    CHECK(told.list->front().from.line() == 0);
    CHECK(told.list->front().text().find("from its beginning to ") != std::string::npos);
    CHECK(told.list->back().to.line() == 0);
    CHECK(told.list->back().text().ends_with("to its end"));
}

TEST_CASE("a step that takes the limit, and no more, is not slow") {
    workplace here;
    const warnings told;
    const slow_steps watch(200ms, told);
    here.loop().run(work_and_wait(here));
    CHECK(told.list->empty());
}

TEST_CASE("the slow step of a spawned task has its name, also when the task is gone after it") {
    workplace here;
    const warnings told;
    const slow_steps watch(100ms, told);
    here.loop().spawn(work_twice(here), "worker");
    here.loop().spawn([&]() -> task<> {
        here.work(1s);
        co_return;
    });
    here.loop().run();
    REQUIRE(told.list->size() == 3);
    CHECK(told.list->at(0).task == "worker");
    CHECK(told.list->at(1).task == "a task");
    CHECK(told.list->at(2).task == "worker");
}

TEST_CASE("a slow posted function is told") {
    workplace here;
    const warnings told;
    const slow_steps watch(100ms, told);
    here.loop().post([&] { here.work(300ms); });
    here.loop().run();
    REQUIRE(told.list->size() == 1);
    CHECK(told.list->front().task == "a posted function");
}

TEST_CASE("a child of a combinator counts for the task, and for the line where the child is") {
    workplace here;
    const warnings told;
    const slow_steps watch(100ms, told);
    const auto children = [](workplace& at) -> task<> {
        co_await rondo::when_all(work_and_wait(at), rondo::sleep(5ms));
    };
    here.loop().run(children(here));
    REQUIRE(told.list->size() == 1);
    CHECK(told.list->front().task == "main");
    CHECK(ends_with(told.list->front().from, "work_and_wait"));
}

TEST_CASE("what the handler throws goes where unhandled exceptions go") {
    workplace here;
    const slow_steps watch(100ms, [](const slow_step&) { throw std::runtime_error("too slow"); });
    REQUIRE_THROWS_AS(here.loop().run(work_and_wait(here)), std::runtime_error);
}

TEST_CASE("a handler may spawn, also from the last step of a run") {
    workplace here;
    bool has_run = false;
    const slow_steps watch(100ms, [&](const slow_step&) {
        rondo::spawn(
            [](bool& run) -> task<> {
                run = true;
                co_return;
            },
            std::ref(has_run));
    });
    here.loop().run(work_twice(here));
    here.loop().run();
    CHECK(has_run);
}

TEST_CASE("one that is made inside a task begins with the next round, and ends with its scope") {
    workplace here;
    const warnings told;
    const auto main = [](workplace& at, const warnings& to) -> task<> {
        at.work(1s);
        {
            const slow_steps watch(100ms, to);
            at.work(1s);
            co_await rondo::yield();
            at.work(2s);
            co_await rondo::yield();
        }
        at.work(1s);
        co_await rondo::yield();
    };
    here.loop().run(main(here, told));
    REQUIRE(told.list->size() == 1);
    CHECK(told.list->front().took == 2s);
}

TEST_CASE("two watch the same thread, each with its own limit") {
    workplace here;
    const warnings first;
    const warnings second;
    const slow_steps wide(200ms, first);
    const slow_steps narrow(100ms, second);
    here.loop().run(work_twice(here));
    CHECK(first.list->size() == 1);
    CHECK(second.list->size() == 2);
}

TEST_CASE("polled loops are watched, too") {
    workplace here;
    const warnings told;
    const slow_steps watch(100ms, told);
    here.loop().spawn(work_twice(here));
    CHECK(here.loop().poll() == 1);
    CHECK(here.loop().poll() == 1);
    CHECK(told.list->size() == 2);
}

TEST_CASE("the destructors of a cancelled task can be slow") {
    workplace here;
    const warnings told;
    const slow_steps watch(100ms, told);
    struct slow_to_go {
        workplace* at;
        ~slow_to_go() { at->work(500ms); }
    };
    const auto main = [](workplace& at) -> task<> {
        const auto child = [](workplace& w) -> task<> {
            const slow_to_go guard{&w};
            co_await rondo::sleep(1h);
        };
        auto handle = rondo::spawn(child, std::ref(at));
        co_await rondo::yield();
        co_await rondo::yield();
        handle.cancel();
        co_await rondo::yield();
    };
    here.loop().run(main(here));
    REQUIRE(told.list->size() == 1);
    CHECK(told.list->front().task == "main");  // for it happened inside its cancel()
}

TEST_CASE("a handler may cancel the slow task, also when others look on") {
    workplace here;
    const rondo::debug::timeline first;  // told after the handler's watch
    const warnings told;
    const slow_steps second(100ms, told);
    rondo::join_handle<void> handle;
    const slow_steps watch(100ms, [&](const slow_step&) { handle.cancel(); });
    const auto main = [&]() -> task<> {
        const auto slow = [](workplace& at) -> task<> {
            at.work(1s);
            co_await rondo::sleep(1h);
        };
        handle = rondo::spawn(slow, std::ref(here));
        const rondo::outcome<void> end = co_await handle.settled();
        CHECK(end.is_cancelled());
    };
    here.loop().run(main());
    CHECK(told.list->size() == 1);
}

TEST_CASE("one that is made in the middle of a slow step tells nothing of it, also when another looks on") {
    workplace here;
    const rondo::debug::timeline first;
    const warnings told;
    const auto main = [](workplace& at, warnings to) -> task<> {
        at.work(1s);
        const slow_steps watch(100ms, to);
        at.work(1s);
        co_await rondo::yield();
    };
    here.loop().run(main(here, told));
    CHECK(told.list->empty());
}
