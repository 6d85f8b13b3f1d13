// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

// What cannot be told before a program runs is told by its errors, and each says what to do instead.

#include <support/leak_check.hpp>

#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <catch2/catch_test_macros.hpp>

#include <chrono>
#include <cstddef>
#include <cstring>
#include <exception>
#include <string>
#include <string_view>
#include <utility>

using namespace std::chrono_literals;
using rondo::task;

namespace {

/// What `f` throws, in words.
template <class F>
std::string said(F f) {
    try {
        f();
    } catch (const std::exception& e) {
        return e.what();
    }
    return "nothing";
}

bool says(const std::string& text, std::string_view part) {
    INFO(text);
    return text.find(part) != std::string::npos;
}

task<> nothing() { co_return; }

task<> awaits_twice() {
    auto t = nothing();
    co_await std::move(t);
    co_await std::move(t);  // NOLINT(bugprone-use-after-move)
}

constexpr unsigned long line_of_the_inner_run = __LINE__ + 2;
task<> runs_inside() {
    rondo::run(nothing());
    co_return;
}

task<> joins_itself(rondo::join_handle<>& self) {
    co_await rondo::yield();
    co_await self;
}

task<> lets_it_join_itself() {
    rondo::join_handle<> self;
    self = rondo::spawn(joins_itself(self), "self");
    co_await rondo::sleep(1s);
}

task<> joins_twice() {
    auto handle = rondo::spawn(nothing());
    co_await handle;
    co_await handle;
}

task<> joins_nobody() {
    const rondo::join_handle<> handle;
    co_await handle;
}

task<> locks_twice() {
    rondo::mutex m;
    const auto first = co_await m.scoped_lock();
    const auto second = co_await m.scoped_lock();
}

}  // namespace

TEST_CASE("without a loop, spawn, current and interval say where they belong") {
    CHECK(says(said([] { rondo::spawn(nothing()); }), "call this in a task, under run()"));
    CHECK(says(said([] { rondo::event_loop::current(); }), "call this in a task, under run()"));
    CHECK(says(said([] { const rondo::interval ticks(1s); }), "call this in a task, under run()"));
    CHECK(says(said([] { rondo::spawn(nothing); }), "call this in a task, under run()"));
}

TEST_CASE("a call without a loop, run inside run and a capacity of zero are told with their line") {
    const auto line = [](const std::string& text) {
        const std::size_t place = text.rfind("teaching.cpp:");
        return place == std::string::npos ? 0 : std::stoul(text.substr(place + std::strlen("teaching.cpp:")));
    };
    CHECK(line(said([] { rondo::spawn(nothing()); })) == __LINE__);
    CHECK(line(said([] { rondo::event_loop::current(); })) == __LINE__);
    CHECK(line(said([] { const rondo::interval ticks(1s); })) == __LINE__);
    CHECK(line(said([] { const rondo::bounded_queue<int> q(0); })) == __LINE__);
    CHECK(line(said([] { const rondo::message_queue<int> q(0); })) == __LINE__);
    CHECK(line(said([] { rondo::testing::run(runs_inside()); })) == line_of_the_inner_run);
}

TEST_CASE("a task that is awaited twice says how to get another") {
    CHECK(says(said([] { rondo::testing::run(awaits_twice()); }), "call the coroutine again"));
    CHECK(says(said([] { rondo::testing::run(task<>()); }), "call the coroutine again"));
}

TEST_CASE("run inside run says what to do instead") {
    const std::string cure = "co_await the task, or spawn it";
    CHECK(says(said([] { rondo::testing::run(runs_inside()); }), cure));
}

TEST_CASE("unlocking what was never locked says how to lock, and that standard guards do not") {
    const std::string text = said([] { rondo::mutex().unlock(); });
    const std::string cure = "auto guard = co_await m.scoped_lock()";
    CHECK(says(text, cure));
    CHECK(says(text, "std::lock_guard"));
}

TEST_CASE("a task that joins itself, joins twice or joins nobody is told so") {
    CHECK(says(said([] { rondo::testing::run(lets_it_join_itself()); }), "await this handle in another one"));
    CHECK(says(said([] { rondo::testing::run(joins_twice()); }), "others can wait for an event"));
    CHECK(says(said([] { rondo::testing::run(joins_nobody()); }), "no spawn gave it"));
}

TEST_CASE("a capacity of zero and a negative one are refused in words") {
    const int negative = -1;
    CHECK(says(said([] { const rondo::bounded_queue<int> q(0); }), "a capacity of at least 1"));
    CHECK(says(said([] { const rondo::message_queue<int> q(0); }), "a capacity of at least 1"));
    CHECK(says(said([&] { const rondo::bounded_queue<int> q(static_cast<std::size_t>(negative)); }), "negative"));
    CHECK(says(said([&] { const rondo::message_queue<int> q(static_cast<std::size_t>(negative)); }), "negative"));
}

TEST_CASE("a task that locks a mutex twice is reported with its line, and as waiting for itself") {
    const std::string text = said([] { rondo::testing::run(locks_twice()); });
    CHECK(says(text, "teaching.cpp:"));
    CHECK(says(text, "main waits for mutex::lock, which is held by main"));
}
