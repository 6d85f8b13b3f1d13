// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

#include <support/clocks.hpp>
#include <support/leak_check.hpp>
#include <support/tasks.hpp>

#include <rondo/loop/work_guard.hpp>
#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <catch2/catch_test_macros.hpp>

#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

using rondo::event_loop;
using rondo::work_guard;

static_assert(!std::is_copy_constructible_v<work_guard> && !std::is_copy_assignable_v<work_guard>);
static_assert(std::is_nothrow_move_constructible_v<work_guard> && std::is_nothrow_move_assignable_v<work_guard>);

TEST_CASE("while a guard lives, a stuck main is not called a deadlock") {
    support::manual_clock clock;
    event_loop loop(clock.driver());
    std::optional<work_guard> guard(loop.keep_alive());
    clock.on_wait = [&] {
        if (clock.waits == 3) guard.reset();
    };
    CHECK_THROWS_AS(loop.run(support::stuck()), rondo::deadlock_error);
    CHECK(clock.waits == 3);
}

TEST_CASE("the loop waits for the last of several guards, and a moved guard counts once") {
    support::manual_clock clock;
    event_loop loop(clock.driver());
    work_guard first = loop.keep_alive();
    std::optional<work_guard> second(loop.keep_alive());
    work_guard third = std::move(first);
    clock.on_wait = [&] {
        if (clock.waits == 2) second.reset();
        if (clock.waits == 4) third.reset();
    };
    loop.run();
    CHECK(clock.waits == 4);
}

TEST_CASE("assigning to a guard ends what it held") {
    support::manual_clock clock;
    event_loop first(clock.driver());
    event_loop second(support::virtual_time());
    work_guard guard = first.keep_alive();
    guard = second.keep_alive();
    first.run();
    CHECK(clock.waits == 0);
    work_guard& same = guard;
    guard = std::move(same);
    guard.reset();
    guard.reset();
    second.run();
}

TEST_CASE("dropping the last guard outside run wakes the driver") {
    support::manual_clock clock;
    event_loop loop(clock.driver());
    std::optional<work_guard> guard(loop.keep_alive());
    const int before = clock.wakes;
    guard.reset();
    CHECK(clock.wakes > before);
}

TEST_CASE("a guard does not keep run(main) going when main has ended") {
    event_loop loop(support::virtual_time());
    const work_guard guard = loop.keep_alive();
    loop.run(support::nothing());
}

TEST_CASE("a guard may outlive its loop, and does not hold up its end") {
    std::optional<work_guard> guard;
    {
        event_loop loop(support::virtual_time());
        guard.emplace(loop.keep_alive());
        loop.spawn(support::stuck());
        loop.poll();
        CHECK(loop.close());
    }
    guard.reset();
}
