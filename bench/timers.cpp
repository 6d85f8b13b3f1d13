// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

// What does a timer cost: one among 1,000 to 1,000,000 that sleep for a random time, one that is set and dropped, and,
// in memory, a task that sleeps?

#include "support/bare.hpp"
#include "support/workload.hpp"

#include <rondo/rondo.hpp>

#include <algorithm>
#include <chrono>
#include <random>
#include <vector>

namespace {

using std::chrono::microseconds;
using namespace std::chrono_literals;

/// Of 1 to 200 ms.
std::vector<microseconds> random_lengths(long n) {
    std::minstd_rand random(1);
    std::vector<microseconds> lengths;
    for (long i = 0; i < n; ++i) lengths.emplace_back(1'000 + random() % 199'001);
    return lengths;
}

/// Calls sleep_all(lengths), which returns how many have woken, for n sleepers, so many at once.
template <class Sleep>
void sleep_in_turns(long n, long at_once, Sleep sleep_all) {
    for (; n > 0; n -= at_once) {
        const std::vector<microseconds> lengths = random_lengths(std::min(n, at_once));
        const auto start = std::chrono::steady_clock::now();
        bench::expect(sleep_all(lengths) == static_cast<long>(lengths.size()));
        bench::expect(std::chrono::steady_clock::now() - start >= *std::ranges::max_element(lengths));
    }
}

/// So long that all have fallen asleep before the first one wakes.
microseconds long_enough_for(long sleepers) { return 200ms + 3us * sleepers; }

namespace with_rondo {

using rondo::task;

task<> sleeper(microseconds length, long& woken) {
    co_await rondo::sleep(length);
    ++woken;
}

void sleep(long n, long at_once) {
    sleep_in_turns(n, at_once, [](const std::vector<microseconds>& lengths) {
        long woken = 0;
        rondo::event_loop loop;
        for (microseconds length : lengths) loop.spawn(sleeper(length, woken));
        loop.run();
        return woken;
    });
}

task<int> at_once() { co_return 1; }

task<int> yield_once() {
    co_await rondo::yield();
    co_return 1;
}

task<> idle(long n) {
    long sum = 0;
    for (long i = 0; i < n; ++i) sum += co_await rondo::with_timeout(10s, at_once());
    bench::expect(sum == n);
}

task<> yielding(long n) {
    long sum = 0;
    for (long i = 0; i < n; ++i) sum += co_await rondo::with_timeout(10s, yield_once());
    bench::expect(sum == n);
}

void timeout_idle(long n) { rondo::run(idle(n)); }
void timeout_yield(long n) { rondo::run(yielding(n)); }

task<> sleep_with_others(long n, long& asleep) {
    ++asleep;
    co_await rondo::sleep(long_enough_for(n));
    bench::expect(asleep == n);
}

void sleepers(long n) {
    long asleep = 0;
    rondo::event_loop loop;
    for (long i = 0; i < n; ++i) loop.spawn(sleep_with_others(n, asleep));
    loop.run();
    bench::expect(asleep == n);
}

task<> f() { co_await rondo::sleep(1s); }

void sleeper_frame(long n) {
    for (long i = 0; i < n; ++i) task<> unstarted = f();
}

}  // namespace with_rondo

namespace with_bare {

using bare::detached;
using bare::task;

detached sleeper(microseconds length, long& woken) {
    co_await bare::sleep(length);
    ++woken;
}

void sleep(long n, long at_once) {
    sleep_in_turns(n, at_once, [](const std::vector<microseconds>& lengths) {
        long woken = 0;
        bare::loop loop;
        for (microseconds length : lengths) sleeper(length, woken);
        loop.run();
        return woken;
    });
}

task<int> at_once() { co_return 1; }

task<int> yield_once() {
    co_await bare::yield();
    co_return 1;
}

task<> idle(long n) {
    long sum = 0;
    for (long i = 0; i < n; ++i) sum += (co_await bare::with_timeout(10s, at_once())).value_or(0);
    bench::expect(sum == n);
}

task<> yielding(long n) {
    long sum = 0;
    for (long i = 0; i < n; ++i) sum += (co_await bare::with_timeout(10s, yield_once())).value_or(0);
    bench::expect(sum == n);
}

void timeout_idle(long n) { bare::run(idle(n)); }
void timeout_yield(long n) { bare::run(yielding(n)); }

detached sleep_with_others(long n, long& asleep) {
    ++asleep;
    co_await bare::sleep(long_enough_for(n));
    bench::expect(asleep == n);
}

void sleepers(long n) {
    long asleep = 0;
    bare::loop loop;
    for (long i = 0; i < n; ++i) sleep_with_others(n, asleep);
    loop.run();
    bench::expect(asleep == n);
}

task<> f() { co_await bare::sleep(1s); }

void sleeper_frame(long n) {
    for (long i = 0; i < n; ++i) task<> unstarted = f();
}

}  // namespace with_bare

}  // namespace

int main(int argc, char** argv) {
    return bench::run(argc, argv,
                      {{"sleep_1k/rondo", [](long n) { with_rondo::sleep(n, 1'000); }, 1'000},
                       {"sleep_1k/bare", [](long n) { with_bare::sleep(n, 1'000); }, 1'000},
                       {"sleep_10k/rondo", [](long n) { with_rondo::sleep(n, 10'000); }, 10'000},
                       {"sleep_10k/bare", [](long n) { with_bare::sleep(n, 10'000); }, 10'000},
                       {"sleep_100k/rondo", [](long n) { with_rondo::sleep(n, 100'000); }, 100'000},
                       {"sleep_100k/bare", [](long n) { with_bare::sleep(n, 100'000); }, 100'000},
                       {"sleep_1m/rondo", [](long n) { with_rondo::sleep(n, 1'000'000); }, 1'000'000},
                       {"sleep_1m/bare", [](long n) { with_bare::sleep(n, 1'000'000); }, 1'000'000},
                       {"timeout_idle/rondo", with_rondo::timeout_idle, 100'000},
                       {"timeout_idle/bare", with_bare::timeout_idle, 100'000},
                       {"timeout_yield/rondo", with_rondo::timeout_yield, 100'000},
                       {"timeout_yield/bare", with_bare::timeout_yield, 100'000},
                       {"sleepers/rondo", with_rondo::sleepers, 1'000'000, bench::measured::memory},
                       {"sleepers/bare", with_bare::sleepers, 1'000'000, bench::measured::memory},
                       {"sleeper_frame/rondo", with_rondo::sleeper_frame, 1, bench::measured::memory},
                       {"sleeper_frame/bare", with_bare::sleeper_frame, 1, bench::measured::memory}});
}
