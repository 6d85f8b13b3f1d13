// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

// when_all_limited: when_all's results with a bound on how many run at a time.

#include <support/clocks.hpp>
#include <support/journal.hpp>
#include <support/leak_check.hpp>
#include <support/sweeps.hpp>
#include <support/tasks.hpp>
#include <support/tracked.hpp>

#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <functional>
#include <limits>
#include <list>
#include <memory>
#include <optional>
#include <ranges>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using rondo::task;
using rondo::when_all_limited;
using support::household;
using support::lines;
using support::move_only_tracked;
using support::note_at_exit;
using support::sweeps;
using support::swept;
using support::tracked;

using duration = support::clock::duration;

constexpr std::size_t no_limit = std::numeric_limits<std::size_t>::max();

auto now() { return rondo::event_loop::current().now(); }

/// How many tasks run, and ran at most.
class load {
public:
    load() = default;
    int running = 0;
    int most = 0;
    int ended = 0;
};

task<int> works(load& on, int number, duration time) {
    on.most = (std::max)(on.most, ++on.running);
    co_await rondo::sleep(time);
    --on.running;
    ++on.ended;
    co_return number;
}

std::vector<task<int>> workers(load& on, int count, duration time) {
    std::vector<task<int>> tasks;
    for (int i = 0; i < count; ++i) tasks.push_back(works(on, i, time));
    return tasks;
}

task<> starts_and_ends(lines& log, std::string name, duration time) {
    const note_at_exit gone(log, name + " gone");
    log.push_back(name);
    co_await rondo::sleep(time);
    log.push_back(name + " ends");
}

task<> fail_after(std::string text, duration time) {
    co_await rondo::sleep(time);
    throw std::runtime_error(text);
}

template <class Range>
using result_of = rondo::await_result_t<decltype(when_all_limited(std::size_t(), std::declval<Range>()))>;

class no_default {
public:
    explicit no_default(int n) : number(n) {}
    int number;
};

static_assert(std::is_same_v<result_of<std::vector<task<int>>>, std::vector<int>>);
static_assert(std::is_void_v<result_of<std::vector<task<>>>>);
static_assert(std::is_same_v<result_of<std::list<task<bool>>>, std::vector<bool>>);
static_assert(std::is_same_v<result_of<std::array<task<int&>, 2>>, std::vector<std::reference_wrapper<int>>>);
static_assert(std::is_same_v<result_of<std::vector<task<std::unique_ptr<int>>>>, std::vector<std::unique_ptr<int>>>);
static_assert(std::is_same_v<result_of<std::vector<task<no_default>>>, std::vector<no_default>>);

}  // namespace

TEST_CASE("when_all_limited gives the results in the range's order, and never runs more than its limit") {
    for (const std::size_t limit : {std::size_t(1), std::size_t(3), std::size_t(7), std::size_t(10), no_limit}) {
        load on;
        const auto main = [&]() -> task<> {
            const std::vector<int> all = co_await when_all_limited(limit, workers(on, 10, 1ms));
            CHECK(all == std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
            const auto rounds =
                static_cast<int>((10 + (std::min)(limit, std::size_t(10)) - 1) / (std::min)(limit, std::size_t(10)));
            CHECK(now() == support::time_point(rounds * 1ms));
        };
        rondo::testing::run(main());
        CHECK(on.ended == 10);
        CHECK(on.most == static_cast<int>((std::min)(limit, std::size_t(10))));
    }
}

TEST_CASE("when_all_limited gives results of every kind") {
    int target = 5;
    const auto main = [&]() -> task<> {
        const auto refer = [&]() -> task<int&> {
            co_await rondo::yield();
            co_return target;
        };
        std::vector<task<int&>> referring;
        referring.push_back(refer());
        const auto references = co_await when_all_limited(2, std::move(referring));
        CHECK(&references.at(0).get() == &target);

        const auto make = [](int number) -> task<std::unique_ptr<int>> {
            co_await rondo::sleep(std::chrono::milliseconds(10 - number));
            co_return std::make_unique<int>(number);
        };
        const auto owned = co_await when_all_limited(2, std::views::iota(0, 4) | std::views::transform(make));
        CHECK(owned.size() == 4);
        CHECK(*owned.at(3) == 3);

        const auto other = [](int number) -> task<no_default> { co_return no_default(number); };
        std::list<task<no_default>> plain;
        plain.push_back(other(8));
        const auto values = co_await when_all_limited(1, std::move(plain));
        CHECK(values.at(0).number == 8);

        std::vector<task<bool>> flags;
        for (int i = 0; i < 3; ++i) flags.push_back(support::give(i == 1));
        const std::vector<bool> bits = co_await when_all_limited(2, std::move(flags));
        CHECK(bits == std::vector<bool>{false, true, false});

        std::vector<task<move_only_tracked>> moved;
        for (int i = 0; i < 3; ++i)
            moved.push_back([](int n) -> task<move_only_tracked> {
                co_await rondo::yield();
                co_return move_only_tracked(n);
            }(i));
        const auto kept = co_await when_all_limited(2, std::move(moved));
        CHECK(kept.at(2).number() == 2);
        CHECK(tracked::live() == 3);
    };
    rondo::testing::run(main());
}

TEST_CASE("a limit of zero throws std::invalid_argument") {
    const auto main = []() -> task<> {
        bool caught = false;
        try {
            std::vector<task<int>> tasks;
            tasks.push_back(support::give(1));
            co_await when_all_limited(0, std::move(tasks));
        } catch (const std::invalid_argument&) {
            caught = true;
        }
        CHECK(caught);
        caught = false;
        try {
            co_await when_all_limited(0, std::vector<task<>>());
        } catch (const std::invalid_argument&) {
            caught = true;
        }
        CHECK(caught);
    };
    rondo::testing::run(main());
}

TEST_CASE("when_all_limited of nothing completes at once") {
    lines log;
    const auto main = [&]() -> task<> {
        rondo::spawn(support::note(log, "other"));
        const std::vector<int> none = co_await when_all_limited(3, std::vector<task<int>>());
        CHECK(none.empty());
        co_await when_all_limited(no_limit, std::vector<task<>>());
        log.push_back("after");
        co_await rondo::yield();
    };
    rondo::testing::run(main());
    CHECK(log == lines{"after", "other"});
}

TEST_CASE("tasks start in the range's order, each in the step in which one before it ends") {
    lines log;
    const auto main = [&]() -> task<> {
        std::vector<task<>> tasks;
        tasks.push_back(starts_and_ends(log, "a", 3ms));
        tasks.push_back(starts_and_ends(log, "b", 1ms));
        tasks.push_back(starts_and_ends(log, "c", 1ms));
        tasks.push_back(starts_and_ends(log, "d", 2ms));
        rondo::spawn(support::note_after(log, "other", 1ms));
        auto all = when_all_limited(2, std::move(tasks));
        CHECK(log.empty());  // nothing starts before it is awaited
        co_await std::move(all);
        log.push_back("after");
    };
    rondo::testing::run(main());
    CHECK(log == lines{"a", "b", "b ends", "b gone", "c", "other", "c ends", "c gone", "d", "a ends", "a gone",
                       "d ends", "d gone", "after"});
}

TEST_CASE("the caller goes on in the step in which the last task ends") {
    lines log;
    const auto main = [&]() -> task<> {
        std::vector<task<>> tasks;
        for (int i = 0; i < 3; ++i) tasks.push_back(support::nap(1ms));
        rondo::spawn(
            [](lines& to) -> task<> {
                co_await rondo::sleep(1ms);
                co_await rondo::sleep(1ms);
                to.push_back("other");
            },
            std::ref(log));
        co_await when_all_limited(2, std::move(tasks));
        log.push_back("after");
        co_await rondo::sleep(1ms);
    };
    rondo::testing::run(main());
    CHECK(log == lines{"after", "other"});
}

TEST_CASE("a million tasks that end at once need neither stack nor a suspension") {
    lines log;
    const auto main = [&]() -> task<> {
        rondo::spawn(support::note(log, "other"));
        int started = 0;
        const auto quick = [&](int) -> task<> {
            ++started;
            co_return;
        };
        co_await when_all_limited(3, std::views::iota(0, 1'000'000) | std::views::transform(quick));
        CHECK(started == 1'000'000);
        log.push_back("after");
        co_await rondo::yield();
    };
    rondo::testing::run(main());
    CHECK(log == lines{"after", "other"});
}

TEST_CASE("the first exception cancels those that run, starts no more, and is rethrown when all are gone") {
    lines log;
    int started = 0;
    const auto main = [&]() -> task<> {
        const auto late = [&](tracked) -> task<> {
            ++started;
            co_return;
        };
        std::vector<task<>> tasks;
        tasks.push_back(starts_and_ends(log, "a", 1h));
        tasks.push_back(fail_after("boom", 1ms));
        tasks.push_back(starts_and_ends(log, "b", 1h));
        for (int i = 0; i < 5; ++i) tasks.push_back(late(tracked(i)));
        CHECK(tracked::live() == 5);
        try {
            co_await when_all_limited(3, std::move(tasks));
        } catch (const std::runtime_error& error) {
            log.push_back(error.what());
        }
        CHECK(tracked::live() == 0);
    };
    rondo::testing::run(main());
    CHECK(started == 0);
    REQUIRE(log.size() == 5);
    std::sort(log.begin() + 2, log.begin() + 4);
    CHECK(log == lines{"a", "b", "a gone", "b gone", "boom"});
}

TEST_CASE("after an immediate failure later tasks are not started") {
    lines log;
    const auto main = [&]() -> task<> {
        std::vector<task<>> tasks;
        tasks.push_back(starts_and_ends(log, "a", 1h));
        tasks.push_back(support::fail("boom"));
        tasks.push_back(starts_and_ends(log, "never", 1h));
        co_await when_all_limited(3, std::move(tasks));
    };
    CHECK_THROWS_AS(rondo::testing::run(main()), std::runtime_error);
    CHECK(log == lines{"a", "a gone"});
}

TEST_CASE("a second failure goes to on_unhandled_exception") {
    int unhandled = 0;
    std::string thrown;
    const auto main = [&]() -> task<> {
        const auto late = []() -> task<> { co_await rondo::uncancellable(fail_after("second", 2ms)); };
        std::vector<task<>> tasks;
        tasks.push_back(late());
        tasks.push_back(fail_after("first", 1ms));
        try {
            co_await when_all_limited(2, std::move(tasks));
        } catch (const std::runtime_error& error) {
            thrown = error.what();
        }
    };
    rondo::event_loop loop(support::virtual_time());
    loop.on_unhandled_exception([&](std::exception_ptr) { ++unhandled; });
    loop.run(main());
    CHECK(thrown == "first");
    CHECK(unhandled == 1);
}

TEST_CASE("an empty task in the range throws std::logic_error") {
    const auto main = []() -> task<> {
        std::vector<task<>> tasks;
        tasks.push_back(support::nothing());
        tasks.push_back(support::nothing());
        const task<> taken = std::move(tasks[1]);
        co_await when_all_limited(1, std::move(tasks));
    };
    CHECK_THROWS_AS(rondo::testing::run(main()), std::logic_error);
}

TEST_CASE("a cancelled when_all_limited takes what runs along, and destroys the rest unstarted") {
    lines log;
    const auto main = [&]() -> task<> {
        const auto caller = [&]() -> task<> {
            const note_at_exit gone(log, "caller gone");
            std::vector<task<>> tasks;
            for (const char* name : {"a", "b", "c"}) tasks.push_back(starts_and_ends(log, name, 1h));
            co_await when_all_limited(2, std::move(tasks));
        };
        auto victim = rondo::spawn(caller());
        co_await rondo::sleep(1ms);
        victim.cancel();
        CHECK(victim.done());
    };
    rondo::testing::run(main());
    REQUIRE(log.size() == 5);
    std::sort(log.begin() + 2, log.begin() + 4);
    CHECK(log == lines{"a", "b", "a gone", "b gone", "caller gone"});
}

TEST_CASE("a when_all_limited that is never awaited destroys its tasks unstarted") {
    const auto late = [](tracked) -> task<> { co_return; };
    std::vector<task<>> tasks;
    for (int i = 0; i < 3; ++i) tasks.push_back(late(tracked(i)));
    {
        const auto unused = when_all_limited(2, std::move(tasks));
        CHECK(tracked::live() == 3);
    }
    CHECK(tracked::live() == 0);
}

TEST_CASE("a task of the range may cancel the caller, and goes on to its next suspension") {
    lines log;
    std::optional<rondo::join_handle<>> victim;
    const auto main = [&]() -> task<> {
        const auto cancels = [&](int number) -> task<> {
            co_await rondo::yield();
            if (number == 1) victim->cancel();
            log.push_back(std::to_string(number));
            co_await rondo::yield();
            log.push_back("never");
        };
        const auto caller = [&]() -> task<> {
            const note_at_exit gone(log, "caller gone");
            co_await when_all_limited(2, std::views::iota(0, 4) | std::views::transform(cancels));
        };
        victim.emplace(rondo::spawn(caller()));
        co_await rondo::sleep(1ms);
        CHECK(victim->done());
    };
    rondo::testing::run(main());
    CHECK(log == lines{"0", "1", "caller gone"});
}

// ---- Sweeps ----

namespace {

class everything final : public swept {
public:
    task<> program() override {
        household home(outrun);
        std::vector<task<tracked>> tasks;
        for (int i = 0; i < 8; ++i) tasks.push_back(leaf(home, i));
        const std::vector<tracked> all = co_await when_all_limited(3, std::move(tasks));
        if (all.size() != 8 || all[7].number() != 7) throw std::logic_error("wrong results");
        point();
        try {
            std::vector<task<>> failing;
            for (int i = 1; i < 4; ++i) failing.push_back(waits(home, i));
            failing.push_back(fails(home));
            for (int i = 1; i < 4; ++i) failing.push_back(waits(home, i));
            co_await when_all_limited(3, std::move(failing));
        } catch (const std::runtime_error&) {
            point();
        }
        if (home.at_home() != 0) throw std::logic_error("a task is still there");
    }

private:
    task<tracked> leaf(household& home, int number) {
        const household::child here(home);
        const tracked local(number);
        point();
        if (number % 3 != 0) co_await rondo::sleep(std::chrono::milliseconds(number));
        point();
        co_return tracked(number);
    }
    task<> fails(household& home) {
        const household::child here(home);
        co_await rondo::sleep(2ms);
        point();
        throw std::runtime_error("boom");
    }
    task<> waits(household& home, int number) {
        const household::child here(home);
        auto cleanup = [&]() -> task<> {
            point();
            co_await rondo::sleep(1ms);
        };
        co_await rondo::finally(rondo::sleep(std::chrono::milliseconds(number)), cleanup);
    }
};

}  // namespace

TEST_CASE("a program of when_all_limited is right under every sweep") { sweeps::all<everything>(70, 20); }
