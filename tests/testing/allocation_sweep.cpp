// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

#include <support/journal.hpp>
#include <support/leak_check.hpp>
#include <support/tasks.hpp>
#include <support/tracked.hpp>

#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>
#include <rondo/testing/allocation_sweep.hpp>

#include <catch2/catch_test_macros.hpp>

#include <cstddef>
#include <functional>
#include <new>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using rondo::task;
using rondo::testing::allocation_sweep;
using support::lines;
using support::tracked;

namespace {

const auto no_check = [] {};

/// Three frames: its own and two awaited ones.
task<> awaits_two(lines& log) {
    log.clear();
    co_await support::note(log, "one");
    co_await support::note(log, "two");
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

TEST_CASE("each frame fails once, and then none does") {
    lines log;
    std::vector<std::size_t> asked;
    std::vector<lines> logs;
    const std::size_t failed = allocation_sweep(
        [&] {
            log.clear();
            return awaits_two(log);
        },
        [&](std::size_t nth) {
            asked.push_back(nth);
            logs.push_back(log);
        });
    CHECK(failed == 3);
    CHECK(asked == std::vector<std::size_t>{1, 2, 3, 0});
    CHECK(logs == std::vector<lines>{{}, {}, {"one"}, {"one", "two"}});
}

TEST_CASE("the records of spawned tasks fail as well, with nothing started or left") {
    bool started = false;
    std::vector<bool> seen;
    const std::size_t failed = allocation_sweep(
        [&]() -> task<> {
            started = false;
            auto begins = [](bool& has) -> task<> {
                has = true;
                co_return;
            };
            auto handle = rondo::spawn(begins(started));
            co_await handle;
        },
        [&] { seen.push_back(started); });
    CHECK(failed == 3);  // main, the task, its record
    CHECK(seen == std::vector<bool>{false, false, false, true});
}

TEST_CASE("a check without an argument, and one that throws") {
    int calls = 0;
    CHECK(allocation_sweep(support::nothing, [&] { ++calls; }) == 1);
    CHECK(calls == 2);
    CHECK_THROWS_AS(allocation_sweep(support::nothing, [] { throw std::range_error("found"); }), std::range_error);
}

TEST_CASE("the check comes when the loop of its run, and all that was in it, is gone") {
    lines log;
    allocation_sweep(
        [&]() -> task<> {
            const tracked local(1);
            (void)rondo::spawn(support::waits_for_ever(log, "beside"));
            co_await support::nap(1s);
        },
        [] {
            CHECK(tracked::live() == 0);
            CHECK(rondo::testing::live_frames() == 0);
        });
}

TEST_CASE("only: the one run in which that allocation fails") {
    lines log;
    std::vector<std::size_t> asked;
    const auto examine = [&](std::size_t nth) { asked.push_back(nth); };
    CHECK(allocation_sweep([&] { return awaits_two(log); }, examine, 2) == 1);
    CHECK(asked == std::vector<std::size_t>{2});
}

TEST_CASE("only: where there are fewer allocations, that one run is undisturbed, and none has failed") {
    for (const std::size_t only : {std::size_t{5}, std::size_t{100}}) {
        lines log;
        std::vector<std::size_t> asked;
        const auto examine = [&](std::size_t nth) { asked.push_back(nth); };
        CHECK(allocation_sweep([&] { return awaits_two(log); }, examine, only) == 0);
        CHECK(asked == std::vector<std::size_t>{0});
        CHECK(log == lines{"one", "two"});
    }
}

TEST_CASE("a program that does without what it could not have goes on") {
    int tried = 0, without = 0;
    const std::size_t failed = allocation_sweep(
        [&]() -> task<> {
            ++tried;
            try {
                co_await support::nap(1s);
            } catch (const std::bad_alloc&) {
                ++without;
            }
        },
        no_check);
    CHECK(failed == 2);
    CHECK(without == 1);
    CHECK(tried == 2);  // the frame of the first run's main was refused
}

TEST_CASE("what is thrown and is no std::bad_alloc is thrown on") {
    CHECK_THROWS_AS(allocation_sweep([] { return support::fail("always"); }, no_check), std::runtime_error);
    // Also in a run in which an allocation has failed.
    CHECK_THROWS_AS(allocation_sweep(
                        []() -> task<> {
                            try {
                                co_await support::nap(1s);
                            } catch (const std::bad_alloc&) {
                                throw std::range_error("instead");
                            }
                        },
                        no_check),
                    std::range_error);
}

TEST_CASE("a program's own std::bad_alloc, with memory there, is thrown on") {
    CHECK_THROWS_AS(allocation_sweep(
                        []() -> task<> {
                            throw std::bad_alloc();
                            co_return;
                        },
                        no_check),
                    std::bad_alloc);
}

TEST_CASE("a program that gets stuck without memory shows") {
    const std::string text = what_it_throws([] {
        allocation_sweep(
            []() -> task<> {
                rondo::event done;
                auto sets = [](rondo::event& e) -> task<> {
                    e.set();
                    co_return;
                };
                try {
                    (void)rondo::spawn(sets(done));
                } catch (const std::bad_alloc&) {  // and now nobody will set it
                }
                co_await done.wait();
            },
            no_check);
    });
    INFO(text);
    CHECK(contains(text, "deadlock"));
    CHECK(contains(text, "event::wait"));
}

TEST_CASE("frames that are left are reported, with the run in which it happened") {
    std::vector<task<>> hoard;
    const std::string text = what_it_throws([&] {
        allocation_sweep(
            [&]() -> task<> {
                task<> kept = support::nothing();
                hoard.push_back(std::move(kept));
                co_await support::nap(1s);
            },
            no_check);
    });
    INFO(text);
    CHECK(contains(text, "1 frames have leaked"));
    CHECK(contains(text, "no memory for frame 3"));
}

TEST_CASE("frames that go are no leak") {
    std::vector<task<>> stock;
    for (int i = 0; i < 10; ++i) stock.push_back(support::yields(1));
    const std::size_t failed = allocation_sweep(
        [&] {
            task<> one = std::move(stock.back());
            stock.pop_back();
            return one;
        },
        no_check);
    CHECK(failed == 0);
}

TEST_CASE("groups, races, cleanups, queues and generators survive every failure") {
    int begun = 0, cleaned = 0;
    const std::size_t failed = allocation_sweep(
        [&]() -> task<> {
            begun = cleaned = 0;
            rondo::bounded_queue<tracked> queue(1);
            const auto body = [&]() -> task<> {
                ++begun;
                co_await rondo::with_task_group([&](rondo::task_group& group) -> task<> {
                    group.spawn(
                        [](rondo::bounded_queue<tracked>& q) -> task<> {
                            for (int i = 0; i < 3; ++i) co_await q.emplace(i);
                            q.close();
                        },
                        std::ref(queue));
                    while (auto m = co_await rondo::with_timeout(1s, queue.pop())) co_await support::nap(1ms);
                });
                auto numbers = []() -> rondo::async_generator<int> {
                    for (int i = 0; i < 2; ++i) {
                        co_await rondo::yield();
                        co_yield i;
                    }
                }();
                while (auto n = co_await numbers.next()) co_await rondo::when_any(support::nap(1s), support::nap(2s));
            };
            const auto cleanup = [&]() -> task<> {
                ++cleaned;
                co_return;
            };
            co_await rondo::finally(body(), cleanup);
        },
        [&](std::size_t nth) {
            CHECK(tracked::live() == 0);
            CHECK(cleaned <= begun);
            if (nth == 0) CHECK(cleaned == 1);
        });
    CHECK(failed > 10);
}
