// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

#include <support/clocks.hpp>
#include <support/foreign.hpp>
#include <support/journal.hpp>
#include <support/leak_check.hpp>
#include <support/tasks.hpp>
#include <support/tracked.hpp>

#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <exception>
#include <memory>
#include <optional>
#include <ranges>
#include <stdexcept>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using rondo::bounded_queue;
using rondo::outcome;
using rondo::task;
using rondo::when_all;
using rondo::when_all_settled;
using support::give;
using support::lines;
using support::note_at_exit;
using support::tracked;

using duration = support::clock::duration;

auto now() { return rondo::event_loop::current().now(); }

std::string text_of(const std::exception_ptr& error) {
    try {
        std::rethrow_exception(error);
    } catch (const std::exception& e) {
        return e.what();
    }
}

template <class T>
task<T> give_after(T value, duration time) {
    co_await rondo::sleep(time);
    co_return std::move(value);
}

template <class T = void>
task<T> fail_after(std::string text, duration time) {
    co_await rondo::sleep(time);
    throw std::runtime_error(text);
}

// ---- Shapes ----

template <class... Operands>
using result_of = rondo::await_result_t<decltype(when_all_settled(std::declval<Operands>()...))>;

static_assert(std::is_same_v<result_of<>, std::tuple<>>);
static_assert(std::is_same_v<result_of<task<int>, task<std::string>>, std::tuple<outcome<int>, outcome<std::string>>>);
static_assert(std::is_same_v<result_of<task<>>, std::tuple<outcome<>>>);
static_assert(
    std::is_same_v<result_of<task<>, task<int>, task<>>, std::tuple<outcome<void>, outcome<int>, outcome<void>>>);
static_assert(std::is_same_v<result_of<std::vector<task<int>>>, std::vector<outcome<int>>>);
static_assert(std::is_same_v<result_of<std::vector<task<>>>, std::vector<outcome<void>>>);
static_assert(std::is_same_v<outcome<>, outcome<void>>);

// A temporary of such a type in a co_await expression is destroyed twice by g++ 11 and 12.
static_assert(!std::is_aggregate_v<outcome<std::string>>);
static_assert(!std::is_aggregate_v<outcome<>>);

task<> values_errors_and_void() {
    const auto start = now();
    auto all = co_await when_all_settled(give_after(1, 30ms), fail_after("boom", 10ms), support::nap(20ms),
                                         fail_after<int>("bang", 1ms), give(std::string("text")));
    CHECK(now() - start == 30ms);

    CHECK(std::get<0>(all).has_value());
    CHECK(std::get<0>(all).value() == 1);
    CHECK(!std::get<0>(all).error());
    CHECK(!std::get<0>(all).is_cancelled());

    CHECK(!std::get<1>(all).has_value());
    CHECK(!std::get<1>(all).is_cancelled());
    CHECK(text_of(std::get<1>(all).error()) == "boom");
    CHECK_THROWS_AS(std::get<1>(all).value(), std::runtime_error);
    CHECK_THROWS_AS(std::get<1>(all).value(), std::runtime_error);  // as often as one asks

    CHECK(std::get<2>(all).has_value());
    CHECK_NOTHROW(std::get<2>(all).value());

    CHECK(text_of(std::get<3>(all).error()) == "bang");
    CHECK(std::get<4>(all).value() == "text");
}

task<> of_nothing(lines& log) {
    rondo::spawn(support::note(log, "other"));
    const std::tuple<> none = co_await when_all_settled();
    static_cast<void>(none);
    const std::vector<outcome<int>> empty = co_await when_all_settled(std::vector<task<int>>());
    CHECK(empty.empty());
    log.push_back("parent");
    co_await rondo::yield();
}

task<int&> lend(int& number) {
    co_await rondo::yield();
    co_return number;
}

struct no_default {
    explicit no_default(int n) : number(n) {}
    int number;
};

task<no_default> make_no_default(int number) {
    co_await rondo::yield();
    co_return no_default(number);
}

task<> awkward_types() {
    int number = 1;
    auto all = co_await when_all_settled(lend(number), give_after(std::make_unique<int>(2), 1ms), make_no_default(3),
                                         make_no_default(4));
    int& lent = std::get<0>(all).value();
    CHECK(&lent == &number);
    const std::unique_ptr<int> pointer = std::move(std::get<1>(all)).value();
    CHECK(*pointer == 2);
    CHECK(std::get<2>(all).value().number == 3);
    const auto& constant = std::get<3>(all);
    CHECK(constant.value().number == 4);
}

task<> of_ranges() {
    std::vector<task<int>> tasks;
    tasks.push_back(give_after(1, 3ms));
    tasks.push_back(fail_after<int>("boom", 1ms));
    tasks.push_back(give(3));
    auto all = co_await when_all_settled(std::move(tasks));
    REQUIRE(all.size() == 3);
    CHECK(all[0].value() == 1);
    CHECK(text_of(all[1].error()) == "boom");
    CHECK(all[2].value() == 3);

    std::vector<task<>> naps;
    naps.push_back(support::nap(1ms));
    naps.push_back(support::fail("now"));
    const std::vector<outcome<void>> ended = co_await when_all_settled(std::move(naps));
    CHECK(ended[0].has_value());
    CHECK(text_of(ended[1].error()) == "now");
}

task<int> odd_ones_fail(int number) {
    co_await rondo::sleep(std::chrono::milliseconds(10 - number));
    if (number % 2 == 1) throw std::runtime_error("odd");
    co_return number;
}

task<> of_a_view() {
    auto all = co_await when_all_settled(std::views::iota(0, 10) | std::views::transform(odd_ones_fail));
    REQUIRE(all.size() == 10);
    for (std::size_t i = 0; i < 10; ++i) {
        CHECK(all[i].has_value() == (i % 2 == 0));
        if (all[i].has_value()) CHECK(all[i].value() == static_cast<int>(i));
    }
}

// ---- Nothing that a child does ends the others ----

task<> immediate_failures(lines& log) {
    const auto all = co_await when_all_settled(support::fail("first"), support::note(log, "second runs"),
                                               support::fail("third"), support::note_after(log, "fourth runs", 1s));
    CHECK(text_of(std::get<0>(all).error()) == "first");
    CHECK(std::get<1>(all).has_value());
    CHECK(text_of(std::get<2>(all).error()) == "third");
    CHECK(std::get<3>(all).has_value());
    log.push_back("parent");
}

task<> all_fail() {
    std::vector<task<>> tasks;
    for (int i = 0; i < 100; ++i) tasks.push_back(fail_after(std::to_string(i), std::chrono::milliseconds(100 - i)));
    const auto all = co_await when_all_settled(std::move(tasks));
    for (std::size_t i = 0; i < all.size(); ++i) CHECK(text_of(all[i].error()) == std::to_string(i));
}

task<> joins_cancelled(rondo::join_handle<int>& handle) { co_await handle; }

task<> cancelled_is_an_ordinary_failure() {
    auto gone = rondo::spawn(give_after(1, 1h));
    gone.cancel();
    const auto all = co_await when_all_settled(joins_cancelled(gone), support::nap(1ms));
    const auto& ended = std::get<0>(all);
    CHECK(!ended.has_value());
    CHECK(!ended.is_cancelled());
    CHECK(ended.error());
    CHECK_THROWS_AS(ended.value(), rondo::cancelled);
    CHECK(std::get<1>(all).has_value());
}

task<> a_cancelled_outcome() {
    auto gone = rondo::spawn(give_after(1, 1h));
    co_await rondo::yield();
    gone.cancel();
    const auto all = co_await when_all_settled(gone.settled());
    REQUIRE(std::get<0>(all).has_value());
    const outcome<int>& ended = std::get<0>(all).value();
    CHECK(!ended.has_value());
    CHECK(ended.is_cancelled());
    CHECK(!ended.error());
    CHECK_THROWS_AS(ended.value(), rondo::cancelled);
}

task<> direct_operands() {
    bounded_queue<int> queue(1);
    bounded_queue<std::string> closed(1);
    closed.close();
    std::string message = "as it was";
    auto handle = rondo::spawn(fail_after<int>("boom", 2ms));
    auto all = co_await when_all_settled(queue.pop(), closed.push(std::move(message)), rondo::sleep(1ms), handle,
                                         queue.push(7));
    CHECK(std::get<0>(all).value() == 7);
    CHECK_THROWS_AS(std::get<1>(all).value(), rondo::queue_closed);
    CHECK(message == "as it was");
    CHECK(std::get<2>(all).has_value());
    CHECK(text_of(std::get<3>(all).error()) == "boom");
    CHECK(std::get<4>(all).has_value());
}

// ---- Order, cancellation, depth ----

task<> spawns(lines& log, std::string text) {
    rondo::spawn(support::note(log, text));
    co_return;
}

task<> fails_after_yielding(int times) {
    for (int i = 0; i < times; ++i) co_await rondo::yield();
    throw std::runtime_error("boom");
}

task<> goes_on_in_the_same_step(lines& log) {
    co_await when_all_settled(support::rounds(log, "a", 1), fails_after_yielding(2), support::yields(1));
    log.push_back("first");
    co_await when_all_settled(fails_after_yielding(1), spawns(log, "other"));
    log.push_back("second");
    co_await rondo::yield();
}

task<> keeps_a_local(lines& log, std::string name) {
    note_at_exit gone(log, name + " gone");
    tracked local(1);
    co_await support::for_ever();
}

task<> victim(lines& log) {
    note_at_exit gone(log, "parent gone");
    co_await when_all_settled(give(tracked(1)), keeps_a_local(log, "a"), support::fail("boom"),
                              keeps_a_local(log, "b"));
    log.push_back("parent goes on");
}

task<> cancels(lines& log) {
    auto handle = rondo::spawn(victim(log));
    co_await rondo::sleep(1ms);
    CHECK(tracked::live() >= 3);
    handle.cancel();
    CHECK(handle.done());
    CHECK(tracked::live() == 0);
    const outcome<> ended = co_await handle.settled();
    CHECK(ended.is_cancelled());
}

task<> waits_foreign(support::parking& place, lines& log) {
    note_at_exit gone(log, "foreign gone");
    co_await place;
    log.push_back("foreign goes on");
}

task<> foreign_victim(support::parking& place, lines& log) {
    note_at_exit gone(log, "parent gone");
    co_await when_all_settled(waits_foreign(place, log), support::stuck());
}

task<> cancels_foreign(lines& log) {
    support::parking place;
    auto handle = rondo::spawn(foreign_victim(place, log));
    co_await rondo::sleep(1ms);
    handle.cancel();
    CHECK(!handle.done());
    co_await rondo::sleep(1ms);
    CHECK(log.empty());
    place.resume();
    co_await rondo::sleep(1ms);
    CHECK(handle.done());
}

task<int> tower(int height, bool fails) {
    if (height == 0) {
        co_await rondo::yield();
        if (fails) throw std::runtime_error("bottom");
        co_return 0;
    }
    auto below = co_await when_all_settled(tower(height - 1, fails));
    co_return std::get<0>(below).value() + 1;
}

task<> pops_in_vain(bounded_queue<int>& queue) { co_await when_all_settled(queue.pop(), support::fail("boom")); }

// An exception that was to become an outcome may be reported when its outcome goes unseen, but once.
template <class... Args>
void run_with_handler(task<> (*main)(Args...), Args... args) {
    int reported = 0;
    {
        rondo::event_loop loop(support::virtual_time());
        loop.on_unhandled_exception([&reported](std::exception_ptr) { ++reported; });
        loop.run(main(args...));
        loop.close();
    }
    CHECK(reported <= 1);
}

task<> cancelled_pop(bounded_queue<int>& queue) {
    auto popper = rondo::spawn(pops_in_vain(queue));
    co_await rondo::sleep(1ms);
    CHECK(queue.try_push(1));
    CHECK(queue.empty());
    popper.cancel();
    CHECK(!queue.empty());
}

}  // namespace

TEST_CASE("when_all_settled gives each child's value or error in its place, and waits for the last") {
    rondo::testing::run(values_errors_and_void());
}

TEST_CASE("when_all_settled of nothing completes at once") {
    lines log;
    rondo::testing::run(of_nothing(log));
    CHECK(log == lines{"parent", "other"});
}

TEST_CASE("when_all_settled takes references, move-only results and results without default constructor") {
    rondo::testing::run(awkward_types());
}

TEST_CASE("when_all_settled of a range gives a vector of outcomes in its order") {
    rondo::testing::run(of_ranges());
    rondo::testing::run(of_a_view());
}

TEST_CASE("when_all_settled starts all children, whatever the first ones do") {
    lines log;
    rondo::testing::run(immediate_failures(log));
    CHECK(log == lines{"second runs", "fourth runs", "parent"});
}

TEST_CASE("when_all_settled never throws for a child, also when all fail") { rondo::testing::run(all_fail()); }

TEST_CASE("an exception `cancelled` that leaves a child is an ordinary failure") {
    rondo::testing::run(cancelled_is_an_ordinary_failure());
}

TEST_CASE("the outcome of a cancelled task has no value and no error, and value() throws cancelled") {
    rondo::testing::run(a_cancelled_outcome());
}

TEST_CASE("when_all_settled awaits queues, timers and handles directly") { rondo::testing::run(direct_operands()); }

TEST_CASE("the parent of a when_all_settled goes on in the step in which the last child ends, also by failing") {
    lines log;
    rondo::testing::run(goes_on_in_the_same_step(log));
    CHECK(log == lines{"a1", "first", "second", "other"});
}

TEST_CASE("cancelling the parent of a when_all_settled unwinds the children and what they had returned") {
    lines log;
    run_with_handler<lines&>(cancels, log);
    REQUIRE(log.size() == 3);
    CHECK(log.back() == "parent gone");
}

TEST_CASE("a cancelled when_all_settled waits for a child inside a foreign awaitable") {
    lines log;
    rondo::testing::run(cancels_foreign(log));
    CHECK(log == lines{"foreign gone", "parent gone"});
}

TEST_CASE("when_all_settleds nest a thousand deep") {
    CHECK(rondo::testing::run(tower(1000, false)) == 1000);
    CHECK_THROWS_AS(rondo::testing::run(tower(1000, true)), std::runtime_error);
}

TEST_CASE("a cancelled when_all_settled gives a popped message back") {
    bounded_queue<int> queue(1);
    run_with_handler<bounded_queue<int>&>(cancelled_pop, queue);
    const std::optional<int> left = queue.try_pop();
    CHECK(left == 1);
}
