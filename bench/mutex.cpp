// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

// What does a lock cost: one that nobody else wants, and one that a hundred tasks want, which yield while they hold it?

#include "support/bare.hpp"
#include "support/workload.hpp"

#include <rondo/rondo.hpp>

#include <vector>

namespace {

namespace with_rondo {

using rondo::task;

task<> lock_alone(long n) {
    rondo::mutex mutex;
    long locked = 0;
    for (long i = 0; i < n; ++i) {
        co_await mutex.lock();
        ++locked;
        mutex.unlock();
    }
    bench::expect(locked == n);
}

task<> lock_and_yield(rondo::mutex& mutex, long n, long& locked) {
    for (long i = 0; i < n; ++i) {
        const rondo::mutex::guard held = co_await mutex.scoped_lock();
        const long before = locked;
        co_await rondo::yield();
        locked = before + 1;
    }
}

task<> lock_among(long count, long n) {
    rondo::mutex mutex;
    long locked = 0;
    std::vector<task<>> tasks;
    for (long i = 0; i < count; ++i) tasks.push_back(lock_and_yield(mutex, n / count, locked));
    co_await rondo::when_all(std::move(tasks));
    bench::expect(locked == n);
}

void mutex_uncontended(long n) { rondo::run(lock_alone(n)); }
void mutex_contended(long n) { rondo::run(lock_among(100, n)); }

}  // namespace with_rondo

namespace with_bare {

using bare::task;

task<> lock_alone(long n) {
    bare::mutex mutex;
    long locked = 0;
    for (long i = 0; i < n; ++i) {
        co_await mutex.lock();
        ++locked;
        mutex.unlock();
    }
    bench::expect(locked == n);
}

task<> lock_and_yield(bare::mutex& mutex, long n, long& locked) {
    for (long i = 0; i < n; ++i) {
        co_await mutex.lock();
        const long before = locked;
        co_await bare::yield();
        locked = before + 1;
        mutex.unlock();
    }
}

task<> lock_among(long count, long n) {
    bare::mutex mutex;
    long locked = 0;
    std::vector<task<>> tasks;
    for (long i = 0; i < count; ++i) tasks.push_back(lock_and_yield(mutex, n / count, locked));
    co_await bare::all<void>(std::move(tasks));
    bench::expect(locked == n);
}

void mutex_uncontended(long n) { bare::run(lock_alone(n)); }
void mutex_contended(long n) { bare::run(lock_among(100, n)); }

}  // namespace with_bare

}  // namespace

int main(int argc, char** argv) {
    return bench::run(argc, argv,
                      {{"mutex_uncontended/rondo", with_rondo::mutex_uncontended, 100'000},
                       {"mutex_uncontended/bare", with_bare::mutex_uncontended, 100'000},
                       {"mutex_contended/rondo", with_rondo::mutex_contended, 100'000},
                       {"mutex_contended/bare", with_bare::mutex_contended, 100'000}});
}
