// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

// What does it cost to spawn a task: a million at once that nobody waits for, a million at once that are joined, and a
// thousand at once, again and again?

#include "support/bare.hpp"
#include "support/workload.hpp"

#include <rondo/rondo.hpp>

#include <algorithm>
#include <vector>

namespace {

namespace with_rondo {

using rondo::task;

task<> count_one(long& count) {
    ++count;
    co_return;
}

void spawn_burst(long n) {
    long count = 0;
    rondo::event_loop loop;
    for (long i = 0; i < n; ++i) loop.spawn(count_one(count));
    loop.run();
    bench::expect(count == n);
}

task<int> one() { co_return 1; }

task<> spawn_and_join(long n, long at_once) {
    long sum = 0;
    for (long i = 0; i < n; i += at_once) {
        std::vector<rondo::join_handle<int>> handles;
        handles.reserve(static_cast<std::size_t>(at_once));
        for (long k = 0; k < at_once; ++k) handles.push_back(rondo::spawn(one()));
        for (rondo::join_handle<int>& handle : handles) sum += co_await handle;
    }
    bench::expect(sum == n);
}

void spawn_join_burst(long n) { rondo::run(spawn_and_join(n, n)); }
void spawn_join_thousand(long n) { rondo::run(spawn_and_join(n, 1'000)); }

}  // namespace with_rondo

namespace with_bare {

using bare::task;

bare::detached count_one(long& count) {
    ++count;
    co_return;
}

void spawn_burst(long n) {
    long count = 0;
    bare::loop loop;
    for (long i = 0; i < n; ++i) count_one(count);
    loop.run();
    bench::expect(count == n);
}

task<int> one() { co_return 1; }

task<> spawn_and_join(long n, long at_once) {
    long sum = 0;
    for (long i = 0; i < n; i += at_once) {
        std::vector<bare::spawned<int>> handles;
        handles.reserve(static_cast<std::size_t>(at_once));
        for (long k = 0; k < at_once; ++k) handles.emplace_back(one());
        for (bare::spawned<int>& handle : handles) sum += co_await handle;
    }
    bench::expect(sum == n);
}

void spawn_join_burst(long n) { bare::run(spawn_and_join(n, n)); }
void spawn_join_thousand(long n) { bare::run(spawn_and_join(n, 1'000)); }

}  // namespace with_bare

}  // namespace

int main(int argc, char** argv) {
    return bench::run(argc, argv,
                      {{"spawn_burst/rondo", with_rondo::spawn_burst, 1'000'000},
                       {"spawn_burst/bare", with_bare::spawn_burst, 1'000'000},
                       {"spawn_join_burst/rondo", with_rondo::spawn_join_burst, 1'000'000},
                       {"spawn_join_burst/bare", with_bare::spawn_join_burst, 1'000'000},
                       {"spawn_join_thousand/rondo", with_rondo::spawn_join_thousand, 100'000},
                       {"spawn_join_thousand/bare", with_bare::spawn_join_thousand, 100'000}});
}
