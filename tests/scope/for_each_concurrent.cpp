// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

// for_each_concurrent: limits, starts, failures, cancellation. What ranges and elements it takes is in for_each_concurrent_ranges.cpp.

#include <support/allocations.hpp>
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
#include <functional>
#include <limits>
#include <numeric>
#include <optional>
#include <ranges>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using rondo::for_each_concurrent;
using rondo::task;
using support::household;
using support::lines;
using support::note_at_exit;
using support::sweeps;
using support::swept;
using support::tracked;

using duration = support::clock::duration;

constexpr std::size_t no_limit = std::numeric_limits<std::size_t>::max();

auto now() { return rondo::event_loop::current().now(); }

task<> fail_after(std::string text, duration time) {
    co_await rondo::sleep(time);
    throw std::runtime_error(text);
}

task<> starts_and_ends(lines& log, std::string name, duration time) {
    const note_at_exit gone(log, name + " gone");
    log.push_back(name);
    co_await rondo::sleep(time);
    log.push_back(name + " ends");
}

std::vector<int> up_to(int count) {
    std::vector<int> numbers(static_cast<std::size_t>(count));
    std::iota(numbers.begin(), numbers.end(), 0);
    return numbers;
}

}  // namespace

TEST_CASE("for_each_concurrent awaits f for each element, never more than its limit at a time") {
    for (const std::size_t limit : {std::size_t(1), std::size_t(3), std::size_t(7), std::size_t(10), no_limit}) {
        int running = 0;
        int most = 0;
        std::vector<int> seen;
        const auto works = [&](int number) -> task<> {
            most = (std::max)(most, ++running);
            seen.push_back(number);
            co_await rondo::sleep(1ms);
            --running;
        };
        const auto main = [&]() -> task<> {
            co_await for_each_concurrent(up_to(10), limit, works);
            const auto at_a_time = static_cast<int>((std::min)(limit, std::size_t(10)));
            CHECK(now() == support::time_point((10 + at_a_time - 1) / at_a_time * 1ms));
            CHECK(most == at_a_time);
        };
        rondo::testing::run(main());
        CHECK(running == 0);
        CHECK(seen == up_to(10));
    }
}

TEST_CASE("elements start in order, each in the step in which there is room for it") {
    lines log;
    const auto main = [&]() -> task<> {
        const std::vector<std::pair<std::string, duration>> jobs = {{"a", 3ms}, {"b", 1ms}, {"c", 1ms}, {"d", 2ms}};
        rondo::spawn(support::note_after(log, "other", 1ms));
        auto all =
            for_each_concurrent(jobs, 2, [&](const auto& job) { return starts_and_ends(log, job.first, job.second); });
        CHECK(log.empty());  // nothing starts before it is awaited
        co_await std::move(all);
        log.push_back("after");
    };
    rondo::testing::run(main());
    CHECK(log == lines{"a", "b", "b ends", "b gone", "c", "other", "c ends", "c gone", "d", "a ends", "a gone",
                       "d ends", "d gone", "after"});
}

TEST_CASE("with a limit of one the elements come one after the other") {
    lines log;
    const auto main = [&]() -> task<> {
        co_await for_each_concurrent(up_to(3), 1, [&](int number) -> task<> {
            log.push_back(std::to_string(number));
            co_await rondo::sleep(std::chrono::milliseconds(3 - number));
            log.push_back("end of " + std::to_string(number));
        });
    };
    rondo::testing::run(main());
    CHECK(log == lines{"0", "end of 0", "1", "end of 1", "2", "end of 2"});
}

TEST_CASE("a limit of zero throws std::invalid_argument, also for an empty range") {
    const auto main = []() -> task<> {
        const auto f = [](int) { return support::nothing(); };
        for (const int count : {0, 3}) {
            bool caught = false;
            try {
                co_await for_each_concurrent(up_to(count), 0, f);
            } catch (const std::invalid_argument&) {
                caught = true;
            }
            CHECK(caught);
        }
    };
    rondo::testing::run(main());
}

TEST_CASE("an empty range completes at once, and f is not called") {
    lines log;
    const auto main = [&]() -> task<> {
        rondo::spawn(support::note(log, "other"));
        for (const std::size_t limit : {std::size_t(1), no_limit})
            co_await for_each_concurrent(std::vector<int>(), limit, [&](int) { return support::note(log, "called"); });
        log.push_back("after");
        co_await rondo::yield();
    };
    rondo::testing::run(main());
    CHECK(log == lines{"after", "other"});
}

TEST_CASE("a million elements that end at once need neither stack nor a suspension") {
    lines log;
    for (const std::size_t limit : {1U, 100U}) {
        log.clear();
        const auto main = [&]() -> task<> {
            rondo::spawn(support::note(log, "other"));
            long long sum = 0;
            co_await for_each_concurrent(std::views::iota(0, 1'000'000), limit, [&](int number) -> task<> {
                sum += number;
                co_return;
            });
            CHECK(sum == 499'999'500'000);
            log.push_back("after");
            co_await rondo::yield();
        };
        rondo::testing::run(main());
        CHECK(log == lines{"after", "other"});
    }
}

TEST_CASE("the caller goes on in the step in which the last element ends") {
    lines log;
    const auto main = [&]() -> task<> {
        rondo::spawn(
            [](lines& to) -> task<> {
                co_await rondo::sleep(1ms);
                co_await rondo::sleep(1ms);
                to.push_back("other");
            },
            std::ref(log));
        co_await for_each_concurrent(up_to(3), 2, [](int) { return support::nap(1ms); });
        log.push_back("after");
        co_await rondo::sleep(1ms);
    };
    rondo::testing::run(main());
    CHECK(log == lines{"after", "other"});
}

TEST_CASE("f may give any awaitable, whose result is dropped") {
    rondo::bounded_queue<int> queue(10);
    const auto main = [&]() -> task<> {
        const auto start = now();
        co_await for_each_concurrent(up_to(4), 2,
                                     [](int number) { return rondo::sleep(std::chrono::milliseconds(number)); });
        CHECK(now() - start == 4ms);
        co_await for_each_concurrent(up_to(4), 2, [&](int number) { return queue.emplace(number); });
        CHECK(queue.size() == 4);
        co_await for_each_concurrent(up_to(4), 2, [&](int) { return queue.pop(); });
        CHECK(queue.empty());
        co_await for_each_concurrent(up_to(4), 2, [](int) { return rondo::yield(); });
        co_await for_each_concurrent(up_to(4), 2, [](int number) { return support::give(tracked(number)); });
        CHECK(tracked::live() == 0);
        int target = 0;
        const auto refer = [&](int) -> task<int&> {
            ++target;
            co_return target;
        };
        co_await for_each_concurrent(up_to(4), 2, refer);
        CHECK(target == 4);
        co_await for_each_concurrent(up_to(4), 2,
                                     [](int) { return rondo::when_all(support::nap(1ms), rondo::yield()); });
        co_await for_each_concurrent(up_to(4), 2, [](int) { return rondo::spawn(support::nap(1ms)); });
    };
    rondo::testing::run(main());
}

TEST_CASE("f is kept until the end") {
    const auto main = []() -> task<> {
        const tracked captured(5);
        auto f = [captured](int number) -> task<> {
            co_await rondo::sleep(std::chrono::milliseconds(number));
            CHECK(captured.number() == 5);
        };
        auto all = for_each_concurrent(up_to(5), 2, std::move(f));
        co_await std::move(all);
    };
    rondo::testing::run(main());
}

TEST_CASE("f may be move-only, and have state") {
    const auto main = []() -> task<> {
        auto owned = std::make_unique<int>(0);
        int* const count = owned.get();
        int last = 0;
        auto f = [count, &last, owned = std::move(owned)](int) mutable {
            last = ++*owned;
            return *count == last ? support::nothing() : support::fail("two states");
        };
        co_await for_each_concurrent(up_to(5), 2, std::move(f));
        CHECK(last == 5);
    };
    rondo::testing::run(main());
}

// ---- Failures ----

TEST_CASE("the first exception cancels those that run, starts no more, and is rethrown when all are gone") {
    lines log;
    const auto main = [&]() -> task<> {
        try {
            co_await for_each_concurrent(up_to(6), 3, [&](int number) -> task<> {
                if (number == 1) return fail_after("boom", 1ms);
                return starts_and_ends(log, std::to_string(number), 1h);
            });
        } catch (const std::runtime_error& error) {
            log.push_back(error.what());
        }
    };
    rondo::testing::run(main());
    REQUIRE(log.size() == 5);
    std::sort(log.begin() + 2, log.begin() + 4);
    CHECK(log == lines{"0", "2", "0 gone", "2 gone", "boom"});
}

TEST_CASE("what f throws by itself is a failure like any other") {
    lines log;
    SECTION("at once") {
        const auto main = [&]() -> task<> {
            co_await for_each_concurrent(up_to(6), 3, [&](int number) -> task<> {
                if (number == 1) throw std::runtime_error("boom");
                return starts_and_ends(log, std::to_string(number), 1h);
            });
        };
        CHECK_THROWS_AS(rondo::testing::run(main()), std::runtime_error);
        CHECK(log == lines{"0", "0 gone"});
    }
    SECTION("later") {
        const auto main = [&]() -> task<> {
            co_await for_each_concurrent(up_to(6), 2, [&](int number) -> task<> {
                if (number == 2) throw std::runtime_error("boom");
                return starts_and_ends(log, std::to_string(number), number == 0 ? 1h : 1ms);
            });
        };
        CHECK_THROWS_AS(rondo::testing::run(main()), std::runtime_error);
        CHECK(log == lines{"0", "1", "1 ends", "1 gone", "0 gone"});
    }
}

TEST_CASE("a range that throws by itself is a failure like any other") {
    lines log;
    const auto main = [&]() -> task<> {
        auto numbers = std::views::iota(0, 5) | std::views::transform([](int number) {
                           if (number == 2) throw std::runtime_error("boom");
                           return number;
                       });
        co_await for_each_concurrent(numbers, 5,
                                     [&](int number) { return starts_and_ends(log, std::to_string(number), 1h); });
    };
    CHECK_THROWS_AS(rondo::testing::run(main()), std::runtime_error);
    REQUIRE(log.size() == 4);
    std::sort(log.begin() + 2, log.end());
    CHECK(log == lines{"0", "1", "0 gone", "1 gone"});
}

TEST_CASE("a second failure goes to on_unhandled_exception") {
    int unhandled = 0;
    std::string thrown;
    const auto main = [&]() -> task<> {
        try {
            co_await for_each_concurrent(up_to(2), 2, [](int number) -> task<> {
                if (number == 1)
                    co_await fail_after("first", 1ms);
                else
                    co_await rondo::uncancellable(fail_after("second", 2ms));
            });
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

// ---- Cancellation ----

TEST_CASE("a cancelled for_each_concurrent takes what runs along, and the rest does not start") {
    lines log;
    const auto main = [&]() -> task<> {
        const auto caller = [&]() -> task<> {
            const note_at_exit gone(log, "caller gone");
            co_await for_each_concurrent(up_to(5), 2,
                                         [&](int number) { return starts_and_ends(log, std::to_string(number), 1h); });
        };
        auto victim = rondo::spawn(caller());
        co_await rondo::sleep(1ms);
        victim.cancel();
        CHECK(victim.done());
    };
    rondo::testing::run(main());
    REQUIRE(log.size() == 5);
    std::sort(log.begin() + 2, log.begin() + 4);
    CHECK(log == lines{"0", "1", "0 gone", "1 gone", "caller gone"});
}

TEST_CASE("a cancelled for_each_concurrent waits for what cannot be withdrawn, and starts nothing after it") {
    lines log;
    support::parking place;
    const auto main = [&]() -> task<> {
        const auto caller = [&]() -> task<> {
            const note_at_exit gone(log, "caller gone");
            co_await for_each_concurrent(up_to(3), 1, [&](int number) -> task<> {
                log.push_back(std::to_string(number));
                co_await place;
            });
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
    CHECK(log == lines{"0", "caller gone"});
}

TEST_CASE("f may cancel the caller, which goes with its next suspension") {
    lines log;
    std::optional<rondo::join_handle<>> victim;
    const auto main = [&]() -> task<> {
        const auto caller = [&]() -> task<> {
            const note_at_exit gone(log, "caller gone");
            co_await for_each_concurrent(up_to(5), 1, [&](int number) -> task<> {
                log.push_back(std::to_string(number));
                if (number == 1) victim->cancel();
                if (number == 3) co_await rondo::yield();
            });
            log.push_back("never");
        };
        victim.emplace(rondo::spawn(caller()));
        co_await rondo::sleep(1ms);
        CHECK(victim->done());
    };
    rondo::testing::run(main());
    CHECK(log == lines{"0", "1", "2", "3", "caller gone"});
}

TEST_CASE("a for_each_concurrent that is never awaited leaves nothing behind") {
    {
        const tracked captured(1);
        const auto unused =
            for_each_concurrent(std::vector<tracked>(3), 2, [captured](const tracked&) { return support::nothing(); });
        CHECK(tracked::live() >= 4);
    }
    CHECK(tracked::live() == 0);
}

// ---- Memory ----

TEST_CASE("for_each_concurrent allocates for its workers, not for its elements") {
    std::vector<std::size_t> counts;
    for (const int count : {10, 1000}) {
        const auto main = [&]() -> task<> {
            const std::vector<int> numbers = up_to(count);
            const rondo::testing::fail_frame_allocation no_recycling(1'000'000);  // each frame comes from operator new
            const std::size_t before = support::allocations::count();
            co_await for_each_concurrent(numbers, 4, [](int) { return rondo::yield(); });
            counts.push_back(support::allocations::count() - before);
        };
        rondo::testing::run(main());
    }
    REQUIRE(counts.size() == 2);
    CHECK(counts[0] == counts[1]);
    CHECK(counts[0] <= 8);  // the call, four workers, two vectors (theirs and when_all's), and one to spare
}

TEST_CASE("there are never more workers than elements") {
    const auto main = []() -> task<> {
        std::size_t frames = 0;
        const std::size_t before = rondo::testing::live_frames();
        co_await for_each_concurrent(up_to(2), no_limit, [&](int) {
            frames = (std::max)(frames, rondo::testing::live_frames() - before);
            return rondo::yield();
        });
        CHECK(frames == 3);
    };
    rondo::testing::run(main());
}

namespace {

class everything final : public swept {
public:
    task<> program() override {
        household home(outrun);
        std::vector<tracked> elements;
        for (int i = 0; i < 8; ++i) elements.emplace_back(i);
        const tracked captured(1);
        auto f = [this, &home, captured](const tracked& element) { return leaf(home, element); };
        auto all = for_each_concurrent(elements, 3, f);
        co_await std::move(all);
        point();
        auto again = for_each_concurrent(std::move(elements), 2, f);
        try {
            co_await rondo::with_timeout(9ms, std::move(again));
        } catch (const rondo::timeout_error&) {
            point();
        }
        try {
            co_await for_each_concurrent(std::views::iota(0, 5), 2, [&](int number) -> task<> {
                const household::child here(home);
                if (number == 3) throw std::runtime_error("boom");
                co_await rondo::uncancellable(rondo::sleep(1ms));
                point();
            });
        } catch (const std::runtime_error&) {
            point();
        }
        if (home.at_home() != 0) throw std::logic_error("an element is still at work");
    }

private:
    task<> leaf(household& home, const tracked& element) {
        const household::child here(home);
        const tracked local(element.number());
        point();
        if (element.number() % 3 != 0) co_await rondo::sleep(std::chrono::milliseconds(element.number()));
        point();
        if (local.number() != element.number()) throw std::logic_error("the element has changed");
    }
};

}  // namespace

TEST_CASE("a program of for_each_concurrent is right under every sweep") { sweeps::all<everything>(100, 20); }
