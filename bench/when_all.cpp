// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

// What does a child of when_all cost? It yields once and returns a number. A thousand of them in a vector, and four as
// arguments.

#include "support/bare.hpp"
#include "support/workload.hpp"

#include <rondo/rondo.hpp>

#include <numeric>
#include <tuple>
#include <utility>
#include <vector>

namespace {

int sum_of(const std::vector<int>& numbers) { return std::accumulate(numbers.begin(), numbers.end(), 0); }
int sum_of(const std::tuple<int, int, int, int>& numbers) {
    return std::apply([](auto... each) { return (each + ...); }, numbers);
}

namespace with_rondo {

using rondo::task;

task<int> yield_once() {
    co_await rondo::yield();
    co_return 1;
}

task<> thousands(long n) {
    long sum = 0;
    for (long i = 0; i < n; i += 1'000) {
        std::vector<task<int>> tasks;
        tasks.reserve(1'000);
        for (int k = 0; k < 1'000; ++k) tasks.push_back(yield_once());
        sum += sum_of(co_await rondo::when_all(std::move(tasks)));
    }
    bench::expect(sum == n);
}

task<> fours(long n) {
    long sum = 0;
    for (long i = 0; i < n; i += 4)
        sum += sum_of(co_await rondo::when_all(yield_once(), yield_once(), yield_once(), yield_once()));
    bench::expect(sum == n);
}

void when_all_thousand(long n) { rondo::run(thousands(n)); }
void when_all_four(long n) { rondo::run(fours(n)); }

}  // namespace with_rondo

namespace with_bare {

using bare::task;

task<int> yield_once() {
    co_await bare::yield();
    co_return 1;
}

task<> thousands(long n) {
    long sum = 0;
    for (long i = 0; i < n; i += 1'000) {
        std::vector<task<int>> tasks;
        tasks.reserve(1'000);
        for (int k = 0; k < 1'000; ++k) tasks.push_back(yield_once());
        sum += sum_of(co_await bare::all<int>(std::move(tasks)));
    }
    bench::expect(sum == n);
}

task<> fours(long n) {
    long sum = 0;
    for (long i = 0; i < n; i += 4)
        sum += sum_of(co_await bare::all_of(yield_once(), yield_once(), yield_once(), yield_once()));
    bench::expect(sum == n);
}

void when_all_thousand(long n) { bare::run(thousands(n)); }
void when_all_four(long n) { bare::run(fours(n)); }

}  // namespace with_bare

}  // namespace

int main(int argc, char** argv) {
    return bench::run(argc, argv,
                      {{"when_all_thousand/rondo", with_rondo::when_all_thousand, 100'000},
                       {"when_all_thousand/bare", with_bare::when_all_thousand, 100'000},
                       {"when_all_four/rondo", with_rondo::when_all_four, 100'000},
                       {"when_all_four/bare", with_bare::when_all_four, 100'000}});
}
