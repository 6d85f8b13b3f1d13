// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

#include <support/clocks.hpp>
#include <support/leak_check.hpp>
#include <support/native_operation.hpp>
#include <support/tasks.hpp>

#include <rondo/loop/driver.hpp>
#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <catch2/catch_test_macros.hpp>

#include <chrono>
#include <memory>
#include <optional>
#include <stdexcept>
#include <type_traits>
#include <utility>

using namespace std::chrono_literals;
using rondo::event_loop;
using rondo::task;
using support::lines;

static_assert(std::is_abstract_v<rondo::driver> && std::has_virtual_destructor_v<rondo::driver>);
static_assert(noexcept(std::declval<rondo::driver&>().now()) && noexcept(std::declval<rondo::driver&>().wake()));
static_assert(std::is_same_v<rondo::time_point, std::chrono::steady_clock::time_point>);

TEST_CASE("the driver waits until the next timer, and is not asked to while work is ready") {
    support::manual_clock clock;
    event_loop loop(clock.driver());
    loop.run(support::yields(100));
    CHECK(clock.waits == 0);
    const auto start = clock.now;
    loop.run(support::nap(5s));
    CHECK(clock.waits == 1);
    CHECK(clock.deadline == start + 5s);
}

TEST_CASE("a driver may return early as often as it likes: no sleep ends before its time") {
    lines log;
    support::manual_clock clock;
    clock.on_wait = [&] { clock.now += 1ms; };
    event_loop loop(clock.driver());
    const auto start = clock.now;
    loop.run(support::note_after(log, "woke", 1s));
    CHECK(log == lines{"woke"});
    CHECK(clock.now - start == 1s);
    CHECK(clock.waits == 1'000);
}

TEST_CASE("while tasks only yield, the driver is still asked for events, without waiting") {
    lines log;
    support::native_operation readable;
    support::manual_clock clock;
    clock.on_wait = [&] {
        CHECK(clock.deadline <= clock.now);
        if (clock.waits == 5) readable.complete();
    };
    auto reads = [](support::native_operation& from, lines& out) -> task<> {
        co_await from;
        out.push_back("read");
    };
    auto busy = [](const lines& until) -> task<> {
        while (until.empty()) co_await rondo::yield();
    };
    event_loop loop(clock.driver());
    loop.spawn(reads(readable, log));
    loop.run(busy(log));
    CHECK(log == lines{"read"});
    CHECK(clock.waits == 5);
}

TEST_CASE("a driver may wake late: all that is due wakes in order") {
    lines log;
    support::manual_clock clock;
    clock.on_wait = [&] { clock.now += 1h; };
    event_loop loop(clock.driver());
    loop.spawn(support::note_after(log, "2 s", 2s));
    loop.spawn(support::note_after(log, "1 s", 1s));
    loop.run();
    CHECK(log == lines{"1 s", "2 s"});
    CHECK(clock.waits == 1);
}

TEST_CASE("a driver may post and spawn while it waits") {
    lines log;
    support::manual_clock clock;
    event_loop loop(clock.driver());
    clock.on_wait = [&] {
        if (clock.waits == 1) loop.post([&] { log.push_back("posted"); });
        if (clock.waits == 2) loop.spawn(support::note(log, "spawned"));
        if (clock.waits > 2 && clock.deadline) clock.now = *clock.deadline;
    };
    loop.run(support::note_after(log, "main", 1h));
    CHECK(log == lines{"posted", "spawned", "main"});
}

TEST_CASE("an exception of the driver comes out of run, and the loop can still be destroyed") {
    support::manual_clock clock;
    {
        event_loop loop(clock.driver());
        loop.spawn(support::nap(2h));
        clock.on_wait = [] { throw std::runtime_error("driver"); };
        CHECK_THROWS_AS(loop.run(support::nap(1h)), std::runtime_error);
        clock.on_wait = nullptr;
    }
    CHECK(rondo::testing::live_frames() == 0);
}

TEST_CASE("the loop destroys its driver, after its tasks") {
    class watched final : public rondo::driver {
    public:
        explicit watched(lines& log) : log_(log) {}
        ~watched() override { log_.push_back("driver gone"); }
        rondo::time_point now() noexcept override { return {}; }
        void wait(std::optional<rondo::time_point>) override {}
        void wake() noexcept override {}

    private:
        lines& log_;
    };
    lines log;
    {
        event_loop loop(std::make_unique<watched>(log));
        loop.spawn(support::waits_for_ever(log, "task"));
        loop.poll();
    }
    CHECK(log == lines{"task waits", "task gone", "driver gone"});
}
