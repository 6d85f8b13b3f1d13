// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

// debug::dump, and the testing aids that need no exceptions, in a program built with -fno-exceptions -fno-rtti.

#include <support/clocks.hpp>
#include <support/in_child.hpp>
#include <support/plain_test.hpp>
#include <support/tracked.hpp>

#include <rondo/debug.hpp>
#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#if defined(__cpp_exceptions) || defined(__cpp_rtti)
#error "this test is about a build without exceptions and RTTI"
#endif

namespace {

using namespace std::chrono_literals;
using rondo::task;
using support::tracked;

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

task<> nap(std::chrono::milliseconds time) { co_await rondo::sleep(time); }

task<> locks(rondo::mutex& first, rondo::mutex& second) {
    const auto outer = co_await first.scoped_lock();
    co_await rondo::yield();
    const auto inner = co_await second.scoped_lock();
}

task<> joins(rondo::join_handle<>& other) { (void)co_await other.settled(); }

task<> owns_children() {
    co_await rondo::with_task_group([](rondo::task_group& group) -> task<> {
        group.spawn(nap(5s), "a child");
        co_await rondo::sleep(10s);
    });
}

task<std::string> looks_after(rondo::event_loop& loop, std::chrono::milliseconds time) {
    co_await rondo::sleep(time);
    co_return rondo::debug::dump(loop);
}

task<> counts(int& reached, int times) {
    const tracked local(1);
    for (int i = 0; i < times; ++i) {
        co_await rondo::yield();
        ++reached;
    }
}

task<> two_that_count(int& reached) { co_await rondo::when_all(counts(reached, 2), counts(reached, 2)); }

}  // namespace

TEST_CASE("a dump shows tasks, what they wait for, holders and circles") {
    rondo::mutex a, b;
    rondo::event_loop loop(support::virtual_time());
    auto sleeper = loop.spawn(nap(3s), "sleeper");
    loop.spawn(joins(sleeper), "joiner");
    loop.spawn(locks(a, b), "one");
    loop.spawn(locks(b, a), "other");
    loop.spawn(owns_children(), "owner");
    const std::string dump = loop.run(looks_after(loop, 1500ms));
    for (const char* part : {"rondo: 7 tasks, 3 timers", "main\n    running", "sleep, due in 1.500 s, for 1.500 s",
                             "join_handle of sleeper, for 1.500 s", "mutex::lock, held by one",
                             "mutex::lock, held by other", "a child: ", "debug.cpp:", "nap waits for sleep",
                             "These wait for one another:", "one waits for mutex::lock, which is held by other"}) {
        CHECK(contains(dump, part));
        if (!contains(dump, part)) std::printf("%s\nis not in\n%s\n", part, dump.c_str());
    }
}

TEST_CASE("cancel_sweep, shuffled, explore and replay") {
    int reached = 0;
    std::size_t checks = 0;
    const auto program = [&] {
        reached = 0;
        return two_that_count(reached);
    };
    CHECK(rondo::testing::cancel_sweep(program, [&] {
              ++checks;
              CHECK(tracked::live() == 0);
          }) >= 4);
    CHECK(checks >= 5);
    CHECK(reached == 4);
    for (std::uint64_t seed = 0; seed < 10; ++seed) {
        rondo::testing::shuffled loop(seed);
        loop.run(program());
        CHECK(reached == 4);
    }
    const rondo::testing::exploration tried = rondo::testing::explore(program, [&] { CHECK(reached == 4); });
    CHECK(tried.schedules == 6);
    CHECK(tried.is_complete);
    rondo::testing::replay(program, [&](std::string_view schedule) { CHECK(schedule == "1.1"); }, "1.1");
}

#if SUPPORT_HAS_FORK

TEST_CASE("what explore and the sweeps would throw calls the fatal hook with its text") {
    const auto dies = [](auto body, const std::string& about) {
        const support::ending end = support::in_child(body);
        CHECK(end.terminated);
        CHECK(contains(end.text, about));
    };
    dies([] { rondo::testing::replay([] { return nap(1s); }, [] {}, "no schedule"); }, "schedule");
    dies(
        [] {
            rondo::testing::cancel_sweep(
                [] {
                    static task<> kept;
                    kept = nap(1s);
                    return nap(1s);
                },
                [] {});
        },
        "leaked");
}

#endif
