// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

// for_each_completed: outcomes in the order in which tasks end.

#include <support/clocks.hpp>
#include <support/foreign.hpp>
#include <support/journal.hpp>
#include <support/leak_check.hpp>
#include <support/sweeps.hpp>
#include <support/tasks.hpp>
#include <support/tracked.hpp>

#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <cstddef>
#include <exception>
#include <functional>
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
using rondo::for_each_completed;
using rondo::outcome;
using rondo::task;
using support::household;
using support::lines;
using support::move_only_tracked;
using support::note_at_exit;
using support::sweeps;
using support::swept;
using support::tracked;

using duration = support::clock::duration;

auto now() { return rondo::event_loop::current().now(); }

std::string text_of(const std::exception_ptr& error) {
    try {
        if (error) std::rethrow_exception(error);
    } catch (const std::exception& e) {
        return e.what();
    }
    return "none";
}

/// Runs `main` on virtual time; gives back what went to on_unhandled_exception.
lines run_and_collect(task<> main) {
    lines unhandled;
    rondo::event_loop loop(support::virtual_time());
    loop.on_unhandled_exception([&](std::exception_ptr error) { unhandled.push_back(text_of(error)); });
    loop.run(std::move(main));
    return unhandled;
}

template <class T>
task<T> give_after(T value, duration time) {
    co_await rondo::sleep(time);
    co_return std::move(value);
}

task<int> fail_after(std::string text, duration time) {
    co_await rondo::sleep(time);
    throw std::runtime_error(text);
}

/// Tasks that end after so many milliseconds, giving these.
template <class... Ints>
std::vector<task<int>> after(Ints... milliseconds) {
    std::vector<task<int>> tasks;
    (tasks.push_back(give_after(milliseconds, std::chrono::milliseconds(milliseconds))), ...);
    return tasks;
}

std::string entry(std::size_t index, const outcome<int>& o) {
    if (o.error()) return std::to_string(index) + ": " + text_of(o.error());
    return std::to_string(index) + (o.is_cancelled() ? ": cancelled" : ": value");
}

static_assert(std::is_void_v<rondo::await_result_t<decltype(for_each_completed(
                  std::declval<std::vector<task<int>>>(), std::declval<void (*)(std::size_t, outcome<int>)>()))>>);

}  // namespace

TEST_CASE("for_each_completed gives each outcome with its index, in the order in which the tasks end") {
    lines log;
    const auto main = [&]() -> task<> {
        std::vector<task<int>> tasks = after(3, 1, 4, 0, 2);
        tasks.push_back(fail_after("boom", 2500us));
        co_await for_each_completed(std::move(tasks), [&](std::size_t index, outcome<int> o) {
            log.push_back(entry(index, o));
            if (o.has_value()) CHECK(support::time_point(std::chrono::milliseconds(o.value())) == now());
        });
        CHECK(now() == support::time_point(4ms));
    };
    CHECK(run_and_collect(main()).empty());
    CHECK(log == lines{"3: value", "1: value", "4: value", "5: boom", "0: value", "2: value"});
}

TEST_CASE("tasks that end at the same instant come in the order in which they ended") {
    lines log;
    const auto main = [&]() -> task<> {
        co_await for_each_completed(after(1, 0, 1, 0, 1), [&](std::size_t index, const outcome<int>&) {
            log.push_back(std::to_string(index));
        });
    };
    rondo::testing::run(main());
    CHECK(log == lines{"1", "3", "0", "2", "4"});
}

TEST_CASE("all tasks start in order before f is called, and nothing suspends when none waits") {
    lines log;
    const auto main = [&]() -> task<> {
        rondo::spawn(support::note(log, "other"));
        const auto quick = [&](int number) -> task<int> {
            log.push_back("start " + std::to_string(number));
            co_return number;
        };
        auto all = for_each_completed(std::views::iota(0, 3) | std::views::transform(std::ref(quick)),
                                      [&](std::size_t index, outcome<int> o) {
                                          CHECK(static_cast<std::size_t>(o.value()) == index);
                                          log.push_back("end " + std::to_string(index));
                                      });
        CHECK(log.empty());
        co_await std::move(all);
        log.push_back("after");
        co_await rondo::yield();
    };
    rondo::testing::run(main());
    CHECK(log == lines{"start 0", "start 1", "start 2", "end 0", "end 1", "end 2", "after", "other"});
}

TEST_CASE("for_each_completed of nothing completes at once, and does not call f") {
    lines log;
    const auto main = [&]() -> task<> {
        rondo::spawn(support::note(log, "other"));
        co_await for_each_completed(std::vector<task<>>(),
                                    [&](std::size_t, const outcome<>&) { log.push_back("called"); });
        log.push_back("after");
        co_await rondo::yield();
    };
    rondo::testing::run(main());
    CHECK(log == lines{"after", "other"});
}

TEST_CASE("outcomes are of any kind, and may be kept") {
    int target = 4;
    const auto main = [&]() -> task<> {
        std::vector<task<>> plain;
        for (int i = 0; i < 2; ++i) plain.push_back(support::yields(i));
        int calls = 0;
        co_await for_each_completed(std::move(plain), [&](std::size_t, outcome<> o) {
            o.value();
            ++calls;
        });
        CHECK(calls == 2);

        const auto refer = [&]() -> task<int&> {
            co_await rondo::yield();
            co_return target;
        };
        std::list<task<int&>> referring;
        referring.push_back(refer());
        co_await for_each_completed(std::move(referring),
                                    [&](std::size_t, outcome<int&> o) { CHECK(&o.value() == &target); });

        const auto make = [](int number) -> task<move_only_tracked> {
            co_await rondo::sleep(std::chrono::milliseconds(number));
            co_return move_only_tracked(number);
        };
        std::vector<move_only_tracked> kept;
        co_await for_each_completed(
            std::views::iota(0, 3) | std::views::transform(make),
            [&](std::size_t, outcome<move_only_tracked>&& o) { kept.push_back(std::move(o).value()); });
        CHECK(kept.size() == 3);
        CHECK(kept.at(2).number() == 2);
        CHECK(tracked::live() == 3);
    };
    rondo::testing::run(main());
}

TEST_CASE("f may be a coroutine, and a slow one is awaited while the tasks go on") {
    lines log;
    const auto main = [&]() -> task<> {
        const auto slow = [&](std::size_t index, outcome<int> o) -> task<> {
            log.push_back(std::to_string(index) + " begins");
            co_await rondo::sleep(10ms);
            CHECK(o.value() == static_cast<int>(index) + 1);
            log.push_back(std::to_string(index) + " ends");
        };
        co_await for_each_completed(after(1, 2, 3), slow);
        CHECK(now() == support::time_point(31ms));
    };
    rondo::testing::run(main());
    CHECK(log == lines{"0 begins", "0 ends", "1 begins", "1 ends", "2 begins", "2 ends"});
}

TEST_CASE("a coroutine f may take the outcome by reference, for as long as it runs") {
    const auto main = []() -> task<> {
        std::vector<task<tracked>> tasks;
        for (int i = 0; i < 3; ++i) tasks.push_back(give_after(tracked(i), std::chrono::milliseconds(i)));
        int sum = 0;
        co_await for_each_completed(std::move(tasks),
                                    [&](const std::size_t& index, const outcome<tracked>& o) -> task<> {
                                        const std::size_t before = index;
                                        co_await rondo::sleep(5ms);
                                        if (before == index) sum += const_cast<outcome<tracked>&>(o).value().number();
                                    });
        CHECK(sum == 3);
    };
    rondo::testing::run(main());
}

TEST_CASE("f may give any awaitable, whose result is dropped, or something else") {
    const auto main = []() -> task<> {
        co_await for_each_completed(after(1, 2), [](std::size_t, const outcome<int>&) { return rondo::sleep(1ms); });
        CHECK(now() == support::time_point(3ms));
        co_await for_each_completed(after(1),
                                    [](std::size_t, const outcome<int>&) { return support::give(tracked(1)); });
        CHECK(tracked::live() == 0);
        co_await for_each_completed(after(1), [](std::size_t index, const outcome<int>&) { return index; });
    };
    rondo::testing::run(main());
}

TEST_CASE("f of for_each_completed is kept until the end, and may be move-only") {
    const auto main = []() -> task<> {
        int sum = 0;
        auto f = [owned = std::make_unique<tracked>(5), &sum](std::size_t, outcome<int> o) -> task<> {
            co_await rondo::sleep(1ms);
            sum += owned->number() + o.value();
        };
        auto all = for_each_completed(after(1, 2), std::move(f));
        co_await std::move(all);
        CHECK(sum == 13);
    };
    rondo::testing::run(main());
}

TEST_CASE("a hundred thousand tasks that end at once need no stack") {
    const auto main = []() -> task<> {
        long long sum = 0;
        const auto quick = [](int number) -> task<int> { co_return number; };
        co_await for_each_completed(std::views::iota(0, 100'000) | std::views::transform(quick),
                                    [&](std::size_t, outcome<int> o) { sum += o.value(); });
        CHECK(sum == 4'999'950'000);
    };
    rondo::testing::run(main());
}

TEST_CASE("the caller goes on in the step in which f has ended for the last") {
    lines log;
    const auto main = [&]() -> task<> {
        co_await for_each_completed(after(1), [&](std::size_t, const outcome<int>&) -> task<> {
            rondo::spawn(support::note_after(log, "other", 1ms));
            co_await rondo::yield();
            co_await rondo::yield();
            co_await rondo::sleep(0ms);
            rondo::spawn(support::note(log, "later"));
            log.push_back("f");
        });
        log.push_back("caller");
        co_await rondo::sleep(5ms);
    };
    rondo::testing::run(main());
    CHECK(log == lines{"f", "caller", "later", "other"});
}

// ---- Failures ----

TEST_CASE("a task's exception is in its outcome, and cancels nobody") {
    lines log;
    const auto main = [&]() -> task<> {
        std::vector<task<int>> tasks = after(2);
        tasks.push_back(fail_after("first", 1ms));
        tasks.push_back(fail_after("second", 3ms));
        co_await for_each_completed(std::move(tasks),
                                    [&](std::size_t index, const outcome<int>& o) { log.push_back(entry(index, o)); });
    };
    CHECK(run_and_collect(main()).empty());
    CHECK(log == lines{"1: first", "0: value", "2: second"});
}

TEST_CASE("what f throws cancels the tasks that run, and is rethrown when they are gone") {
    lines log;
    const auto waits = [&](int number) -> task<int> {
        const note_at_exit gone(log, std::to_string(number) + " gone");
        co_await rondo::sleep(std::chrono::milliseconds(number));
        co_return number;
    };
    const auto main = [&](auto f) -> task<> {
        try {
            co_await for_each_completed(std::views::iota(1, 4) | std::views::transform(waits), f);
        } catch (const std::runtime_error& error) {
            log.push_back(error.what());
        }
        CHECK(now() < support::time_point(3ms));
    };
    SECTION("a plain one") {
        const auto f = [&](std::size_t index, const outcome<int>&) {
            if (index == 1) throw std::runtime_error("f");
        };
        CHECK(run_and_collect(main(f)).empty());
        CHECK(log == lines{"1 gone", "2 gone", "3 gone", "f"});
    }
    SECTION("a coroutine") {
        const auto f = [&](std::size_t, const outcome<int>&) -> task<> {
            co_await rondo::sleep(500us);
            throw std::runtime_error("f");
        };
        CHECK(run_and_collect(main(f)).empty());
        REQUIRE(log.size() == 4);
        CHECK(log.front() == "1 gone");
        CHECK(log.back() == "f");
    }
}

TEST_CASE("the value of an outcome, rethrown by f, is the failure of the whole") {
    const auto main = []() -> task<> {
        std::vector<task<int>> tasks = after(1, 1000);
        tasks.push_back(fail_after("boom", 2ms));
        co_await for_each_completed(std::move(tasks), [](std::size_t, outcome<int> o) { o.value(); });
    };
    CHECK_THROWS_AS(rondo::testing::run(main()), std::runtime_error);
}

TEST_CASE("exceptions of tasks that f was not told of any more go to on_unhandled_exception") {
    lines unhandled;
    SECTION("f fails") {
        std::string thrown;
        const auto main = [&]() -> task<> {
            std::vector<task<int>> tasks = after(1);
            tasks.push_back(fail_after("second", 2ms));
            tasks.push_back(fail_after("third", 3ms));
            tasks.push_back(fail_after("never", 1h));
            try {
                co_await for_each_completed(std::move(tasks), [](std::size_t, const outcome<int>&) -> task<> {
                    co_await rondo::sleep(10ms);
                    throw std::runtime_error("first");
                });
            } catch (const std::runtime_error& error) {
                thrown = error.what();
            }
        };
        unhandled = run_and_collect(main());
        CHECK(thrown == "first");
    }
    SECTION("the caller is cancelled") {
        const auto main = []() -> task<> {
            const auto caller = []() -> task<> {
                std::vector<task<int>> tasks = after(1);
                tasks.push_back(fail_after("second", 2ms));
                tasks.push_back(fail_after("third", 3ms));
                co_await for_each_completed(std::move(tasks),
                                            [](std::size_t, const outcome<int>&) { return rondo::sleep(1h); });
            };
            auto victim = rondo::spawn(caller());
            co_await rondo::sleep(10ms);
            victim.cancel();
            CHECK(victim.done());
        };
        unhandled = run_and_collect(main());
    }
    CHECK(unhandled == lines{"second", "third"});
}

TEST_CASE("an outcome that f was told of is reported nowhere else") {
    const auto main = []() -> task<> {
        const auto caller = []() -> task<> {
            std::vector<task<int>> tasks;
            tasks.push_back(fail_after("told", 1ms));
            co_await for_each_completed(std::move(tasks), [](std::size_t, outcome<int>) { return rondo::sleep(1h); });
        };
        auto victim = rondo::spawn(caller());
        co_await rondo::sleep(10ms);
        victim.cancel();
        std::vector<task<int>> tasks;
        tasks.push_back(fail_after("told", 1ms));
        co_await for_each_completed(std::move(tasks), [](std::size_t, const outcome<int>&) {});
    };
    CHECK(run_and_collect(main()).empty());
}

// ---- Cancellation ----

TEST_CASE("a cancelled for_each_completed takes f and the tasks that run along") {
    lines log;
    const auto main = [&]() -> task<> {
        const auto caller = [&]() -> task<> {
            const note_at_exit gone(log, "caller gone");
            const auto waits = [&](int number) -> task<tracked> {
                const note_at_exit out(log, std::to_string(number) + " gone");
                co_await rondo::sleep(std::chrono::milliseconds(number));
                co_return tracked(number);
            };
            co_await for_each_completed(std::views::iota(1, 5) | std::views::transform(waits),
                                        [&](std::size_t, outcome<tracked>) -> task<> {
                                            const note_at_exit out(log, "f gone");
                                            co_await rondo::sleep(1h);
                                        });
        };
        auto victim = rondo::spawn(caller());
        co_await rondo::sleep(2500us);
        CHECK(log == lines{"1 gone", "2 gone"});
        CHECK(tracked::live() >= 2);
        victim.cancel();
        CHECK(victim.done());
        CHECK(tracked::live() == 0);
    };
    CHECK(run_and_collect(main()).empty());
    REQUIRE(log.size() == 6);
    CHECK(log.back() == "caller gone");
}

TEST_CASE("a for_each_completed cancelled while it waits for the first has called nothing") {
    bool called = false;
    const auto main = [&]() -> task<> {
        const auto caller = [&]() -> task<> {
            co_await for_each_completed(after(5, 6), [&](std::size_t, const outcome<int>&) { called = true; });
        };
        auto victim = rondo::spawn(caller());
        co_await rondo::sleep(1ms);
        victim.cancel();
        CHECK(victim.done());
        const bool in_time = co_await rondo::try_with_timeout(
            1ms, for_each_completed(after(5, 6), [&](std::size_t, const outcome<int>&) { called = true; }));
        CHECK(!in_time);
        co_await rondo::sleep(1s);
    };
    rondo::testing::run(main());
    CHECK(!called);
}

TEST_CASE("a cancelled for_each_completed waits for a task that cannot be withdrawn, and does not tell f of it") {
    bool called = false;
    support::parking place;
    const auto main = [&]() -> task<> {
        const auto parked = [&]() -> task<> { co_await place; };
        const auto caller = [&]() -> task<> {
            std::vector<task<>> tasks;
            tasks.push_back(parked());
            co_await for_each_completed(std::move(tasks), [&](std::size_t, const outcome<>&) { called = true; });
        };
        auto victim = rondo::spawn(caller());
        co_await rondo::sleep(1ms);
        victim.cancel();
        CHECK(!victim.done());
        place.resume();
        co_await rondo::sleep(1ms);
        CHECK(victim.done());
    };
    rondo::testing::run(main());
    CHECK(!called);
}

TEST_CASE("a for_each_completed that is never awaited destroys its tasks unstarted") {
    const auto late = [](tracked) -> task<> { co_return; };
    std::vector<task<>> tasks;
    for (int i = 0; i < 3; ++i) tasks.push_back(late(tracked(i)));
    {
        const auto unused = for_each_completed(std::move(tasks), [](std::size_t, const outcome<>&) {});
        CHECK(tracked::live() == 3);
    }
    CHECK(tracked::live() == 0);
}

TEST_CASE("the stuck report names the line where a task of for_each_completed waits") {
    unsigned line = 0;
    const auto stuck = [&]() -> task<> {
        line = __LINE__ + 1;
        co_await support::for_ever();
    };
    const auto main = [&]() -> task<> {
        std::vector<task<>> tasks;
        tasks.push_back(stuck());
        co_await for_each_completed(std::move(tasks), [](std::size_t, const outcome<>&) {});
    };
    std::string report;
    try {
        rondo::testing::run(main());
    } catch (const rondo::deadlock_error& error) {
        report = error.what();
    }
    INFO(report);
    CHECK(report.find("for_each_completed.cpp:" + std::to_string(line)) != std::string::npos);
}

namespace {

class everything final : public swept {
public:
    task<> program() override {
        household home(outrun);
        std::vector<task<tracked>> tasks;
        for (int i = 0; i < 7; ++i) tasks.push_back(leaf(home, 6 - i));
        std::vector<std::size_t> order;
        co_await for_each_completed(std::move(tasks), [&](std::size_t index, outcome<tracked> o) -> task<> {
            const household::child here(home);
            point();
            if (o.value().number() != 6 - static_cast<int>(index)) throw std::logic_error("wrong index");
            order.push_back(index);
            co_await rondo::sleep(1ms);
            point();
        });
        if (order != std::vector<std::size_t>{0, 3, 6, 5, 4, 2, 1}) throw std::logic_error("wrong order");
        point();
        try {
            std::vector<task<tracked>> others;
            for (int i = 0; i < 3; ++i) others.push_back(leaf(home, 2 * i));
            co_await for_each_completed(std::move(others), [&](std::size_t index, const outcome<tracked>&) {
                point();
                if (index == 1) throw std::runtime_error("enough");
            });
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
};

}  // namespace

TEST_CASE("a program of for_each_completed is right under every sweep") { sweeps::all<everything>(80, 20); }
