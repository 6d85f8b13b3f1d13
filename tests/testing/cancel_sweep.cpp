// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

#include <support/journal.hpp>
#include <support/leak_check.hpp>
#include <support/native_operation.hpp>
#include <support/tasks.hpp>
#include <support/tracked.hpp>

#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>
#include <rondo/testing/cancel_sweep.hpp>

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using rondo::task;
using rondo::testing::cancel_sweep;
using support::lines;
using support::note_at_exit;
using support::tracked;

namespace {

const auto no_check = [] {};

/// How far each run has come.
class progress {
public:
    progress() = default;
    std::vector<int> reached;  // of each run
    int now = 0;

    auto noting() {
        return [this] { reached.push_back(std::exchange(now, 0)); };
    }
};

task<> counts_yields(int& reached, int times) {
    for (int i = 0; i < times; ++i) {
        co_await rondo::yield();
        ++reached;
    }
}

template <class F>
std::string what_it_throws(F action) {
    try {
        action();
    } catch (const std::exception& error) {
        return error.what();
    }
    return "nothing";
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

// --- which runs there are ---

TEST_CASE("a program is cancelled at its first suspension, its second, and so on, and then left alone") {
    progress p;
    const std::size_t runs = cancel_sweep([&] { return counts_yields(p.now, 4); }, p.noting());
    CHECK(runs == 4);
    // Cancelled at the nth suspension: n - 1 yields are behind it.
    CHECK(p.reached == std::vector<int>{0, 1, 2, 3, 4});
}

TEST_CASE("a program that never suspends is not cancelled at all") {
    int calls = 0;
    CHECK(cancel_sweep(support::nothing, [&] { ++calls; }) == 0);
    CHECK(calls == 1);
}

TEST_CASE("a check may ask where the run was cancelled: zero is the undisturbed one") {
    std::vector<std::size_t> asked;
    const std::size_t runs =
        cancel_sweep([] { return support::yields(3); }, [&](std::size_t at) { asked.push_back(at); });
    CHECK(runs == 3);
    CHECK(asked == std::vector<std::size_t>{1, 2, 3, 0});
}

TEST_CASE("the check comes after each run, when its loop and all that was in it is gone") {
    std::size_t checks = 0;
    auto keeps = []() -> task<> {
        const tracked local(1);
        auto beside = rondo::spawn([]() -> task<> {
            const tracked own(2);
            co_await support::for_ever();
        });
        for (int i = 0; i < 3; ++i) co_await rondo::yield();
    };
    cancel_sweep(keeps, [&] {
        ++checks;
        CHECK(tracked::live() == 0);
        CHECK(rondo::testing::live_frames() == 0);
        CHECK_THROWS_AS(rondo::event_loop::current(), std::logic_error);
    });
    CHECK(checks >= 4);
}

TEST_CASE("make_task is called once for each run, after the check of the one before") {
    lines log;
    cancel_sweep(
        [&] {
            log.push_back("make");
            return support::yields(2);
        },
        [&] { log.push_back("check"); });
    CHECK(log == lines{"make", "check", "make", "check", "make", "check"});
}

TEST_CASE("time is virtual, and begins anew with each run") {
    const std::size_t runs = cancel_sweep(
        []() -> task<> {
            CHECK(rondo::event_loop::current().now() == rondo::time_point());
            co_await rondo::sleep(1'000h);
            co_await rondo::sleep(1'000h);
            CHECK(rondo::event_loop::current().now() == rondo::time_point() + 2'000h);
        },
        no_check);
    CHECK(runs == 2);
}

TEST_CASE("steps of spawned tasks are points to cancel at, too") {
    int reached = 0;
    std::vector<int> at_end;
    cancel_sweep(
        [&]() -> task<> {
            reached = 0;
            auto other = rondo::spawn(counts_yields(reached, 3));
            co_await other;
        },
        [&] { at_end.push_back(reached); });
    for (int i = 0; i <= 3; ++i) CHECK(std::count(at_end.begin(), at_end.end(), i) >= 1);
    CHECK(at_end.back() == 3);
}

TEST_CASE("a spawned task that outlives the program is cancelled with the loop, and no more runs are made for it") {
    int gone = 0;
    const std::size_t runs = cancel_sweep(
        [&]() -> task<> {
            (void)rondo::spawn(
                [](int& count) -> task<> {
                    const support::call_at_exit leaves([&count] { ++count; });
                    co_await support::for_ever();
                },
                std::ref(gone));
            co_await rondo::yield();
            co_await rondo::yield();
        },
        no_check);
    CHECK(gone >= 2);
    CHECK(runs >= 2);
    CHECK(runs <= 4);
}

TEST_CASE("what a loop does at its end, when the program is over, is nothing to cancel") {
    int ends = 0;
    const std::size_t runs = cancel_sweep(
        [&]() -> task<> {
            const auto cleans_up = [&ends]() -> task<> {
                co_await support::yields(10);
                ++ends;
            };
            const auto waits = [](auto cleanup) -> task<> { co_await rondo::finally(support::stuck(), cleanup); };
            (void)rondo::spawn(waits, cleans_up);
            co_await rondo::yield();
        },
        [&](std::size_t at) { CHECK(at <= 3); });
    CHECK(runs <= 3);  // main starts; it starts; main ends
    CHECK(ends >= 1);
}

// --- only one of them ---

TEST_CASE("only: the one run that is cancelled after so many steps") {
    std::vector<std::size_t> asked;
    int reached = 0;
    const std::size_t runs =
        cancel_sweep([&] { return counts_yields(reached, 4); }, [&](std::size_t at) { asked.push_back(at); }, 3);
    CHECK(runs == 1);
    CHECK(asked == std::vector<std::size_t>{3});
    CHECK(reached == 2);
}

TEST_CASE("only: where the program ends before, that one run is undisturbed, and none was cancelled") {
    for (const std::size_t only : {std::size_t{5}, std::size_t{100}}) {
        std::vector<std::size_t> asked;
        int reached = 0;
        const std::size_t runs =
            cancel_sweep([&] { return counts_yields(reached, 2); }, [&](std::size_t at) { asked.push_back(at); }, only);
        CHECK(runs == 0);
        CHECK(asked == std::vector<std::size_t>{0});
        CHECK(reached == 2);
    }
}

// --- what is found ---

TEST_CASE("a local that is not given back when it is cancelled is found by the check") {
    int open = 0;
    std::vector<std::size_t> found;
    cancel_sweep(
        [&]() -> task<> {
            open = 0;
            co_await rondo::yield();
            ++open;
            co_await rondo::yield();  // here it is forgotten
            --open;
            co_await rondo::yield();
        },
        [&](std::size_t at) {
            if (open != 0) found.push_back(at);
        });
    CHECK(found == std::vector<std::size_t>{2});
}

TEST_CASE("frames that are left are reported, with the run in which it happened") {
    std::vector<task<>> hoard;
    const std::string text = what_it_throws([&] {
        cancel_sweep(
            [&]() -> task<> {
                co_await rondo::yield();
                hoard.push_back(support::nothing());
                co_await rondo::yield();
            },
            no_check);
    });
    INFO(text);
    CHECK(contains(text, "1 frames have leaked"));
    CHECK(contains(text, "cancelled after step 2"));
    CHECK(hoard.size() == 1);
}

TEST_CASE("a leak is a std::logic_error, and shows in the undisturbed run as well") {
    std::vector<task<>> hoard;
    CHECK_THROWS_AS(cancel_sweep(
                        [&]() -> task<> {
                            hoard.push_back(support::nothing());
                            co_return;
                        },
                        no_check),
                    std::logic_error);
}

TEST_CASE("frames that were there before are no leak, and neither is it one when they go") {
    std::vector<task<>> stock;
    for (int i = 0; i < 10; ++i) stock.push_back(support::yields(1));
    const std::size_t runs = cancel_sweep(
        [&] {
            task<> one = std::move(stock.back());
            stock.pop_back();
            return one;
        },
        no_check);
    CHECK(runs == 1);
}

// --- what is thrown ---

TEST_CASE("what the check throws ends the sweep") {
    int calls = 0;
    CHECK_THROWS_AS(cancel_sweep([] { return support::yields(5); },
                                 [&] {
                                     if (++calls == 3) throw std::range_error("found");
                                 }),
                    std::range_error);
    CHECK(calls == 3);
}

TEST_CASE("what the undisturbed run throws is thrown") {
    int runs = 0;
    CHECK_THROWS_AS(cancel_sweep(
                        [&]() -> task<> {
                            ++runs;
                            co_await rondo::yield();
                            co_await rondo::yield();
                            throw std::range_error("always");
                        },
                        no_check),
                    std::range_error);
    CHECK(runs >= 3);
}

TEST_CASE("a spawned task's failure that nobody takes is the undisturbed run's as well") {
    CHECK_THROWS_AS(cancel_sweep(
                        []() -> task<> {
                            (void)rondo::spawn(support::fail("nobody takes it"));
                            co_await rondo::sleep(1s);
                        },
                        no_check),
                    std::runtime_error);
}

TEST_CASE("a program that is stuck throws the deadlock in its undisturbed run") {
    const std::string text = what_it_throws([] { cancel_sweep(support::stuck, no_check); });
    CHECK(contains(text, "deadlock"));
}

TEST_CASE("what cancelled runs throw is dropped") {
    int thrown = 0;
    const auto cleanup = [&thrown]() -> task<> {
        ++thrown;
        throw std::range_error("a cleanup's");
        co_return;
    };
    bool is_last = false;
    auto program = [&]() -> task<> {
        is_last = false;
        try {
            co_await rondo::finally(support::yields(3), cleanup);
        } catch (const std::range_error&) {
            is_last = true;
        }
    };
    cancel_sweep(program, no_check);
    CHECK(thrown >= 4);
    CHECK(is_last);
}

TEST_CASE("a task of make_task's that cannot be made throws, and nothing is left") {
    CHECK_THROWS_AS(cancel_sweep([]() -> task<> { throw std::range_error("no task"); }, no_check), std::range_error);
    CHECK(rondo::testing::live_frames() == 0);
}

// --- programs that use all there is ---

TEST_CASE("uncancellable operations end, whatever the point of cancellation") {
    int begun = 0, ended = 0;
    const auto commits = [&]() -> task<> {
        ++begun;
        co_await support::yields(2);
        co_await rondo::sleep(1s);
        ++ended;
    };
    const std::size_t runs = cancel_sweep(
        [&]() -> task<> {
            begun = ended = 0;
            co_await rondo::yield();
            co_await rondo::uncancellable(commits());
            co_await rondo::yield();
        },
        [&](std::size_t at) {
            CHECK(begun == ended);
            if (at == 0) CHECK(ended == 1);
        });
    CHECK(runs >= 5);
}

TEST_CASE("cleanups run to their end, whatever the point of cancellation") {
    int opened = 0, closed = 0;
    const auto uses = [&]() -> task<> {
        ++opened;
        co_await support::yields(2);
    };
    const auto closes = [&]() -> task<> {
        co_await rondo::sleep(1s);
        ++closed;
    };
    cancel_sweep(
        [&]() -> task<> {
            opened = closed = 0;
            co_await rondo::yield();
            co_await rondo::finally(uses(), closes);
            co_await rondo::yield();
        },
        [&] { CHECK(opened == closed); });
    CHECK(opened == 1);
}

TEST_CASE("a cleanup is cancelled in no run, but the program is in the middle of it") {
    std::vector<std::size_t> during;
    bool cleans = false;
    int steps = 0;
    auto cleanup = [&]() -> task<> {
        cleans = true;
        for (int i = 0; i < 3; ++i) {
            co_await rondo::yield();
            ++steps;
        }
        cleans = false;
    };
    bool went_on = false;
    cancel_sweep(
        [&]() -> task<> {
            steps = 0;
            went_on = false;
            co_await rondo::finally(support::nothing(), cleanup);
            went_on = true;
        },
        [&](std::size_t at) {
            CHECK(!cleans);
            CHECK(steps == 3);
            CHECK(went_on == (at == 0));
            if (at != 0) during.push_back(at);
        });
    CHECK(during.size() == 3);
}

TEST_CASE("a group takes its children along at every point") {
    int children = 0;
    std::size_t most = 0;
    cancel_sweep(
        [&]() -> task<> {
            co_await rondo::with_task_group([&](rondo::task_group& group) -> task<> {
                for (int i = 0; i < 3; ++i) {
                    group.spawn(
                        [](int& count, int number) -> task<> {
                            ++count;
                            const support::call_at_exit leaves([&count] { --count; });
                            co_await rondo::sleep(number * 1s);
                        },
                        std::ref(children), i);
                    co_await rondo::yield();
                }
                most = group.size();
            });
            CHECK(children == 0);
        },
        [&] { CHECK(children == 0); });
    CHECK(most > 0);
}

TEST_CASE("messages are in the queue, or with whoever had them when the program was cancelled") {
    std::vector<int> taken;
    std::unique_ptr<rondo::bounded_queue<int>> queue;
    int pushed = 0;
    const std::size_t runs = cancel_sweep(
        [&]() -> task<> {
            queue = std::make_unique<rondo::bounded_queue<int>>(2);
            taken.clear();
            pushed = 0;
            auto produces = [](rondo::bounded_queue<int>& q, int& count) -> task<> {
                for (; count < 5; ++count) co_await q.push(count);
                q.close();
            };
            auto consumes = [](rondo::bounded_queue<int>& q, std::vector<int>& got) -> task<> {
                while (auto m = co_await q.pop()) got.push_back(*m);
            };
            co_await rondo::when_all(produces(*queue, pushed), consumes(*queue, taken), consumes(*queue, taken));
        },
        [&](std::size_t at) {
            while (auto m = queue->try_pop()) taken.push_back(*m);
            const int found = static_cast<int>(taken.size());
            CHECK((found == pushed || found == pushed + 1));  // given room, but not gone on
            for (int i = 0; i < found; ++i) CHECK(taken[static_cast<std::size_t>(i)] == i);
            if (at == 0) CHECK(found == 5);
        });
    CHECK(runs > 3);
}

TEST_CASE("a program that would never end by itself once it is cancelled is ended") {
    int runs = 0;
    auto never_cleans = [&]() -> task<> {
        ++runs;
        bool is_disturbed = true;
        const auto cleanup = [&is_disturbed]() -> task<> {
            if (is_disturbed) co_await support::for_ever();
        };
        const auto body = [&is_disturbed]() -> task<> {
            co_await support::yields(3);
            is_disturbed = false;
        };
        co_await rondo::finally(body(), cleanup);
    };
    CHECK(cancel_sweep(never_cleans, no_check) >= 3);
    CHECK(runs >= 4);
}

TEST_CASE("what refuses to be withdrawn and is never resumed is ended as well, in main and beside it") {
    auto refuses = []() -> task<> {
        rondo::event gate;
        auto opens = [](rondo::event& e) -> task<> {
            co_await support::yields(2);
            e.set();
        };
        const auto waits = [&gate]() -> task<> { co_await gate.wait(); };
        co_await rondo::when_all(opens(gate), rondo::uncancellable(waits()));
        auto beside = rondo::spawn([]() -> task<> { co_await rondo::uncancellable(support::stuck()); });
        co_await support::yields(2);
    };
    CHECK(cancel_sweep(refuses, no_check) >= 4);
}

TEST_CASE("a program that cancels others, and is cancelled in between, leaves nothing") {
    cancel_sweep(
        []() -> task<> {
            auto first = rondo::spawn(support::stuck());
            auto second = rondo::spawn(support::yields(5));
            co_await rondo::yield();
            first.cancel();
            const auto end = co_await first.settled();
            CHECK(end.is_cancelled());
            second.cancel();
            co_await rondo::yield();
        },
        no_check);
}

TEST_CASE("a handle that outlives its run is no leak when the check lets go of it") {
    rondo::join_handle<> kept;
    const auto keeps = [&]() -> task<> {
        kept = rondo::spawn(support::yields(1));
        co_await rondo::yield();
        co_await rondo::yield();
    };
    CHECK(rondo::testing::cancel_sweep([&] { return keeps(); }, [&] { kept = rondo::join_handle<>(); }) > 0);
    CHECK(rondo::testing::allocation_sweep([&] { return keeps(); }, [&] { kept = rondo::join_handle<>(); }) > 0);
    CHECK(rondo::testing::explore([&] { return keeps(); }, [&] { kept = rondo::join_handle<>(); }).is_complete);
    CHECK_THROWS_AS(rondo::testing::cancel_sweep([&] { return keeps(); }, [] {}), std::logic_error);
    kept = rondo::join_handle<>();
}

TEST_CASE("a program that stops its own loop") {
    int after = 0;
    cancel_sweep(
        [&]() -> task<> {
            co_await rondo::yield();
            rondo::event_loop::current().stop();
            co_await rondo::yield();
            ++after;
        },
        no_check);
    CHECK(after == 0);
}

TEST_CASE("a sweep may be made inside a check, and its counts are its own") {
    std::size_t inner = 0;
    const std::size_t outer = cancel_sweep([] { return support::yields(2); },
                                           [&] { inner += cancel_sweep([] { return support::yields(1); }, no_check); });
    CHECK(outer == 2);
    CHECK(inner == 3);
}
