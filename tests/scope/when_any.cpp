// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

// when_any over tasks: what it gives, who wins, and what becomes of the others.

#include <support/clocks.hpp>
#include <support/foreign.hpp>
#include <support/journal.hpp>
#include <support/leak_check.hpp>
#include <support/tasks.hpp>
#include <support/tracked.hpp>

#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_exception.hpp>

#include <algorithm>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <ranges>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace {

using namespace std::chrono_literals;
using rondo::event_loop;
using rondo::task;
using rondo::when_any;
using support::give;
using support::lines;
using support::nap;
using support::note_at_exit;
using support::tracked;

using duration = support::clock::duration;

auto now() { return event_loop::current().now(); }

template <class T>
task<T> give_after(T value, duration time) {
    co_await rondo::sleep(time);
    co_return std::move(value);
}

task<int&> refer_after(int& value, duration time) {
    co_await rondo::sleep(time);
    co_return value;
}

task<> fail_after(std::string text, duration time) {
    co_await rondo::sleep(time);
    throw std::runtime_error(text);
}

// Says that it has started, and when its frame goes.
task<int> noted(lines& log, std::string name, duration time) {
    note_at_exit gone(log, name + " gone");
    log.push_back(name + " starts");
    co_await rondo::sleep(time);
    log.push_back(name + " ends");
    co_return 1;
}

// ---- What it gives ----

class no_default {
public:
    explicit no_default(int n) : number(n) {}
    int number;
};

template <class... Ts>
using any_of = rondo::await_result_t<decltype(when_any(std::declval<Ts>()...))>;

static_assert(std::is_same_v<any_of<task<int>>, std::variant<int>>);
static_assert(std::is_same_v<any_of<task<int>, task<>, task<int>>, std::variant<int, std::monostate, int>>);
static_assert(std::is_same_v<any_of<task<int&>, task<const int&>>,
                             std::variant<std::reference_wrapper<int>, std::reference_wrapper<const int>>>);
static_assert(std::is_same_v<any_of<std::vector<task<int>>>, rondo::any_result<int>>);
static_assert(std::is_same_v<decltype(rondo::any_result<int>::value), int>);
static_assert(std::is_same_v<decltype(rondo::any_result<int>::index), std::size_t>);
static_assert(std::is_same_v<decltype(rondo::any_result<void>::value), std::monostate>);
static_assert(std::is_same_v<decltype(rondo::any_result<int&>::value), std::reference_wrapper<int>>);

task<> gives_the_first() {
    const auto start = now();
    const auto first = co_await when_any(give_after(1, 30ms), give_after(std::string("two"), 10ms), nap(20ms));
    REQUIRE(first.index() == 1);
    CHECK(std::get<1>(first) == "two");
    CHECK(now() - start == 10ms);
    const auto nothing = co_await when_any(give_after(1, 30ms), nap(20ms));
    REQUIRE(nothing.index() == 1);
    CHECK(std::get<1>(nothing) == std::monostate());
    const auto alone = co_await when_any(give_after(7, 5ms));
    CHECK(std::get<0>(alone) == 7);
}

task<> gives_any_type() {
    int place = 1;
    const auto same = co_await when_any(give_after(1, 2ms), give_after(2, 1ms), give_after(3, 3ms));
    REQUIRE(same.index() == 1);
    CHECK(std::get<1>(same) == 2);
    const auto reference = co_await when_any(nap(2ms), refer_after(place, 1ms));
    REQUIRE(reference.index() == 1);
    CHECK(&std::get<1>(reference).get() == &place);
    auto owned = co_await when_any(give_after(std::make_unique<int>(5), 1ms), give_after(no_default(3), 2ms));
    REQUIRE(owned.index() == 0);
    CHECK(*std::get<0>(owned) == 5);
    const auto plain = co_await when_any(give_after(std::make_unique<int>(5), 2ms), give_after(no_default(3), 1ms));
    REQUIRE(plain.index() == 1);
    CHECK(std::get<1>(plain).number == 3);
}

task<int> doubled(int n) {
    co_await rondo::sleep(10ms - n * 1ms);
    co_return 2 * n;
}

task<> gives_the_first_of_a_range() {
    std::vector<task<int>> numbers;
    for (int i = 0; i < 5; ++i) numbers.push_back(give_after(10 * i, i == 3 ? 1ms : 2ms));
    const auto first = co_await when_any(std::move(numbers));
    CHECK(first.index == 3);
    CHECK(first.value == 30);

    const auto lazy = co_await when_any(std::views::iota(0, 5) | std::views::transform(doubled));
    CHECK(lazy.index == 4);
    CHECK(lazy.value == 8);

    std::vector<task<>> naps;
    naps.push_back(nap(2ms));
    naps.push_back(nap(1ms));
    const auto nothing = co_await when_any(std::move(naps));
    CHECK(nothing.index == 1);

    int place = 0;
    std::vector<task<int&>> references;
    references.push_back(refer_after(place, 1ms));
    const auto reference = co_await when_any(std::move(references));
    CHECK(&reference.value.get() == &place);

    std::vector<task<std::unique_ptr<int>>> owners;
    owners.push_back(give_after(std::make_unique<int>(1), 2ms));
    owners.push_back(give_after(std::make_unique<int>(2), 1ms));
    auto owner = co_await when_any(std::move(owners));
    CHECK(*owner.value == 2);
}

task<> refuses_nothing(bool& thrown) {
    try {
        co_await when_any(std::vector<task<int>>());
    } catch (const std::invalid_argument&) {
        thrown = true;
    }
}

task<> refuses_empty_tasks(lines& log) {
    task<int> empty = give(1);
    co_await std::move(empty);
    const std::size_t before = rondo::testing::live_frames();
    try {
        co_await when_any(noted(log, "child", 1ms), std::move(empty));
    } catch (const std::logic_error&) {
        log.push_back("logic_error");
    }
    try {
        std::vector<task<int>> tasks;
        tasks.push_back(noted(log, "child", 1ms));
        tasks.emplace_back(std::move(empty));
        co_await when_any(std::move(tasks));
    } catch (const std::logic_error&) {
        log.push_back("logic_error");
    }
    CHECK(rondo::testing::live_frames() == before);
}

// ---- Who wins ----

task<> starts_in_order(lines& log) {
    log.push_back("before");
    const auto first = co_await when_any(noted(log, "a", 2ms), noted(log, "b", 1ms), noted(log, "c", 2ms));
    log.push_back("goes on with " + std::to_string(first.index()));
}

task<> starts_no_more_after_a_winner(lines& log) {
    rondo::spawn(support::note(log, "another task"));
    {
        const tracked argument(1);
        const auto first = co_await when_any(give(tracked(3)), noted(log, "late", 1ms));
        CHECK(first.index() == 0);
    }
    log.push_back("goes on");
    co_await nap(1ms);
    const auto second = co_await when_any(noted(log, "a", 1ms), support::note(log, "b"), noted(log, "c", 1ms));
    CHECK(second.index() == 1);
    log.push_back("goes on again");
}

task<> starts_no_more_of_a_range(lines& log) {
    std::vector<task<int>> tasks;
    tasks.push_back(noted(log, "a", 1ms));
    tasks.push_back(give(2));
    tasks.push_back(noted(log, "c", 1ms));
    const auto first = co_await when_any(std::move(tasks));
    CHECK(first.index == 1);
    CHECK(first.value == 2);
    log.push_back("goes on");
}

task<> an_immediate_failure_wins(lines& log) {
    try {
        co_await when_any(support::fail("boom"), noted(log, "late", 1ms));
    } catch (const std::runtime_error& error) {
        log.push_back(error.what());
    }
    try {
        co_await when_any(noted(log, "a", 1ms), support::fail("bang"), noted(log, "late", 1ms));
    } catch (const std::runtime_error& error) {
        log.push_back(error.what());
    }
}

task<> a_failure_wins(lines& log) {
    try {
        co_await when_any(noted(log, "a", 20ms), fail_after("boom", 10ms), noted(log, "c", 20ms));
    } catch (const std::runtime_error& error) {
        log.push_back(error.what());
    }
}

task<> a_failure_too_late_does_not_happen() {
    const auto first = co_await when_any(fail_after("boom", 20ms), give_after(1, 10ms));
    CHECK(first.index() == 1);
    co_await rondo::sleep(20ms);
}

task<> yield_then_sleep(support::time_point deadline) {
    co_await rondo::yield();
    co_await rondo::sleep_until(deadline);
}

task<> sleep_until(support::time_point deadline) { co_await rondo::sleep_until(deadline); }

task<> ties() {
    for (int round = 0; round < 3; ++round) {
        const auto first = co_await when_any(nap(5ms), nap(5ms), nap(5ms));
        CHECK(first.index() == 0);
    }
    const auto deadline = now() + 10ms;
    const auto earlier_set = co_await when_any(yield_then_sleep(deadline), sleep_until(deadline));
    CHECK(earlier_set.index() == 1);
    const auto yields = co_await when_any(support::yields(3), support::yields(2), support::yields(2));
    CHECK(yields.index() == 1);
}

// ---- The losers ----

task<> loses_slowly(support::parking& place, lines& log) {
    note_at_exit gone(log, "loser gone");
    co_await place;
    log.push_back("loser goes on");
}

task<> waits_for_losers(support::parking& place, lines& log) {
    const auto first = co_await when_any(loses_slowly(place, log), nap(10ms));
    CHECK(first.index() == 1);
    log.push_back("caller goes on");
}

task<> a_foreign_loser() {
    support::parking place;
    lines log;
    auto handle = rondo::spawn(waits_for_losers(place, log));
    co_await rondo::sleep(20ms);
    CHECK(log.empty());
    place.resume();
    CHECK(log.empty());
    co_await handle;
    CHECK(log == lines{"loser gone", "caller goes on"});
}

task<> refers_to(int& local, duration time) {
    support::call_at_exit last([&] { ++local; });
    co_await rondo::sleep(time);
}

task<int> uses_its_locals() {
    int local = 0;
    co_await when_any(refers_to(local, 3ms), refers_to(local, 1ms), refers_to(local, 2ms));
    co_return local;
}

// The queue decides the race while the task that pushes still runs.
task<int> pushes_then(rondo::bounded_queue<int>& queue, int what, lines& log) {
    note_at_exit gone(log, "pusher gone");
    co_await rondo::yield();
    queue.try_push(9);
    if (what == 0) co_return 1;
    if (what == 1) throw std::runtime_error("too late");
    co_await rondo::yield();
    log.push_back("not cancelled");
    co_return 2;
}

task<> decides_while_a_child_runs(int what, lines& log) {
    rondo::bounded_queue<int> queue(1);
    const auto first = co_await when_any(pushes_then(queue, what, log), queue.pop());
    REQUIRE(first.index() == 1);
    CHECK(std::get<1>(first) == 9);
    log.push_back("popped");
}

task<> fails_uncancellably(duration time) { co_await rondo::uncancellable(fail_after("second", time)); }

task<> loses_with_an_exception(lines& log) {
    const auto first = co_await when_any(fails_uncancellably(20ms), nap(10ms));
    CHECK(first.index() == 1);
    log.push_back("goes on");
}

task<> two_failures(lines& log) {
    try {
        co_await when_any(fails_uncancellably(20ms), fail_after("first", 10ms));
    } catch (const std::runtime_error& error) {
        log.push_back(error.what());
    }
}

}  // namespace

TEST_CASE("when_any gives the result of the first to end, and its index") { rondo::testing::run(gives_the_first()); }

TEST_CASE("when_any gives any type: twice the same, references, what moves only or has no default") {
    rondo::testing::run(gives_any_type());
}

TEST_CASE("when_any of a range gives the winner's index and value") {
    rondo::testing::run(gives_the_first_of_a_range());
}

TEST_CASE("when_any of an empty range throws std::invalid_argument") {
    bool thrown = false;
    rondo::testing::run(refuses_nothing(thrown));
    CHECK(thrown);
}

TEST_CASE("when_any of an empty task throws std::logic_error") {
    lines log;
    rondo::testing::run(refuses_empty_tasks(log));
    CHECK(std::count(log.begin(), log.end(), "logic_error") == 2);
}

TEST_CASE("a when_any that nobody awaits destroys its tasks unstarted") {
    lines log;
    {
        [[maybe_unused]] auto race = when_any(noted(log, "a", 1ms), give(tracked(1)));
    }
    CHECK(log.empty());
    CHECK(rondo::testing::live_frames() == 0);
}

TEST_CASE("children of when_any start in order, and the losers are gone before the caller goes on") {
    lines log;
    rondo::testing::run(starts_in_order(log));
    CHECK(log == lines{"before", "a starts", "b starts", "c starts", "b ends", "b gone", "a gone", "c gone",
                       "goes on with 1"});
}

TEST_CASE("after a child that ends at once later ones are not started, and without losers no step is lost") {
    lines log;
    rondo::testing::run(starts_no_more_after_a_winner(log));
    CHECK(log == lines{"goes on", "another task", "a starts", "b", "a gone", "goes on again"});
}

TEST_CASE("after a child of a range that ends at once later ones are not started") {
    lines log;
    rondo::testing::run(starts_no_more_of_a_range(log));
    CHECK(log == lines{"a starts", "a gone", "goes on"});
}

TEST_CASE("a child that fails at once wins, and later ones are not started") {
    lines log;
    rondo::testing::run(an_immediate_failure_wins(log));
    CHECK(log == lines{"boom", "a starts", "a gone", "bang"});
}

TEST_CASE("an exception wins, and is rethrown when the losers are gone") {
    lines log;
    rondo::testing::run(a_failure_wins(log));
    CHECK(log == lines{"a starts", "c starts", "a gone", "c gone", "boom"});
}

TEST_CASE("a loser that would have failed later does not fail") {
    rondo::testing::run(a_failure_too_late_does_not_happen());
}

TEST_CASE("what ends at the same instant ends in the order in which the timers were set") {
    rondo::testing::run(ties());
}

TEST_CASE("when_any waits for a loser inside a foreign awaitable") { rondo::testing::run(a_foreign_loser()); }

TEST_CASE("losers may refer to the caller's locals") {
    const int ended = rondo::testing::run(uses_its_locals());
    CHECK(ended == 3);
}

TEST_CASE("a child that lets another win, and ends in the same step, has lost") {
    lines log;
    rondo::testing::run(decides_while_a_child_runs(0, log));
    CHECK(log == lines{"pusher gone", "popped"});
}

TEST_CASE("a child that lets another win, and fails in the same step, has failed second") {
    lines log;
    lines errors;
    event_loop loop(support::virtual_time());
    loop.on_unhandled_exception([&](std::exception_ptr error) {
        try {
            std::rethrow_exception(error);
        } catch (const std::exception& e) {
            errors.push_back(e.what());
        }
    });
    loop.run(decides_while_a_child_runs(1, log));
    loop.poll();
    CHECK(log == lines{"pusher gone", "popped"});
    CHECK(errors == lines{"too late"});
}

TEST_CASE("a child that lets another win is cancelled at its next suspension") {
    lines log;
    rondo::testing::run(decides_while_a_child_runs(2, log));
    CHECK(log == lines{"pusher gone", "popped"});
}

TEST_CASE("a loser's exception goes to the handler, once") {
    for (const bool failed_before : {false, true}) {
        lines log;
        event_loop loop(support::virtual_time());
        loop.on_unhandled_exception([&](std::exception_ptr) { log.push_back("unhandled"); });
        loop.run(failed_before ? two_failures(log) : loses_with_an_exception(log));
        loop.poll();
        std::sort(log.begin(), log.end());
        CHECK(log == (failed_before ? lines{"first", "unhandled"} : lines{"goes on", "unhandled"}));
    }
}

TEST_CASE("a loser's exception leaves run when there is no handler") {
    lines log;
    CHECK_THROWS_WITH(rondo::testing::run(loses_with_an_exception(log)), "second");
}
