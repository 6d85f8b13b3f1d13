// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

#include <support/journal.hpp>
#include <support/leak_check.hpp>
#include <support/tasks.hpp>
#include <support/tracked.hpp>

#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>
#include <rondo/testing/explore.hpp>

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <cstddef>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using rondo::task;
using rondo::testing::exploration;
using rondo::testing::explore;
using rondo::testing::replay;
using rondo::testing::schedule_error;
using support::lines;
using support::tracked;

namespace {

const auto no_check = [] {};

/// `tasks` of them, ready together, each of which yields `times` times: main goes on in the step of the last.
task<> independent(int tasks, int times) {
    std::vector<task<>> all;
    for (int i = 0; i < tasks; ++i) all.push_back(support::yields(times));
    co_await rondo::when_all(std::move(all));
}

/// The orders of `tasks` sequences of `length` steps: (tasks * length)! / (length!)^tasks.
std::size_t interleavings(std::size_t tasks, std::size_t length) {
    std::size_t count = 1, taken = 0;
    for (std::size_t t = 0; t < tasks; ++t)
        for (std::size_t i = 1; i <= length; ++i) count = count * ++taken / i;
    return count;
}

/// Notes the order in which tasks start that are called by a letter each.
task<> starts(lines& log, std::string names) {
    log.clear();
    co_await rondo::with_task_group([&](rondo::task_group& group) -> task<> {
        for (const char name : names) group.spawn(support::note(log, std::string(1, name)));
        co_return;
    });
}

/// Goes wrong in one order of six.
task<> goes_wrong_in_one_order(lines& log) {
    co_await starts(log, "abc");
    if (log == lines{"c", "a", "b"}) throw std::range_error("the one order");
}

template <class F>
std::string failing_schedule(F action) {
    try {
        action();
    } catch (const schedule_error& error) {
        return error.schedule();
    }
    return "none";
}

}  // namespace

// --- how many ---

TEST_CASE("a program without a choice has one schedule, which is empty") {
    std::vector<std::string> schedules;
    const exploration tried =
        explore([] { return support::yields(5); }, [&](std::string_view s) { schedules.emplace_back(s); });
    CHECK(tried.schedules == 1);
    CHECK(tried.is_complete);
    CHECK(schedules == std::vector<std::string>{""});
}

TEST_CASE("as many schedules are tried as independent tasks have interleavings") {
    class size {
    public:
        size(int n, int k) : tasks(n), times(k) {}
        int tasks, times;
    };
    for (const size s : {size(1, 4), size(2, 1), size(3, 1), size(4, 1), size(5, 1), size(2, 2), size(2, 4), size(3, 2),
                         size(3, 3), size(4, 2)}) {
        const exploration tried = explore([&] { return independent(s.tasks, s.times); }, no_check);
        INFO(s.tasks << " tasks that yield " << s.times << " times");
        CHECK(tried.schedules == interleavings(static_cast<std::size_t>(s.tasks), static_cast<std::size_t>(s.times)));
        CHECK(tried.is_complete);
    }
}

TEST_CASE("spawned tasks interleave from their start") {
    // Each has two steps; main is ready again only when both, or all three, are over.
    for (const int tasks : {2, 3}) {
        const exploration tried = explore(
            [&]() -> task<> {
                rondo::latch all(tasks);
                auto counts = [](rondo::latch& l) -> task<> {
                    co_await rondo::yield();
                    l.count_down();
                };
                for (int i = 0; i < tasks; ++i) (void)rondo::spawn(counts(all));
                co_await all.wait();
            },
            no_check);
        CHECK(tried.schedules == interleavings(static_cast<std::size_t>(tasks), 2));
        CHECK(tried.is_complete);
    }
}

TEST_CASE("every schedule is another order, and every order comes") {
    std::set<lines> orders;
    std::set<std::string> schedules;
    lines log;
    const exploration tried = explore([&] { return starts(log, "abcd"); },
                                      [&](std::string_view s) {
                                          orders.insert(log);
                                          schedules.emplace(s);
                                      });
    CHECK(tried.schedules == 24);
    CHECK(orders.size() == 24);
    CHECK(schedules.size() == 24);
}

TEST_CASE("the first schedule is a plain loop's order") {
    lines log;
    std::vector<lines> orders;
    explore([&] { return starts(log, "abc"); }, [&] { orders.push_back(log); });
    REQUIRE(!orders.empty());
    CHECK(orders.front() == lines{"a", "b", "c"});
}

TEST_CASE("schedules of different lengths are all tried") {
    // Where the canceller comes before the others, there are fewer steps.
    std::set<int> reached;
    int yields = 0;
    const exploration tried = explore(
        [&]() -> task<> {
            yields = 0;
            auto counts = [](int& n) -> task<> {
                for (int i = 0; i < 4; ++i) {
                    co_await rondo::yield();
                    ++n;
                }
            };
            auto cancels = [](rondo::join_handle<>& other) -> task<> {
                other.cancel();
                co_return;
            };
            auto victim = rondo::spawn(counts(yields));
            auto canceller = rondo::spawn(cancels(victim));
            (void)co_await canceller.settled();
            const auto end = co_await victim.settled();
            CHECK(end.is_cancelled() == (yields != 4));
        },
        [&] { reached.insert(yields); });
    CHECK(tried.is_complete);
    CHECK(reached == std::set<int>{0, 1, 2, 3, 4});
}

TEST_CASE("timers fall due in their order; only those of one instant are a choice") {
    lines log;
    auto sleeps = [&](std::chrono::seconds a, std::chrono::seconds b, std::chrono::seconds c) -> task<> {
        log.clear();
        co_await rondo::when_all(support::note_after(log, "a", a), support::note_after(log, "b", b),
                                 support::note_after(log, "c", c));
    };
    std::set<lines> orders;
    const auto notes = [&] { orders.insert(log); };
    CHECK(explore([&] { return sleeps(1s, 2s, 3s); }, notes).schedules == 1);
    CHECK(explore([&] { return sleeps(1s, 1s, 3s); }, notes).schedules == 2);
    CHECK(explore([&] { return sleeps(2s, 2s, 2s); }, notes).schedules == 6);
    CHECK(orders.size() == 6);
}

// --- the limit ---

TEST_CASE("no more than `limit` schedules are run, and that those were not all is said") {
    std::size_t checks = 0;
    const exploration tried = explore([] { return independent(4, 1); }, [&] { ++checks; }, 10);
    CHECK(tried.schedules == 10);
    CHECK(checks == 10);
    CHECK(!tried.is_complete);
}

TEST_CASE("a limit that is just enough is enough") {
    const exploration tried = explore([] { return independent(3, 1); }, no_check, 6);
    CHECK(tried.schedules == 6);
    CHECK(tried.is_complete);
    const exploration missed = explore([] { return independent(3, 1); }, no_check, 5);
    CHECK(missed.schedules == 5);
    CHECK(!missed.is_complete);
}

TEST_CASE("a limit of zero runs nothing") {
    const exploration tried = explore(support::nothing, [] { FAIL("a run"); }, 0);
    CHECK(tried.schedules == 0);
    CHECK(!tried.is_complete);
}

// --- what is found ---

TEST_CASE("the only order in which a program goes wrong is found, named, and can be replayed") {
    lines log;
    const auto program = [&] { return goes_wrong_in_one_order(log); };
    rondo::testing::run(program());  // not in a plain loop

    const std::string schedule = failing_schedule([&] { explore(program, no_check); });
    INFO(schedule);
    CHECK(log == lines{"c", "a", "b"});

    log.clear();
    CHECK(failing_schedule([&] { replay(program, no_check, schedule); }) == schedule);
    CHECK(log == lines{"c", "a", "b"});
}

TEST_CASE("the error says the schedule, and what was thrown") {
    lines log;
    try {
        explore([&] { return goes_wrong_in_one_order(log); }, no_check);
        FAIL("nothing was found");
    } catch (const std::runtime_error& error) {
        const std::string text = error.what();
        INFO(text);
        CHECK(text.find("the one order") != std::string::npos);
        const auto* const found = dynamic_cast<const schedule_error*>(&error);
        REQUIRE(found != nullptr);
        CHECK(text.find('"' + found->schedule() + '"') != std::string::npos);
    }
}

TEST_CASE("an update that is lost in some orders") {
    int counter = 0;
    auto increments = [](int& number) -> task<> {
        const int before = number;
        co_await rondo::yield();
        number = before + 1;
    };
    const auto program = [&]() -> task<> {
        counter = 0;
        co_await rondo::with_task_group([&](rondo::task_group& group) -> task<> {
            group.spawn(increments(counter));
            group.spawn(increments(counter));
            co_return;
        });
    };
    int right = 0, lost = 0;
    std::string one_that_loses;
    const exploration tried = explore(program, [&](std::string_view schedule) {
        if (counter == 2) {
            ++right;
        } else {
            ++lost;
            one_that_loses = schedule;
        }
    });
    CHECK(tried.schedules == 6);
    CHECK(right == 2);  // one of them after the other
    CHECK(lost == 4);
    replay(program, [&] { CHECK(counter == 1); }, one_that_loses);
}

TEST_CASE("a deadlock that needs one order of locking is found, and the report is in the error") {
    const auto program = []() -> task<> {
        rondo::mutex a, b;
        auto locks = [](rondo::mutex& first, rondo::mutex& second) -> task<> {
            const auto outer = co_await first.scoped_lock();
            co_await rondo::yield();
            const auto inner = co_await second.scoped_lock();
        };
        co_await rondo::with_task_group([&](rondo::task_group& group) -> task<> {
            group.spawn(locks(a, b), "one");
            group.spawn(locks(b, a), "other");
            co_return;
        });
    };
    try {
        explore(program, no_check);
        FAIL("nothing was found");
    } catch (const schedule_error& error) {
        const std::string text = error.what();
        INFO(text);
        CHECK(text.find("deadlock") != std::string::npos);
        CHECK(text.find("mutex::lock") != std::string::npos);
        CHECK(failing_schedule([&] { replay(program, no_check, error.schedule()); }) == error.schedule());
    }
    CHECK(rondo::testing::live_frames() == 0);
}

TEST_CASE("frames that have leaked in some order are found") {
    std::vector<task<>> hoard;
    lines log;
    const auto program = [&]() -> task<> {
        co_await starts(log, "ab");
        if (log.front() == "b") hoard.push_back(support::nothing());
    };
    try {
        explore(program, no_check);
        FAIL("nothing was found");
    } catch (const schedule_error& error) {
        CHECK(std::string(error.what()).find("leaked") != std::string::npos);
    }
}

TEST_CASE("frames that go are no leak") {
    std::vector<task<>> stock;
    stock.push_back(support::nothing());
    const exploration tried = explore(
        [&] {
            if (stock.empty()) return support::nothing();
            task<> one = std::move(stock.back());
            stock.clear();
            return one;
        },
        no_check);
    CHECK(tried.schedules == 1);
}

TEST_CASE("whatever is thrown is found, also what is no std::exception, and what make_task throws") {
    const auto throws_a_number = []() -> task<> {
        throw 42;
        co_return;
    };
    CHECK_THROWS_AS(explore(throws_a_number, no_check), schedule_error);
    CHECK_THROWS_AS(explore([]() -> task<> { throw std::range_error("no task"); }, no_check), schedule_error);
    CHECK_THROWS_AS(explore(
                        []() -> task<> {
                            (void)rondo::spawn(support::fail("nobody takes it"));
                            co_await rondo::sleep(1s);
                        },
                        no_check),
                    schedule_error);
}

TEST_CASE("what the check throws is thrown as it is, and ends the exploration") {
    int checks = 0;
    CHECK_THROWS_AS(explore([] { return independent(3, 1); },
                            [&] {
                                if (++checks == 4) throw std::range_error("found");
                            }),
                    std::range_error);
    CHECK(checks == 4);
}

TEST_CASE("the check comes when the loop of its run, and all that was in it, is gone") {
    lines log;
    explore(
        [&]() -> task<> {
            const tracked local(1);
            (void)rondo::spawn(support::waits_for_ever(log, "beside"));
            co_await independent(2, 1);
        },
        [] {
            CHECK(tracked::live() == 0);
            CHECK(rondo::testing::live_frames() == 0);
        });
    CHECK(std::count(log.begin(), log.end(), "beside goes on") == 0);
}

// --- replay ---

TEST_CASE("each schedule that explore tells replays the order that it has named") {
    lines log;
    std::vector<std::pair<std::string, lines>> tried;
    const auto program = [&] { return starts(log, "abc"); };
    explore(program, [&](std::string_view schedule) { tried.emplace_back(schedule, log); });
    REQUIRE(tried.size() == 6);
    std::reverse(tried.begin(), tried.end());
    for (const auto& one : tried) {
        int checks = 0;
        replay(
            program,
            [&](std::string_view schedule) {
                ++checks;
                CHECK(schedule == one.first);
                CHECK(log == one.second);
            },
            one.first);
        CHECK(checks == 1);
    }
}

TEST_CASE("choices are counted from the oldest that is ready, where there is a choice") {
    lines log;
    const auto program = [&] { return starts(log, "abc"); };
    replay(program, [&] { CHECK(log == lines{"c", "a", "b"}); }, "2.0");
    replay(program, [&] { CHECK(log == lines{"b", "c", "a"}); }, "1.1");
}

TEST_CASE("a schedule that ends early goes on with the oldest") {
    lines log;
    const auto program = [&] { return starts(log, "abc"); };
    replay(program, [&] { CHECK(log == lines{"a", "b", "c"}); }, "");
    replay(program, [&] { CHECK(log == lines{"c", "a", "b"}); }, "2");
}

TEST_CASE("a string that is no schedule is refused, and nothing is run") {
    int runs = 0;
    const auto program = [&] {
        ++runs;
        return independent(3, 1);
    };
    for (const std::string_view text :
         {"a", "1.a", ".", ".1", "1..0", "-1", " 1", "1. 0", "1.-1", "none", "99999999999999999999999999"}) {
        INFO("\"" << text << "\"");
        CHECK_THROWS_AS(replay(program, no_check, text), std::invalid_argument);
    }
    CHECK(runs == 0);
}

TEST_CASE("numbers that anything but a point separates are no schedule either") {
    for (const std::string_view text : {"1,0", "1 0", "1x0", "1-0", "1.0,", "1.0\n", "1."}) {
        INFO("\"" << text << "\"");
        CHECK_THROWS_AS(replay([] { return independent(3, 1); }, no_check, text), std::invalid_argument);
    }
}

TEST_CASE("a run that throws in a replay is a schedule_error, too") {
    CHECK_THROWS_AS(replay([] { return support::fail("always"); }, no_check, ""), schedule_error);
}
