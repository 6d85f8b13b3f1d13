// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

// The end of a loop, at whatever moment it comes.

#include <support/clocks.hpp>
#include <support/foreign.hpp>
#include <support/leak_check.hpp>
#include <support/native_operation.hpp>
#include <support/tasks.hpp>
#include <support/tracked.hpp>

#include <rondo/loop/event_loop.hpp>
#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <catch2/catch_test_macros.hpp>

#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using rondo::event_loop;
using rondo::join_handle;
using rondo::task;
using support::lines;
using support::tracked;

namespace {

std::unique_ptr<event_loop> make_loop() { return std::make_unique<event_loop>(support::virtual_time()); }

task<> sleeps(tracked) { co_await rondo::sleep(1h); }

task<> joins(join_handle<>& other, tracked) { co_await other; }

task<> nests(int depth, tracked local) {
    if (depth == 0) {
        co_await support::for_ever();
    } else {
        co_await nests(depth - 1, tracked(local.number() + 1));
    }
}

/// Does something when it is unwound.
task<> at_end(std::function<void()> action) {
    support::call_at_exit act(std::move(action));
    co_await support::for_ever();
}

task<bool> was_cancelled(join_handle<>& handle) {
    const auto end = co_await handle.settled();
    co_return end.is_cancelled();
}

}  // namespace

TEST_CASE("a loop frees its tasks wherever they are") {
    for (int rounds = 0; rounds < 4; ++rounds) {
        auto loop = make_loop();
        join_handle<> other = loop->spawn(sleeps(tracked(1)));
        join_handle<> joiner = loop->spawn(joins(other, tracked(2)));
        loop->spawn(joins(joiner, tracked(3)));
        loop->spawn(nests(50, tracked(4)));
        loop->spawn(support::yields(100));
        loop->spawn(support::stuck());
        loop->post([counted = tracked(5)] { (void)counted; });
        for (int i = 0; i < rounds; ++i) loop->poll();
        loop->spawn(sleeps(tracked(6)));  // never started
        loop.reset();
        CHECK(tracked::live() == 0);
        CHECK(other.done());
        CHECK(joiner.done());
    }
}

TEST_CASE("tasks that join each other, and one that holds its own handle, go with their loop") {
    class pair {
    public:
        pair() = default;
        pair(const pair&) = delete;
        pair& operator=(const pair&) = delete;
        std::optional<join_handle<>> first;
        std::optional<join_handle<>> second;
    };
    auto joins_other = [](std::shared_ptr<pair>, std::optional<join_handle<>>& other) -> task<> { co_await *other; };
    auto handles = std::make_shared<pair>();
    auto loop = make_loop();
    handles->first = loop->spawn(joins_other(handles, handles->second));
    handles->second = loop->spawn(joins_other(handles, handles->first));
    const std::weak_ptr<pair> watch = handles;
    handles.reset();  // now only the frames hold the handles, which hold the frames' results
    loop->poll();
    CHECK(!watch.expired());
    loop.reset();
    CHECK(watch.expired());
}

TEST_CASE("handles may outlive the loop: done, cancelled, and harmless") {
    auto loop = make_loop();
    join_handle<> waiting = loop->spawn(support::stuck());
    join_handle<> ended = loop->spawn(support::nothing());
    loop->poll();
    join_handle<> unstarted = loop->spawn(support::nothing());
    loop.reset();
    CHECK(waiting.done());
    CHECK(ended.done());
    CHECK(unstarted.done());
    waiting.cancel();
    ended.cancel();
    CHECK(rondo::testing::run(was_cancelled(waiting)));
    CHECK(!rondo::testing::run(was_cancelled(ended)));
    CHECK(rondo::testing::run(was_cancelled(unstarted)));
}

TEST_CASE("destructors that spawn while the loop goes: what they spawn is destroyed unstarted, its handle cancelled") {
    lines log;
    std::optional<join_handle<>> spawned;
    auto loop = make_loop();
    loop->spawn(at_end([&] {
        spawned = rondo::spawn(support::note(log, "ran"));
        event_loop::current().spawn(support::note(log, "ran, too"));
        event_loop::current().spawn(sleeps(tracked(1)));
    }));
    loop->poll();
    loop.reset();
    CHECK(log.empty());
    CHECK(tracked::live() == 0);
    REQUIRE(spawned.has_value());
    CHECK(spawned->done());
    CHECK(rondo::testing::run(was_cancelled(*spawned)));
}

TEST_CASE("destructors that cancel while the loop goes") {
    int unwound = 0;
    std::vector<std::optional<join_handle<>>> handles(20);
    auto loop = make_loop();
    for (std::size_t i = 0; i < handles.size(); ++i) {
        handles[i] = loop->spawn(at_end([&] {
            ++unwound;
            for (auto& handle : handles) handle->cancel();
        }));
    }
    loop->poll();
    loop.reset();
    CHECK(unwound == 20);
    for (const auto& handle : handles) CHECK(handle->done());
}

TEST_CASE("destructors that drop handles while the loop goes") {
    std::vector<std::optional<join_handle<>>> handles(20);
    auto loop = make_loop();
    for (std::size_t i = 0; i < handles.size(); ++i) {
        handles[i] = loop->spawn(at_end([&handles, i] {
            handles[(i + 1) % handles.size()].reset();
            handles[i].reset();
        }));
    }
    loop->poll();
    loop.reset();
    for (const auto& handle : handles) CHECK(!handle.has_value());
}

TEST_CASE("destructors that close, stop, post and ask while the loop goes") {
    int ran = 0;
    auto loop = make_loop();
    event_loop* const raw = loop.get();
    for (int i = 0; i < 3; ++i) {
        loop->spawn(at_end([&, raw] {
            ++ran;
            raw->close();
            raw->stop();
            raw->post([counted = tracked(1)] { (void)counted; });
            raw->handle().post([counted = tracked(2)] { (void)counted; });
            (void)raw->next_deadline();
            (void)raw->now();
            const rondo::work_guard guard = raw->keep_alive();
            CHECK(&event_loop::current() == raw);
        }));
    }
    loop->poll();
    loop.reset();
    CHECK(ran == 3);
    CHECK(tracked::live() == 0);
}

TEST_CASE("a handler of exceptions that posts and drops handles while the loop goes") {
    int told = 0;
    auto fails = []() -> task<> {
        throw std::runtime_error("kept");
        co_return;
    };
    auto loop = make_loop();
    event_loop* const raw = loop.get();
    std::vector<join_handle<>> handles;
    for (int i = 0; i < 3; ++i) handles.push_back(loop->spawn(fails()));
    loop->run();
    loop->on_unhandled_exception([&, raw](std::exception_ptr) {
        ++told;
        raw->post([counted = tracked(1)] { (void)counted; });
        if (!handles.empty()) handles.pop_back();
    });
    loop.reset();
    CHECK(told == 3);
    CHECK(tracked::live() == 0);
}

TEST_CASE("destructors that close while the loop is closed") {
    int ran = 0;
    event_loop loop(support::virtual_time());
    for (int i = 0; i < 3; ++i) {
        loop.spawn(at_end([&] {
            ++ran;
            loop.close();
            loop.spawn(sleeps(tracked(1)));
        }));
    }
    loop.poll();
    CHECK(loop.close());
    CHECK(ran == 3);
    CHECK(tracked::live() == 0);
}

TEST_CASE("destructors that run loops of their own while the loop goes are told that one is running") {
    bool refused = false;
    auto loop = make_loop();
    loop->spawn(at_end([&] {
        try {
            rondo::testing::run(support::nothing());
        } catch (const std::logic_error&) {
            refused = true;
        }
    }));
    loop->poll();
    loop.reset();
    CHECK(refused);
}

TEST_CASE("the captures of functions that never ran may spawn, post and cancel when they are destroyed") {
    auto loop = make_loop();
    event_loop* const raw = loop.get();
    join_handle<> victim = loop->spawn(support::stuck());
    loop->poll();
    auto awkward = [&] {
        victim.cancel();
        raw->post([counted = tracked(1)] { (void)counted; });
        (void)raw->spawn(sleeps(tracked(2)));
    };
    auto held = std::make_shared<support::call_at_exit<decltype(awkward)>>(awkward);
    loop->post([held] { (void)held; });
    held.reset();
    loop.reset();
    CHECK(victim.done());
    CHECK(tracked::live() == 0);
}

TEST_CASE("a loop may go between a wake-up and the step that it announced") {
    support::parking place;
    support::native_operation operation;
    auto parks = [](support::parking& where, tracked) -> task<> { co_await where; };
    auto waits = [](support::native_operation& what, tracked) -> task<> { co_await what; };
    auto loop = make_loop();
    loop->spawn(parks(place, tracked(1)));
    loop->spawn(waits(operation, tracked(2)));
    loop->poll();
    place.resume();
    operation.complete();
    loop.reset();
    CHECK(tracked::live() == 0);
    CHECK(operation.resumed == 0);
}

TEST_CASE("a loop may go after a deadlock, a stop or an unhandled exception") {
    {
        event_loop loop(support::virtual_time());
        loop.spawn(nests(3, tracked(1)));
        CHECK_THROWS_AS(loop.run(), rondo::deadlock_error);
    }
    CHECK(tracked::live() == 0);
    {
        event_loop loop(support::virtual_time());
        loop.spawn(nests(3, tracked(1)));
        loop.spawn(support::fail("x"));
        CHECK_THROWS_AS(loop.run(), std::runtime_error);
    }
    CHECK(tracked::live() == 0);
    {
        event_loop loop(support::virtual_time());
        loop.spawn(nests(3, tracked(1)));
        loop.stop();
    }
    CHECK(tracked::live() == 0);
}

TEST_CASE("a hundred thousand sleeping tasks go with their loop, on a small stack") {
    auto loop = make_loop();
    for (int i = 0; i < 100'000; ++i) loop->spawn(sleeps(tracked(i)));
    loop->poll();
    CHECK(tracked::live() == 100'000);
    loop.reset();
    CHECK(tracked::live() == 0);
}

TEST_CASE("a hundred thousand tasks, each joining the one before, go with their loop, on a small stack") {
    std::vector<join_handle<>> handles;
    handles.reserve(100'001);
    auto loop = make_loop();
    handles.push_back(loop->spawn(support::stuck()));
    for (std::size_t i = 0; i < 100'000; ++i) handles.push_back(loop->spawn(joins(handles[i], tracked(1))));
    loop->poll();
    loop.reset();
    CHECK(tracked::live() == 0);
}
