// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

// What does it cost to let others go first? One task that yields, and 1,000 that yield in turn.

#include "support/bare.hpp"
#include "support/workload.hpp"

#include <rondo/rondo.hpp>

#include <vector>

namespace {

namespace with_rondo {

using rondo::task;

task<> yield_often(long n, long& yielded) {
    for (long i = 0; i < n; ++i) {
        co_await rondo::yield();
        ++yielded;
    }
}

task<> among(long count, long n) {
    long yielded = 0;
    std::vector<task<>> tasks;
    for (long i = 0; i < count; ++i) tasks.push_back(yield_often(n / count, yielded));
    co_await rondo::when_all(std::move(tasks));
    bench::expect(yielded == n);
}

task<> alone(long n) {
    long yielded = 0;
    co_await yield_often(n, yielded);
    bench::expect(yielded == n);
}

void yield_one(long n) { rondo::run(alone(n)); }
void yield_thousand(long n) { rondo::run(among(1'000, n)); }

}  // namespace with_rondo

namespace with_bare {

using bare::task;

task<> yield_often(long n, long& yielded) {
    for (long i = 0; i < n; ++i) {
        co_await bare::yield();
        ++yielded;
    }
}

task<> among(long count, long n) {
    long yielded = 0;
    std::vector<task<>> tasks;
    for (long i = 0; i < count; ++i) tasks.push_back(yield_often(n / count, yielded));
    co_await bare::all<void>(std::move(tasks));
    bench::expect(yielded == n);
}

task<> alone(long n) {
    long yielded = 0;
    co_await yield_often(n, yielded);
    bench::expect(yielded == n);
}

void yield_one(long n) { bare::run(alone(n)); }
void yield_thousand(long n) { bare::run(among(1'000, n)); }

}  // namespace with_bare

}  // namespace

int main(int argc, char** argv) {
    return bench::run(argc, argv,
                      {{"yield_one/rondo", with_rondo::yield_one, 100'000},
                       {"yield_one/bare", with_bare::yield_one, 100'000},
                       {"yield_thousand/rondo", with_rondo::yield_thousand, 1'000'000},
                       {"yield_thousand/bare", with_bare::yield_thousand, 1'000'000}});
}
