// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

#include <support/clocks.hpp>
#include <support/leak_check.hpp>
#include <support/tasks.hpp>
#include <support/tracked.hpp>

#include <rondo/core/outcome.hpp>
#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <catch2/catch_test_macros.hpp>

#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

using rondo::event_loop;
using rondo::outcome;
using rondo::task;
using support::tracked;

namespace {

template <class T>
outcome<T> end_of(task<T> main) {
    event_loop loop(support::virtual_time());
    return loop.try_run(std::move(main));
}

template <class T>
outcome<T> end_when_cancelled(task<T> main) {
    event_loop loop(support::virtual_time());
    loop.stop();
    return loop.try_run(std::move(main));
}

task<int> fails_with_int_type() {
    throw std::runtime_error("failed");
    co_return 0;
}

task<std::string&> gives_reference(std::string& text) { co_return text; }

}  // namespace

static_assert(std::is_move_constructible_v<outcome<int>> && std::is_move_assignable_v<outcome<int>>);
static_assert(std::is_move_constructible_v<outcome<std::unique_ptr<int>>>);
static_assert(std::is_move_constructible_v<outcome<void>> && std::is_move_constructible_v<outcome<int&>>);
static_assert(std::is_same_v<decltype(std::declval<outcome<int>&>().value()), int&>);
static_assert(std::is_same_v<decltype(std::declval<const outcome<int>&>().value()), const int&>);
static_assert(std::is_same_v<decltype(std::declval<outcome<std::string&>>().value()), std::string&>);

TEST_CASE("the outcome of a task that returned is its value") {
    outcome<int> end = end_of(support::give(5));
    CHECK(end.has_value());
    CHECK(static_cast<bool>(end));
    CHECK(end.value() == 5);
    CHECK(end.error() == nullptr);
    CHECK(!end.is_cancelled());
    end.value() = 6;
    CHECK(std::as_const(end).value() == 6);
    CHECK(std::move(end).value() == 6);
}

TEST_CASE("the outcome of a task that threw is its exception, which value() throws") {
    const outcome<int> end = end_of(fails_with_int_type());
    CHECK(!end.has_value());
    CHECK(!end.is_cancelled());
    REQUIRE(end.error() != nullptr);
    CHECK_THROWS_AS(end.value(), std::runtime_error);
    CHECK_THROWS_AS(end.value(), std::runtime_error);  // as often as one asks
    CHECK_THROWS_AS(std::rethrow_exception(end.error()), std::runtime_error);
}

TEST_CASE("the outcome of a cancelled task has neither value nor exception, and value() throws cancelled") {
    const outcome<int> end = end_when_cancelled(support::give(5));
    CHECK(!end.has_value());
    CHECK(end.is_cancelled());
    CHECK(end.error() == nullptr);
    CHECK_THROWS_AS(end.value(), rondo::cancelled);
}

TEST_CASE("the outcome of a task<> has nothing to give but tells how it ended") {
    const outcome<void> good = end_of(support::nothing());
    CHECK(good.has_value());
    good.value();
    const outcome<void> bad = end_of(support::fail("bad"));
    CHECK_THROWS_AS(bad.value(), std::runtime_error);
    const outcome<void> none = end_when_cancelled(support::nothing());
    CHECK_THROWS_AS(none.value(), rondo::cancelled);
    static_assert(std::is_same_v<outcome<>, outcome<void>>);
}

TEST_CASE("the outcome of a task that gives a reference is that reference") {
    std::string text = "text";
    outcome<std::string&> end = end_of(gives_reference(text));
    CHECK(&end.value() == &text);
    CHECK(&std::move(end).value() == &text);
}

TEST_CASE("a move-only value can be moved out of an outcome") {
    outcome<std::unique_ptr<int>> end = end_of(support::give(std::make_unique<int>(5)));
    const std::unique_ptr<int> value = std::move(end).value();
    CHECK(*value == 5);
}

TEST_CASE("outcomes can be moved, assigned and kept in containers, and destroy what they hold once") {
    {
        std::vector<outcome<tracked>> all;
        for (int i = 0; i < 10; ++i) all.push_back(end_of(support::give(tracked(i))));
        CHECK(tracked::live() == 10);
        outcome<tracked> last = std::move(all.back());
        all.pop_back();
        CHECK(last.value().number() == 9);
        last = std::move(all.front());
        CHECK(last.value().number() == 0);
        all.push_back(end_when_cancelled(support::give(tracked(11))));
        last = std::move(all.back());
        CHECK(last.is_cancelled());
    }
    CHECK(tracked::live() == 0);
}
