// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

// What does it cost to await a child? One that returns at once, and the calls of a recursive fibonacci.

#include "support/bare.hpp"
#include "support/workload.hpp"

#include <rondo/rondo.hpp>

namespace {

long fibonacci_of(long k) {
    long a = 0, b = 1;
    for (; k > 0; --k) b = std::exchange(a, b) + b;
    return a;
}
/// How many calls it takes to find it: fib(20) takes 21,891.
long calls_of(long k) { return 2 * fibonacci_of(k + 1) - 1; }

/// The largest, up to 20, that takes no more than so many calls.
long argument_for(long calls) {
    long k = 1;
    while (k < 20 && calls_of(k + 1) <= calls) ++k;
    return k;
}

namespace with_rondo {

using rondo::task;

task<int> one() { co_return 1; }

task<> await_children(long n) {
    long sum = 0;
    for (long i = 0; i < n; ++i) sum += co_await one();
    bench::expect(sum == n);
}

task<long> fib(long k) {
    if (k < 2) co_return k;
    const long a = co_await fib(k - 1);
    const long b = co_await fib(k - 2);
    co_return a + b;
}

task<> make_calls(long n) {
    while (n > 0) {
        const long k = argument_for(n);
        const long result = co_await fib(k);
        bench::expect(result == fibonacci_of(k));
        n -= calls_of(k);
    }
}

void await_child(long n) { rondo::run(await_children(n)); }
void fibonacci(long n) { rondo::run(make_calls(n)); }

}  // namespace with_rondo

namespace with_bare {

using bare::task;

task<int> one() { co_return 1; }

task<> await_children(long n) {
    long sum = 0;
    for (long i = 0; i < n; ++i) sum += co_await one();
    bench::expect(sum == n);
}

task<long> fib(long k) {
    if (k < 2) co_return k;
    const long a = co_await fib(k - 1);
    const long b = co_await fib(k - 2);
    co_return a + b;
}

task<> make_calls(long n) {
    while (n > 0) {
        const long k = argument_for(n);
        const long result = co_await fib(k);
        bench::expect(result == fibonacci_of(k));
        n -= calls_of(k);
    }
}

void await_child(long n) { bare::run(await_children(n)); }
void fibonacci(long n) { bare::run(make_calls(n)); }

}  // namespace with_bare

}  // namespace

int main(int argc, char** argv) {
    return bench::run(argc, argv,
                      {{"await_child/rondo", with_rondo::await_child, 100'000},
                       {"await_child/bare", with_bare::await_child, 100'000},
                       {"fibonacci/rondo", with_rondo::fibonacci, 21'891},
                       {"fibonacci/bare", with_bare::fibonacci, 21'891}});
}
