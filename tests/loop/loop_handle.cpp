// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

#include <support/clocks.hpp>
#include <support/leak_check.hpp>
#include <support/tasks.hpp>
#include <support/tracked.hpp>

#include <rondo/loop/loop_handle.hpp>
#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <catch2/catch_test_macros.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <thread>
#include <type_traits>
#include <utility>

using rondo::event_loop;
using rondo::loop_handle;
using support::lines;
using support::tracked;

namespace {

/// Calls a function when it is woken for the first time.
class wakes_once final : public rondo::driver {
public:
    rondo::time_point now() noexcept override { return {}; }
    void wait(std::optional<rondo::time_point>) override {}
    void wake() noexcept override {
        if (auto f = std::exchange(when_woken, nullptr)) f();
    }
    std::function<void()> when_woken;
};

}  // namespace

static_assert(std::is_copy_constructible_v<loop_handle> && std::is_copy_assignable_v<loop_handle>);
static_assert(std::is_nothrow_move_constructible_v<loop_handle>);

TEST_CASE("a function posted through a handle runs in its loop") {
    lines log;
    event_loop loop(support::virtual_time());
    const loop_handle handle = loop.handle();
    CHECK(handle.post([&] { log.push_back("ran"); }));
    CHECK(log.empty());
    loop.run();
    CHECK(log == lines{"ran"});
}

TEST_CASE("copies of a handle reach the same loop, and assignment changes which") {
    int first_ran = 0;
    int second_ran = 0;
    event_loop first(support::virtual_time());
    event_loop second(support::virtual_time());
    loop_handle handle = first.handle();
    const loop_handle copy = handle;
    handle = second.handle();
    CHECK(copy.post([&] { ++first_ran; }));
    CHECK(handle.post([&] { ++second_ran; }));
    handle = copy;
    CHECK(handle.post([&] { ++first_ran; }));
    loop_handle moved = std::move(handle);
    CHECK(moved.post([&] { ++first_ran; }));
    first.run();
    second.run();
    CHECK(first_ran == 3);
    CHECK(second_ran == 1);
}

TEST_CASE("when the loop is gone, post says false and destroys the function") {
    std::optional<loop_handle> handle;
    {
        event_loop loop(support::virtual_time());
        handle.emplace(loop.handle());
        CHECK(handle->post([counted = tracked(1)] { (void)counted; }));
    }
    CHECK(tracked::live() == 0);
    CHECK(!handle->post([counted = tracked(2)] { (void)counted; }));
    CHECK(tracked::live() == 0);
    const loop_handle copy = *handle;
    CHECK(!copy.post([] {}));
}

TEST_CASE("a handle whose loop is gone does not post to one that took its place in memory") {
    std::optional<event_loop> loop(std::in_place, support::virtual_time());
    const loop_handle handle = loop->handle();
    loop.emplace(support::virtual_time());
    bool ran = false;
    auto main = [](const loop_handle& old, bool& flag) -> rondo::task<bool> {
        const bool posted = old.post([&flag] { flag = true; });
        co_await support::yields(2);
        co_return posted;
    };
    CHECK(!loop->run(main(handle, ran)));
    CHECK(!handle.post([&] { ran = true; }));
    loop->run();
    CHECK(!ran);
}

TEST_CASE("a handle does not keep its loop running") {
    event_loop loop(support::virtual_time());
    const loop_handle handle = loop.handle();
    loop.run();
    CHECK_THROWS_AS(loop.run(support::stuck()), rondo::deadlock_error);
}

TEST_CASE("what is posted while a spawn collects what was posted before comes after that") {
    auto driver = std::make_unique<wakes_once>();
    wakes_once& hook = *driver;
    event_loop loop(std::move(driver));
    lines log;
    std::thread([&] {
        for (const char* name : {"first", "second", "third"}) loop.post([&log, name] { log.push_back(name); });
    }).join();
    hook.when_woken = [&] { std::thread([&] { loop.post([&] { log.push_back("last"); }); }).join(); };
    loop.spawn(support::yields(1));
    loop.run();
    CHECK(log == lines{"first", "second", "third", "last"});
}

TEST_CASE("a function whose move throws is not posted") {
    class throws_when_copied {
    public:
        throws_when_copied() = default;
        throws_when_copied(const throws_when_copied&) { throw std::runtime_error("copied"); }
        throws_when_copied& operator=(const throws_when_copied&) = delete;
        void operator()() const {}
    };
    event_loop loop(support::virtual_time());
    const throws_when_copied function;
    CHECK_THROWS_AS(loop.handle().post(function), std::runtime_error);
    CHECK(loop.poll() == 0);
}
