// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

// What does cancelling cost? What is cancelled sleeps for an hour: under a timeout that fires, as the loser of a race
// of two, and as one of a group of a hundred. (The bare loop destroys what sleeps, and can do so with nothing else.)

#include "support/bare.hpp"
#include "support/workload.hpp"

#include <rondo/rondo.hpp>

#include <chrono>
#include <optional>
#include <vector>

namespace {

using namespace std::chrono_literals;

namespace with_rondo {

using rondo::task;

task<int> sleep_long(long& asleep) {
    ++asleep;
    co_await rondo::sleep(1h);
    co_return 0;
}

task<int> yield_once() {
    co_await rondo::yield();
    co_return 1;
}

task<> time_out(long n) {
    long asleep = 0, fired = 0;
    for (long i = 0; i < n; ++i) {
        const std::optional<int> result = co_await rondo::try_with_timeout(1ns, sleep_long(asleep));
        if (!result) ++fired;
    }
    bench::expect(asleep == n && fired == n);
}

task<> time_out_throwing(long n) {
    long asleep = 0, thrown = 0;
    for (long i = 0; i < n; ++i) {
        try {
            co_await rondo::with_timeout(1ns, sleep_long(asleep));
        } catch (const rondo::timeout_error&) {
            ++thrown;
        }
    }
    bench::expect(asleep == n && thrown == n);
}

task<> race(long n) {
    long asleep = 0, won = 0;
    for (long i = 0; i < n; ++i) {
        const auto result = co_await rondo::when_any(sleep_long(asleep), yield_once());
        if (result.index() == 1) won += std::get<1>(result);
    }
    bench::expect(asleep == n && won == n);
}

task<> cancel_groups(long n) {
    long asleep = 0, cancelled = 0;
    for (long i = 0; i < n; i += 100) {
        co_await rondo::with_task_group([&](rondo::task_group& group) -> task<> {
            for (int k = 0; k < 100; ++k) group.spawn(sleep_long(asleep));
            co_await rondo::yield();
            cancelled += static_cast<long>(group.size());
            group.cancel();
        });
    }
    bench::expect(asleep == n && cancelled == n);
}

void timeout_fired(long n) { rondo::run(time_out(n)); }
void timeout_thrown(long n) { rondo::run(time_out_throwing(n)); }
void when_any_two(long n) { rondo::run(race(n)); }
void group_cancelled(long n) { rondo::run(cancel_groups(n)); }

}  // namespace with_rondo

namespace with_bare {

using bare::task;

task<int> sleep_long(long& asleep) {
    ++asleep;
    co_await bare::sleep(1h);
    co_return 0;
}

task<int> yield_once() {
    co_await bare::yield();
    co_return 1;
}

task<> time_out(long n) {
    long asleep = 0, fired = 0;
    for (long i = 0; i < n; ++i) {
        const std::optional<int> result = co_await bare::with_timeout(1ns, sleep_long(asleep));
        if (!result) ++fired;
    }
    bench::expect(asleep == n && fired == n);
}

struct timeout_error {};

task<> time_out_throwing(long n) {
    long asleep = 0, thrown = 0;
    for (long i = 0; i < n; ++i) {
        try {
            const std::optional<int> result = co_await bare::with_timeout(1ns, sleep_long(asleep));
            if (!result) throw timeout_error();
        } catch (const timeout_error&) {
            ++thrown;
        }
    }
    bench::expect(asleep == n && thrown == n);
}

task<> race(long n) {
    long asleep = 0, won = 0;
    for (long i = 0; i < n; ++i) won += (co_await bare::any_of(sleep_long(asleep), yield_once())).value_or(0);
    bench::expect(asleep == n && won == n);
}

task<> cancel_groups(long n) {
    long asleep = 0, cancelled = 0;
    for (long i = 0; i < n; i += 100) {
        std::vector<bare::spawned<int>> group;
        group.reserve(100);
        for (int k = 0; k < 100; ++k) group.emplace_back(sleep_long(asleep));
        co_await bare::yield();
        cancelled += static_cast<long>(group.size());
    }
    bench::expect(asleep == n && cancelled == n);
}

void timeout_fired(long n) { bare::run(time_out(n)); }
void timeout_thrown(long n) { bare::run(time_out_throwing(n)); }
void when_any_two(long n) { bare::run(race(n)); }
void group_cancelled(long n) { bare::run(cancel_groups(n)); }

}  // namespace with_bare

}  // namespace

int main(int argc, char** argv) {
    return bench::run(argc, argv,
                      {{"timeout_fired/rondo", with_rondo::timeout_fired, 10'000},
                       {"timeout_fired/bare", with_bare::timeout_fired, 10'000},
                       {"timeout_thrown/rondo", with_rondo::timeout_thrown, 10'000},
                       {"timeout_thrown/bare", with_bare::timeout_thrown, 10'000},
                       {"when_any_two/rondo", with_rondo::when_any_two, 100'000},
                       {"when_any_two/bare", with_bare::when_any_two, 100'000},
                       {"group_cancelled/rondo", with_rondo::group_cancelled, 100'000},
                       {"group_cancelled/bare", with_bare::group_cancelled, 100'000}});
}
