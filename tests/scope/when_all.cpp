// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

#include <support/clocks.hpp>
#include <support/foreign.hpp>
#include <support/journal.hpp>
#include <support/leak_check.hpp>
#include <support/native_operation.hpp>
#include <support/tasks.hpp>
#include <support/tracked.hpp>

#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <cstddef>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

namespace {

using namespace std::chrono_literals;
using rondo::task;
using rondo::when_all;
using support::give;
using support::lines;
using support::note_at_exit;
using support::tracked;

using duration = support::clock::duration;

auto now() { return rondo::event_loop::current().now(); }

template <class T>
task<T> give_after(T value, duration time) {
    co_await rondo::sleep(time);
    co_return std::move(value);
}

task<> fail_after(std::string text, duration time) {
    co_await rondo::sleep(time);
    throw std::runtime_error(text);
}

task<> spawns(lines& log, std::string text) {
    rondo::spawn(support::note(log, text));
    co_return;
}

bool has(const lines& log, const std::string& line) { return std::find(log.begin(), log.end(), line) != log.end(); }

std::string line_here(unsigned line) { return "when_all.cpp:" + std::to_string(line); }

}  // namespace

// ---- Shapes ----

namespace {

struct no_default {
    explicit no_default(int n) : number(n) {}
    int number;
};

template <class... Operands>
using result_of = rondo::await_result_t<decltype(when_all(std::declval<Operands>()...))>;

static_assert(std::is_same_v<result_of<>, std::tuple<>>);
static_assert(std::is_same_v<result_of<task<int>>, std::tuple<int>>);
static_assert(std::is_same_v<result_of<task<int>, task<int>>, std::tuple<int, int>>);
static_assert(std::is_same_v<result_of<task<>>, void>);
static_assert(std::is_same_v<result_of<task<>, task<>, task<>>, void>);
static_assert(
    std::is_same_v<result_of<task<int>, task<>, task<std::string>>, std::tuple<int, std::monostate, std::string>>);
static_assert(std::is_same_v<result_of<task<int&>, task<const int&>>,
                             std::tuple<std::reference_wrapper<int>, std::reference_wrapper<const int>>>);
static_assert(std::is_same_v<result_of<task<std::unique_ptr<int>>, task<no_default>>,
                             std::tuple<std::unique_ptr<int>, no_default>>);

static_assert(rondo::awaitable<decltype(when_all(std::declval<task<int>>(), std::declval<task<>>()))>);

static_assert(!rondo::awaitable<task<int>&>);

task<> three_that_end_in_reverse() {
    const auto start = now();
    const std::tuple<int, std::string, int> all =
        co_await when_all(give_after(1, 30ms), give_after(std::string("two"), 20ms), give_after(3, 10ms));
    CHECK(std::get<0>(all) == 1);
    CHECK(std::get<1>(all) == "two");
    CHECK(std::get<2>(all) == 3);
    CHECK(now() - start == 30ms);
}

task<> void_among_values() {
    const auto all = co_await when_all(support::nothing(), give(7), support::nap(5ms), give(std::string("text")));
    CHECK(std::get<0>(all) == std::monostate());
    CHECK(std::get<1>(all) == 7);
    CHECK(std::get<2>(all) == std::monostate());
    CHECK(std::get<3>(all) == "text");
}

task<> nothing_but_void() {
    const auto start = now();
    co_await when_all(support::nap(5ms), support::nothing(), support::nap(7ms));
    CHECK(now() - start == 7ms);
}

task<> of_nothing(lines& log) {
    rondo::spawn(support::note(log, "other"));
    const std::tuple<> none = co_await when_all();
    static_cast<void>(none);
    log.push_back("parent");
    co_await rondo::yield();
}

task<int&> lend(int& number) {
    co_await rondo::yield();
    co_return number;
}

task<> references(int& one, int& two) {
    const auto all = co_await when_all(lend(one), lend(two), lend(one));
    std::get<0>(all).get() += 10;
    std::get<1>(all).get() += 20;
    CHECK(&std::get<2>(all).get() == &one);
}

task<no_default> make_no_default(int number) {
    co_await rondo::yield();
    co_return no_default(number);
}

task<> awkward_types() {
    auto all = co_await when_all(give(std::make_unique<int>(1)), make_no_default(2),
                                 give_after(std::make_unique<int>(3), 1ms), make_no_default(4));
    CHECK(*std::get<0>(all) == 1);
    CHECK(std::get<1>(all).number == 2);
    CHECK(*std::get<2>(all) == 3);
    CHECK(std::get<3>(all).number == 4);
    const std::unique_ptr<int> taken = std::move(std::get<0>(all));
    CHECK(*taken == 1);
}

task<> tracked_results() {
    {
        const auto all = co_await when_all(give_after(tracked(1), 2ms), give(tracked(2)), give_after(tracked(3), 1ms));
        CHECK(tracked::live() == 3);
        CHECK(std::get<0>(all).number() == 1);
        CHECK(std::get<1>(all).number() == 2);
        CHECK(std::get<2>(all).number() == 3);
    }
    CHECK(tracked::live() == 0);
}

task<> kept_for_later(lines& log) {
    auto all = when_all(support::note(log, "one"), support::note(log, "two"));
    log.push_back("made");
    co_await std::move(all);
    log.push_back("awaited");
}

task<> never_awaited(lines& log) {
    {
        [[maybe_unused]] auto all = when_all(support::note(log, "one"), give(tracked(2)));
        CHECK(tracked::live() == 1);
    }
    CHECK(tracked::live() == 0);
    co_await rondo::yield();
    log.push_back("end");
}

}  // namespace

TEST_CASE("when_all gives the results in the order of its arguments, whichever ends first") {
    rondo::testing::run(three_that_end_in_reverse());
}

TEST_CASE("when_all gives std::monostate in place of void") { rondo::testing::run(void_among_values()); }

TEST_CASE("when_all of nothing but void gives void") { rondo::testing::run(nothing_but_void()); }

TEST_CASE("when_all of nothing completes at once with an empty tuple") {
    lines log;
    rondo::testing::run(of_nothing(log));
    CHECK(log == lines{"parent", "other"});
}

TEST_CASE("when_all gives a reference as a std::reference_wrapper") {
    int one = 1;
    int two = 2;
    rondo::testing::run(references(one, two));
    CHECK(one == 11);
    CHECK(two == 22);
}

TEST_CASE("when_all takes results that are move-only, without default constructor, and of the same type twice") {
    rondo::testing::run(awkward_types());
}

TEST_CASE("when_all keeps no copy of a result") { rondo::testing::run(tracked_results()); }

TEST_CASE("when_all starts nothing before it is awaited") {
    lines log;
    rondo::testing::run(kept_for_later(log));
    CHECK(log == lines{"made", "one", "two", "awaited"});
}

TEST_CASE("a when_all that is never awaited destroys its children unstarted") {
    lines log;
    rondo::testing::run(never_awaited(log));
    CHECK(log == lines{"end"});
}

namespace {

task<> of_consumed_tasks(lines& log) {
    task<int> first = give(1);
    task<int> second = std::move(first);
    task<int> empty = std::move(first);
    bool caught = false;
    try {
        co_await when_all(support::note(log, "before"), std::move(empty), support::note(log, "behind"));
    } catch (const std::logic_error&) {
        caught = true;
    }
    CHECK(caught);
    const auto all = co_await when_all(std::move(second), support::note(log, "end"));
    CHECK(std::get<0>(all) == 1);
}

}  // namespace

TEST_CASE("when_all of an empty or consumed task throws std::logic_error") {
    lines log;
    rondo::testing::run(of_consumed_tasks(log));
    CHECK(!has(log, "behind"));
    CHECK(log.back() == "end");
}

// ---- Order ----

namespace {

task<> three_in_rounds(lines& log) {
    co_await when_all(support::rounds(log, "a", 2), support::rounds(log, "b", 1), support::rounds(log, "c", 2));
    log.push_back("parent");
}

task<> all_at_once(lines& log) {
    rondo::spawn(support::note(log, "other"));
    co_await when_all(support::note(log, "a"), support::note(log, "b"), support::note(log, "c"));
    log.push_back("parent");
    co_await rondo::yield();
}

task<> last_child_runs_before_other(lines& log) {
    co_await when_all(support::yields(1), spawns(log, "other"));
    log.push_back("parent");
    co_await rondo::yield();
}

task<> tower_before_other(lines& log) {
    co_await when_all(when_all(when_all(support::yields(1)), support::nothing()), spawns(log, "other"));
    log.push_back("parent");
    co_await rondo::yield();
}

task<> counted_parent(bool& ended) {
    co_await when_all(support::yields(1), support::yields(2));
    ended = true;
}

}  // namespace

TEST_CASE("children start in argument order, each running to its first suspension") {
    lines log;
    rondo::testing::run(three_in_rounds(log));
    CHECK(log == lines{"a1", "b1", "c1", "a2", "c2", "parent"});
}

TEST_CASE("nothing else runs when all children end without suspending") {
    lines log;
    rondo::testing::run(all_at_once(log));
    CHECK(log == lines{"a", "b", "c", "parent", "other"});
}

TEST_CASE("the parent goes on in the step in which its last child ends") {
    lines log;
    rondo::testing::run(last_child_runs_before_other(log));
    CHECK(log == lines{"parent", "other"});
}

TEST_CASE("a tower of when_alls goes on in the step in which the last child ends") {
    lines log;
    rondo::testing::run(tower_before_other(log));
    CHECK(log == lines{"parent", "other"});
}

TEST_CASE("when_all takes no step of its own") {
    rondo::event_loop loop(support::virtual_time());
    bool ended = false;
    loop.spawn(counted_parent(ended));
    CHECK(loop.poll() == 1);  // the start
    CHECK(loop.poll() == 2);  // both children
    CHECK(!ended);
    CHECK(loop.poll() == 1);  // the second child, and the parent with it
    CHECK(ended);
    CHECK(loop.poll() == 0);
}

// ---- Failure ----

namespace {

struct custom_error {
    explicit custom_error(int n) : number(n) {}
    int number;
};

task<int> fail_with_number(int number, duration time) {
    co_await rondo::sleep(time);
    throw custom_error(number);
}

task<> first_of_three_fails(lines& log) {
    const auto start = now();
    try {
        co_await when_all(support::waits_for_ever(log, "a"), fail_after("boom", 10ms),
                          support::waits_for_ever(log, "c"), support::note_after(log, "too late", 11ms),
                          fail_after("later", 12ms));
    } catch (const std::runtime_error& error) {
        log.push_back(error.what());
    }
    CHECK(now() - start == 10ms);
    co_await rondo::sleep(1h);
    log.push_back("end");
}

task<> fails_with_a_type_of_its_own() {
    int caught = 0;
    try {
        co_await when_all(give(1), fail_with_number(42, 1ms), support::nap(1h));
    } catch (const custom_error& error) {
        caught = error.number;
    }
    CHECK(caught == 42);
}

task<> last_to_end_fails() {
    bool caught = false;
    try {
        co_await when_all(give(tracked(1)), give_after(tracked(2), 5ms), fail_with_number(3, 10ms));
    } catch (const custom_error&) {
        caught = true;
        CHECK(tracked::live() == 0);
    }
    CHECK(caught);
}

task<> holds(tracked argument, lines& log) {
    log.push_back("started");
    co_await support::for_ever();
    static_cast<void>(argument);
}

task<> immediate_failure(lines& log) {
    try {
        co_await when_all(support::waits_for_ever(log, "first"), support::fail("now"), holds(tracked(3), log),
                          support::note(log, "fourth"));
    } catch (const std::runtime_error& error) {
        CHECK(tracked::live() == 0);
        log.push_back(error.what());
    }
    co_await rondo::sleep(1s);
}

task<> waits_foreign(support::parking& place, lines& log) {
    note_at_exit gone(log, "foreign gone");
    co_await place;
    log.push_back("foreign goes on");
}

task<> does_not_outrun_a_foreign_wait(support::parking& place, lines& log) {
    try {
        co_await when_all(waits_foreign(place, log), fail_after("boom", 10ms));
    } catch (const std::runtime_error& error) {
        log.push_back(error.what());
    }
    log.push_back("at " + std::to_string((now() - support::time_point()) / 1ms));
}

task<> waits_native(support::native_operation& operation, lines& log) {
    note_at_exit gone(log, "native gone");
    co_await operation;
    log.push_back("native goes on");
}

task<> does_not_outrun_a_native_wait(support::native_operation& operation, lines& log) {
    try {
        co_await when_all(fail_after("boom", 10ms), waits_native(operation, log));
    } catch (const std::runtime_error& error) {
        log.push_back(error.what());
    }
}

task<> resumes_after(support::parking& place, lines& log, duration time) {
    co_await rondo::sleep(time);
    log.push_back("resumed");
    place.resume();
}

task<> completes_after(support::native_operation& operation, lines& log, duration time) {
    co_await rondo::sleep(time);
    log.push_back("completed");
    operation.complete();
}

task<> foreign_main(support::parking& place, lines& log) {
    auto opener = rondo::spawn(resumes_after(place, log, 50ms));
    const auto start = now();
    co_await does_not_outrun_a_foreign_wait(place, log);
    CHECK(now() - start == 50ms);
    co_await opener;
}

task<> native_main(support::native_operation& operation, lines& log) {
    auto opener = rondo::spawn(completes_after(operation, log, 50ms));
    const auto start = now();
    co_await does_not_outrun_a_native_wait(operation, log);
    CHECK(now() - start == 50ms);
    co_await opener;
}

task<> two_fail_at_the_same_instant(lines& log) {
    try {
        co_await when_all(fail_after("first", 10ms), fail_after("second", 10ms));
    } catch (const std::runtime_error& error) {
        log.push_back(error.what());
    }
    co_await rondo::sleep(1s);
}

task<> notes_when_unwound(lines& log, std::string name) {
    note_at_exit gone(log, name + " gone");
    tracked local(1);
    co_await support::for_ever();
}

task<> child_of_child_fails(lines& log) {
    try {
        co_await when_all(when_all(notes_when_unwound(log, "inner"), fail_after("boom", 1ms)),
                          notes_when_unwound(log, "outer"));
    } catch (const std::runtime_error& error) {
        CHECK(tracked::live() == 0);
        log.push_back(error.what());
    }
}

task<> a_failure_each_round(int rounds) {
    int caught = 0;
    for (int i = 0; i < rounds; ++i) {
        try {
            co_await when_all(support::stuck(), fail_after("boom", 1ms), give(tracked(i)));
        } catch (const std::runtime_error&) {
            ++caught;
        }
    }
    CHECK(caught == rounds);
}

}  // namespace

TEST_CASE("the first exception cancels the other children, waits for them, and is rethrown") {
    lines log;
    rondo::testing::run(first_of_three_fails(log));
    REQUIRE(log.size() == 6);
    CHECK(log[0] == "a waits");
    CHECK(log[1] == "c waits");
    CHECK(has(log, "a gone"));
    CHECK(has(log, "c gone"));
    CHECK(log[4] == "boom");
    CHECK(log[5] == "end");
}

TEST_CASE("when_all rethrows an exception of any type as it is") {
    rondo::testing::run(fails_with_a_type_of_its_own());
}

TEST_CASE("a failure of the last child destroys the results of the others") {
    rondo::testing::run(last_to_end_fails());
}

TEST_CASE("after an immediate failure earlier children are cancelled and later ones are not started") {
    lines log;
    rondo::testing::run(immediate_failure(log));
    CHECK(log == lines{"first waits", "first gone", "now"});
}

TEST_CASE("a failing when_all waits for a child that is inside a foreign awaitable") {
    lines log;
    support::parking place;
    rondo::testing::run(foreign_main(place, log));
    REQUIRE(log.size() == 4);
    CHECK(log[0] == "resumed");
    CHECK(log[1] == "foreign gone");
    CHECK(log[2] == "boom");
}

TEST_CASE("a failing when_all waits for a child whose operation cannot be withdrawn") {
    lines log;
    support::native_operation operation;
    operation.withdrawable = false;
    rondo::testing::run(native_main(operation, log));
    CHECK(log == lines{"completed", "native gone", "boom"});
    CHECK(operation.cancels == 1);
    CHECK(operation.resumed == 0);
}

TEST_CASE("of two children that fail at the same instant, the first is rethrown and the other never runs") {
    lines log;
    rondo::testing::run(two_fail_at_the_same_instant(log));
    CHECK(log == lines{"first"});
}

TEST_CASE("a failure reaches the outer when_all after everything below it is gone") {
    lines log;
    rondo::testing::run(child_of_child_fails(log));
    CHECK(log == lines{"inner gone", "outer gone", "boom"});
}

TEST_CASE("a failing when_all leaves nothing behind, however often") {
    rondo::testing::run(a_failure_each_round(1000));
}

// ---- Results that cannot be moved, frames that cannot be had ----

namespace {

// Throws from its next move when it is armed.
class fragile {
public:
    fragile() = default;
    fragile(fragile&& other) : life_(std::move(other.life_)) {
        if (armed) {
            armed = false;
            throw std::runtime_error("moved");
        }
    }
    fragile& operator=(fragile&&) = delete;

    static inline bool armed = false;

private:
    tracked life_;
};

task<fragile> make_fragile() { co_return fragile(); }

task<> arm() {
    co_await rondo::yield();
    fragile::armed = true;
}

task<> a_result_that_does_not_move() {
    std::string caught;
    try {
        co_await when_all(make_fragile(), give(tracked(1)), arm());
    } catch (const std::runtime_error& error) {
        caught = error.what();
    }
    CHECK(caught == "moved");
    CHECK(tracked::live() == 0);
    CHECK(!fragile::armed);
}

task<> no_frame_for(std::size_t which, lines& log) {
    bool caught = false;
    {
        rondo::testing::fail_frame_allocation guard(which);
        try {
            co_await when_all(support::note(log, "one"), support::note(log, "two"), support::note(log, "three"));
        } catch (const std::bad_alloc&) {
            caught = true;
        }
        CHECK(guard.happened() == caught);
    }
    log.push_back(caught ? "caught" : "fine");
    co_await when_all(support::note(log, "again"), support::yields(1));
}

task<std::size_t> frames_now() { co_return rondo::testing::live_frames(); }

task<> counts_frames() {
    const std::size_t before = rondo::testing::live_frames();
    const auto counted = co_await when_all(support::nap(1ms), frames_now(), rondo::yield());
    CHECK(std::get<1>(counted) == before + 2);
    CHECK(rondo::testing::live_frames() == before);
}

}  // namespace

TEST_CASE("a result whose move throws gives that exception to the parent") {
    rondo::testing::run(a_result_that_does_not_move());
}

TEST_CASE("a frame that cannot be allocated is bad_alloc at the call, and no child has run") {
    lines log;
    for (const std::size_t which : {1U, 2U, 3U}) {
        log.clear();
        rondo::testing::run(no_frame_for(which, log));
        CHECK(log == lines{"caught", "again"});
    }
}

TEST_CASE("when_all has no frame of its own") { rondo::testing::run(counts_frames()); }

// ---- Cancellation ----

namespace {

task<> grandparent(lines& log, std::string name) {
    note_at_exit gone(log, name + " gone");
    co_await when_all(notes_when_unwound(log, name + "/x"), notes_when_unwound(log, name + "/y"));
    log.push_back(name + " goes on");
}

task<> victim_of_outer_cancel(lines& log) {
    note_at_exit gone(log, "parent gone");
    co_await when_all(grandparent(log, "a"), notes_when_unwound(log, "b"));
    log.push_back("parent goes on");
}

std::ptrdiff_t place(const lines& log, const std::string& line) {
    return std::find(log.begin(), log.end(), line) - log.begin();
}

task<> cancels_from_outside(lines& log) {
    auto victim = rondo::spawn(victim_of_outer_cancel(log));
    co_await rondo::sleep(1ms);
    CHECK(log.empty());
    CHECK(tracked::live() == 3);
    victim.cancel();
    CHECK(victim.done());
    CHECK(tracked::live() == 0);
    CHECK(log.size() == 5);
    const rondo::outcome<> ended = co_await victim.settled();
    CHECK(ended.is_cancelled());
}

task<> two_naps(lines& log) {
    note_at_exit gone(log, "gone");
    tracked local(1);
    const auto both = co_await when_all(give_after(1, 10ms), give_after(2, 10ms));
    CHECK(std::get<0>(both) + std::get<1>(both) == 3);
    log.push_back("completed");
}

task<> cancel_at(std::optional<rondo::join_handle<>>& victim, duration time) {
    co_await rondo::sleep(time);
    victim->cancel();
}

enum class first { canceller, victim };

task<> cancels_at(lines& log, duration time, first who) {
    std::optional<rondo::join_handle<>> victim;
    std::optional<rondo::join_handle<>> canceller;
    if (who == first::canceller) canceller.emplace(rondo::spawn(cancel_at(victim, time)));
    victim.emplace(rondo::spawn(two_naps(log)));
    if (who == first::victim) canceller.emplace(rondo::spawn(cancel_at(victim, time)));
    co_await rondo::sleep(1s);
    CHECK(victim->done());
    CHECK(canceller->done());
}

lines cancelled_at(duration time, first who) {
    lines log;
    rondo::testing::run(cancels_at(log, time, who));
    return log;
}

task<> cancelled_before_start(lines& log) {
    auto victim = rondo::spawn(two_naps(log));
    victim.cancel();
    CHECK(victim.done());
    co_await rondo::sleep(1s);
}

task<> cancels_its_parent(std::optional<rondo::join_handle<>>& parent, bool then_fail) {
    parent->cancel();
    if (then_fail) throw std::runtime_error("boom");
    co_return;
}

task<> cancelled_by_child(std::optional<rondo::join_handle<>>& self, lines& log, bool fail, bool wait) {
    note_at_exit gone(log, "gone");
    try {
        co_await when_all(cancels_its_parent(self, fail));
        log.push_back("returned");
    } catch (const std::runtime_error& error) {
        log.push_back(error.what());
    }
    if (wait) co_await rondo::yield();
    log.push_back("end");
}

rondo::outcome<> run_cancelled_by_child(lines& log, bool fail, bool wait);

task<rondo::outcome<>> spawns_cancelled_by_child(lines& log, bool fail, bool wait) {
    std::optional<rondo::join_handle<>> self;
    self.emplace(rondo::spawn(cancelled_by_child(self, log, fail, wait)));
    co_await rondo::sleep(1ms);
    CHECK(self->done());
    co_return co_await self->settled();
}

rondo::outcome<> run_cancelled_by_child(lines& log, bool fail, bool wait) {
    return rondo::testing::run(spawns_cancelled_by_child(log, fail, wait));
}

task<> self_cancelling_child_with_sibling(std::optional<rondo::join_handle<>>& self, lines& log) {
    note_at_exit gone(log, "parent gone");
    co_await when_all(notes_when_unwound(log, "first"), cancels_its_parent(self, false),
                      support::note(log, "third started"));
    log.push_back("parent goes on");
}

task<> spawns_self_cancelling(lines& log) {
    std::optional<rondo::join_handle<>> self;
    self.emplace(rondo::spawn(self_cancelling_child_with_sibling(self, log)));
    co_await rondo::sleep(1ms);
    CHECK(self->done());
    const rondo::outcome<> ended = co_await self->settled();
    CHECK(ended.is_cancelled());
}

task<> foreign_victim(support::parking& place, lines& log) {
    note_at_exit gone(log, "parent gone");
    co_await when_all(waits_foreign(place, log), notes_when_unwound(log, "sibling"));
    log.push_back("parent goes on");
}

task<> cancels_foreign_victim(lines& log) {
    support::parking place;
    auto victim = rondo::spawn(foreign_victim(place, log));
    co_await rondo::sleep(1ms);
    victim.cancel();
    CHECK(!victim.done());
    CHECK(!has(log, "parent gone"));
    victim.cancel();
    co_await rondo::sleep(1ms);
    CHECK(!has(log, "parent gone"));
    place.resume();
    CHECK(!has(log, "parent gone"));  // never inside a call that another task makes
    co_await rondo::sleep(1ms);
    CHECK(victim.done());
    CHECK(log == lines{"sibling gone", "foreign gone", "parent gone"});
}

}  // namespace

TEST_CASE("cancelling the parent unwinds all children before cancel returns, each before its parent") {
    lines log;
    rondo::testing::run(cancels_from_outside(log));
    REQUIRE(log.size() == 5);
    CHECK(log.back() == "parent gone");
    CHECK(place(log, "a/x gone") < place(log, "a gone"));
    CHECK(place(log, "a/y gone") < place(log, "a gone"));
    CHECK(has(log, "b gone"));
}

TEST_CASE("a when_all is cancelled before, while and after its children wait") {
    CHECK(cancelled_at(5ms, first::victim) == lines{"gone"});
    CHECK(cancelled_at(20ms, first::victim) == lines{"completed", "gone"});
    lines log;
    rondo::testing::run(cancelled_before_start(log));
    CHECK(log.empty());
}

TEST_CASE("of completion and cancellation at the same instant, what comes first in the order of steps counts") {
    CHECK(cancelled_at(10ms, first::canceller) == lines{"gone"});
    CHECK(cancelled_at(10ms, first::victim) == lines{"completed", "gone"});
}

TEST_CASE("a child that cancels its parent lets it go on to its next suspension") {
    lines log;
    SECTION("which does not come: the parent has ended, and the cancellation is void") {
        const rondo::outcome<> ended = run_cancelled_by_child(log, false, false);
        CHECK(ended.has_value());
        CHECK(log == lines{"returned", "end", "gone"});
    }
    SECTION("which does not come, and the child fails") {
        const rondo::outcome<> ended = run_cancelled_by_child(log, true, false);
        CHECK(ended.has_value());
        CHECK(log == lines{"boom", "end", "gone"});
    }
    SECTION("which comes") {
        const rondo::outcome<> ended = run_cancelled_by_child(log, false, true);
        CHECK(ended.is_cancelled());
        CHECK(log == lines{"returned", "gone"});
    }
    SECTION("which comes, and the child fails") {
        const rondo::outcome<> ended = run_cancelled_by_child(log, true, true);
        CHECK(ended.is_cancelled());
        CHECK(log == lines{"boom", "gone"});
    }
}

TEST_CASE("a child that cancels its parent while siblings wait ends them all") {
    lines log;
    rondo::testing::run(spawns_self_cancelling(log));
    CHECK(!has(log, "parent goes on"));
    REQUIRE(log.size() >= 2);
    CHECK(has(log, "first gone"));
    CHECK(log.back() == "parent gone");
}

TEST_CASE("a cancelled when_all waits for a child inside a foreign awaitable, and unwinds then") {
    lines log;
    rondo::testing::run(cancels_foreign_victim(log));
}

// ---- Depth ----

namespace {

enum class bottom { returns, yields, fails, waits };

task<int> tower(int height, bottom kind) {
    if (height == 0) {
        if (kind == bottom::yields) co_await rondo::yield();
        if (kind == bottom::waits) co_await support::for_ever();
        if (kind == bottom::fails) {
            co_await rondo::yield();
            throw std::runtime_error("bottom");
        }
        co_return 0;
    }
    const auto below = co_await when_all(tower(height - 1, kind), support::nothing());
    co_return std::get<0>(below) + 1;
}

task<> cancels_tower(int height) {
    auto victim = rondo::spawn(tower(height, bottom::waits));
    co_await rondo::sleep(1ms);
    victim.cancel();
    CHECK(victim.done());
}

}  // namespace

TEST_CASE("when_alls nest a thousand deep") {
    constexpr int height = 1000;
    CHECK(rondo::testing::run(tower(height, bottom::returns)) == height);
    CHECK(rondo::testing::run(tower(height, bottom::yields)) == height);
    CHECK_THROWS_AS(rondo::testing::run(tower(height, bottom::fails)), std::runtime_error);
    rondo::testing::run(cancels_tower(height));
}

// ---- Being stuck ----

namespace {

task<> stuck_here(unsigned& line) {
    line = __LINE__ + 1;
    co_await support::for_ever();
}

task<> stuck_parent(unsigned& one, unsigned& two, lines& log) {
    note_at_exit gone(log, "unwound");
    co_await when_all(stuck_here(one), support::nothing(), stuck_here(two));
}

}  // namespace

TEST_CASE("the stuck report names the lines where the children of when_all wait, once main is unwound") {
    unsigned one = 0;
    unsigned two = 0;
    lines log;
    std::string report;
    try {
        rondo::testing::run(stuck_parent(one, two, log));
    } catch (const rondo::deadlock_error& error) {
        CHECK(log == lines{"unwound"});
        report = error.what();
    }
    REQUIRE(one != 0);
    REQUIRE(two != 0);
    INFO(report);
    CHECK(report.find(line_here(one)) != std::string::npos);
    CHECK(report.find(line_here(two)) != std::string::npos);
}

TEST_CASE("a loop that goes away unwinds the children of a waiting when_all") {
    lines log;
    {
        rondo::event_loop loop(support::virtual_time());
        loop.spawn(victim_of_outer_cancel(log));
        loop.poll();
        loop.poll();
        CHECK(tracked::live() == 3);
    }
    CHECK(tracked::live() == 0);
    REQUIRE(log.size() == 5);
    CHECK(log.back() == "parent gone");
}
