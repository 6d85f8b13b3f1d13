// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

#include <support/leak_check.hpp>
#include <support/tasks.hpp>

#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>
#include <rondo/testing/run.hpp>

#include <catch2/catch_test_macros.hpp>

#include <chrono>
#include <memory>
#include <stdexcept>
#include <type_traits>

using namespace std::chrono_literals;
using rondo::task;

TEST_CASE("testing::run is run, without the waiting") {
    const auto before = std::chrono::steady_clock::now();
    rondo::testing::run(support::nap(1h));
    CHECK(std::chrono::steady_clock::now() - before < 1s);
    CHECK(rondo::testing::run(support::give(5)) == 5);
    CHECK(*rondo::testing::run(support::give(std::make_unique<int>(6))) == 6);
    static_assert(std::is_void_v<decltype(rondo::testing::run(support::nothing()))>);
    CHECK_THROWS_AS(rondo::testing::run(support::fail("x")), std::runtime_error);
}

TEST_CASE("testing::run starts its clock anew each time") {
    auto body = []() -> task<rondo::time_point> {
        const rondo::time_point start = rondo::event_loop::current().now();
        co_await rondo::sleep(1h);
        co_return start;
    };
    const rondo::time_point first = rondo::testing::run(body());
    CHECK(rondo::testing::run(body()) == first);
}

TEST_CASE("testing::run reports a deadlock and refuses to run inside a loop, as run does") {
    CHECK_THROWS_AS(rondo::testing::run(support::stuck()), rondo::deadlock_error);
    auto nested = []() -> task<> {
        rondo::testing::run(support::nothing());
        co_return;
    };
    CHECK_THROWS_AS(rondo::testing::run(nested()), std::logic_error);
}

TEST_CASE("testing::run cancels the tasks that are left") {
    support::lines log;
    auto main = [](support::lines& out) -> task<> {
        rondo::spawn(support::waits_for_ever(out, "left"));
        co_await rondo::yield();
    };
    rondo::testing::run(main(log));
    CHECK(log == support::lines{"left waits", "left gone"});
}
