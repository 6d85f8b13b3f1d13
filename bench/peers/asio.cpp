// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

// The workloads of ../*.cpp for standalone Asio: coroutines of an io_context(1) with its own executor type (nothing is erased),
// timers that complete without exceptions, experimental channels and parallel groups. Written to be fast with what
// Asio 1.22 and later have. Not here: what Asio has no equivalent for (a mutex; a queue with acknowledgements).

#include "../support/workload.hpp"

#include <asio.hpp>
#include <asio/experimental/channel.hpp>
#include <asio/experimental/parallel_group.hpp>
#include <asio/experimental/promise.hpp>
#if ASIO_VERSION < 102400
#include <asio/experimental/as_tuple.hpp>
#include <asio/experimental/deferred.hpp>
#else
#include <asio/experimental/use_promise.hpp>
#endif

#include <algorithm>
#include <chrono>
#include <exception>
#include <functional>
#include <optional>
#include <random>
#include <thread>
#include <utility>
#include <vector>

namespace {

namespace experimental = asio::experimental;
#if ASIO_VERSION < 102400
using experimental::as_tuple, experimental::deferred;
#else
using asio::as_tuple, asio::deferred;
#endif
using namespace std::chrono_literals;
using bench::expect;

using executor = asio::io_context::executor_type;
template <class T = void>
using task = asio::awaitable<T, executor>;
using timer =
    asio::basic_waitable_timer<std::chrono::steady_clock, asio::wait_traits<std::chrono::steady_clock>, executor>;
using channel = experimental::channel<executor, void(asio::error_code, int)>;

constexpr asio::use_awaitable_t<executor> awaited;
constexpr auto awaited_as_tuple = as_tuple(awaited);

auto yield() { return asio::post(awaited); }

/// Runs a task on a loop of its own, to its end.
void run(task<> (*main)(long), long n) {
    asio::io_context loop(1);
    bool done = false;
    asio::co_spawn(loop, main(n), [&](std::exception_ptr error) { done = !error; });
    loop.run();
    expect(done);
}

[[gnu::noinline]] task<int> one() { co_return 1; }

task<int> yield_and_one() {
    co_await yield();
    co_return 1;
}

// --- await, yield

task<> await_child(long n) {
    long sum = 0;
    for (long i = 0; i < n; ++i) sum += co_await one();
    expect(sum == n);
}

task<int> fibonacci(int k) {
    if (k < 2) co_return k;
    const int a = co_await fibonacci(k - 1);
    co_return a + co_await fibonacci(k - 2);
}

task<> fibonacci_20(long n) {
    do expect(co_await fibonacci(20) == 6765);
    while ((n -= 21'891) > 0);
}

task<> yield_often(long n) {
    for (long i = 0; i < n; ++i) co_await yield();
}

/// Counts those who still work; the last one tells who waits.
class countdown {
public:
    countdown(executor loop, std::size_t n) : left_(n), done_(loop, 1) {}
    void one_less() {
        if (--left_ == 0) done_.try_send(asio::error_code{}, 0);
    }
    auto wait() { return done_.async_receive(awaited); }

private:
    std::size_t left_;
    channel done_;
};

task<> yield_thousand(long n) {
    const executor loop = co_await asio::this_coro::executor;
    countdown left(loop, 1000);
    for (int i = 0; i < 1000; ++i)
        asio::co_spawn(loop, yield_often(n / 1000), [&](std::exception_ptr error) {
            expect(!error);
            left.one_less();
        });
    co_await left.wait();
}

// --- when_all

task<> when_all_thousand(long n) {
    const executor loop = co_await asio::this_coro::executor;
    long sum = 0;
    for (long batch = 0; batch < n / 1000; ++batch) {
        std::vector<int> results(1000);
        countdown left(loop, results.size());
        for (int& result : results)
            asio::co_spawn(loop, yield_and_one(), [&](std::exception_ptr error, int value) {
                expect(!error);
                result = value;
                left.one_less();
            });
        co_await left.wait();
        for (int result : results) sum += result;
    }
    expect(sum == n / 1000 * 1000);
}

task<> when_all_four(long n) {
    const executor loop = co_await asio::this_coro::executor;
    const auto child = [&] { return asio::co_spawn(loop, yield_and_one(), deferred); };
    long sum = 0;
    for (long i = 0; i < n / 4; ++i) {
        auto [order, e1, a, e2, b, e3, c, e4, d] =
            co_await experimental::make_parallel_group(child(), child(), child(), child())
                .async_wait(experimental::wait_for_one_error(), awaited);
        expect(!e1 && !e2 && !e3 && !e4);
        sum += a + b + c + d;
    }
    expect(sum == n / 4 * 4);
}

// --- timers

using clock = std::chrono::steady_clock;
using std::chrono::microseconds;

/// Of 1 to 200 ms.
std::vector<microseconds> random_lengths(long n) {
    std::minstd_rand random(1);
    std::vector<microseconds> lengths;
    for (long i = 0; i < n; ++i) lengths.emplace_back(1'000 + random() % 199'001);
    return lengths;
}

task<> sleep(microseconds length, long& woken) {
    timer t(co_await asio::this_coro::executor, length);
    co_await t.async_wait(awaited);
    ++woken;
}

void sleep_all(long n) {
    const std::vector<microseconds> lengths = random_lengths(n);
    const clock::time_point start = clock::now();
    asio::io_context loop(1);
    long woken = 0;
    for (microseconds length : lengths) asio::co_spawn(loop, sleep(length, woken), asio::detached);
    loop.run();
    expect(woken == n && clock::now() - start >= *std::ranges::max_element(lengths));
}

task<> sleep_with_others(clock::time_point due, long& asleep, long& woken) {
    timer t(co_await asio::this_coro::executor, due);
    asleep += woken == 0;
    co_await t.async_wait(awaited);
    ++woken;
}

bool sleep_at_once(long n, clock::duration wait) {
    asio::io_context loop(1);
    const clock::time_point due = clock::now() + wait;
    long asleep = 0, woken = 0;
    for (long i = 0; i < n; ++i) asio::co_spawn(loop, sleep_with_others(due, asleep, woken), asio::detached);
    loop.run();
    return asleep == n;
}

/// Until all of them are asleep at the same time.
void sleepers(long n) {
    for (clock::duration wait = 3s; !sleep_at_once(n, wait);) wait *= 2;
}

/// What `child() || timer` is for tasks, without a coroutine around the timer: both are gone when it ends.
task<std::optional<int>> with_timeout(clock::duration d, task<int> child) {
    const executor loop = co_await asio::this_coro::executor;
    timer t(loop, d);
    auto [order, error, value, timer_error] =
        co_await experimental::make_parallel_group(asio::co_spawn(loop, std::move(child), deferred),
                                                   t.async_wait(deferred))
            .async_wait(experimental::wait_for_one(), awaited);
    if (order[0] == 1) co_return std::nullopt;
    if (error) std::rethrow_exception(error);
    co_return value;
}

task<> timeout_idle(long n) {
    long sum = 0;
    for (long i = 0; i < n; ++i) {
        const std::optional<int> value = co_await with_timeout(10s, one());
        sum += value.value_or(0);
    }
    expect(sum == n);
}

task<> timeout_yield(long n) {
    long sum = 0;
    for (long i = 0; i < n; ++i) {
        const std::optional<int> value = co_await with_timeout(10s, yield_and_one());
        sum += value.value_or(0);
    }
    expect(sum == n);
}

// --- cancellation

task<int> sleep_for_an_hour() {
    timer t(co_await asio::this_coro::executor, 1h);
    co_await t.async_wait(awaited_as_tuple);
    co_return 0;
}

task<int> sleep_for_an_hour_or_throw() {
    timer t(co_await asio::this_coro::executor, 1h);
    co_await t.async_wait(awaited);
    co_return 0;
}

task<> timeout_fired(long n) {
    long fired = 0;
    for (long i = 0; i < n; ++i) {
        const std::optional<int> value = co_await with_timeout(1ns, sleep_for_an_hour());
        fired += !value;
    }
    expect(fired == n);
}

struct timed_out {};

task<> timeout_thrown(long n) {
    long fired = 0;
    for (long i = 0; i < n; ++i) {
        try {
            const std::optional<int> value = co_await with_timeout(1ns, sleep_for_an_hour_or_throw());
            if (!value) throw timed_out();
        } catch (const timed_out&) {
            ++fired;
        }
    }
    expect(fired == n);
}

task<> when_any_two(long n) {
    const executor loop = co_await asio::this_coro::executor;
    long sum = 0;
    for (long i = 0; i < n; ++i) {
        auto [order, error0, value0, error1, value1] =
            co_await experimental::make_parallel_group(asio::co_spawn(loop, sleep_for_an_hour(), deferred),
                                                       asio::co_spawn(loop, yield_and_one(), deferred))
                .async_wait(experimental::wait_for_one(), awaited);
        expect(order[0] == 1 && !error1);
        sum += value1;
    }
    expect(sum == n);
}

task<> group_cancelled(long n) {
    const executor loop = co_await asio::this_coro::executor;
    long ended = 0;
    for (long batch = 0; batch < n / 100; ++batch) {
        std::vector<asio::cancellation_signal> signals(100);
        countdown left(loop, signals.size());
        for (asio::cancellation_signal& signal : signals)
            asio::co_spawn(loop, sleep_for_an_hour(),
                           asio::bind_cancellation_slot(signal.slot(), [&](std::exception_ptr, int) {
                               ++ended;
                               left.one_less();
                           }));
        co_await yield();
        for (asio::cancellation_signal& signal : signals) signal.emit(asio::cancellation_type::terminal);
        co_await left.wait();
    }
    expect(ended == n / 100 * 100);
}

// --- queues

/// n messages and, since a channel that is closed loses what is in it, a 0 that ends a consumer.
task<> produce(channel& queue, long n) {
    for (; n >= 0; --n)
        if (const int message = n > 0; !queue.try_send(asio::error_code{}, message))
            co_await queue.async_send(asio::error_code{}, message, awaited);
}

task<> consume(channel& queue, long& sum) {
    for (int message = 1; message != 0; sum += message)
        if (!queue.try_receive([&](asio::error_code, int value) { message = value; }))
            message = co_await queue.async_receive(awaited);
}

template <std::size_t Capacity, long Pairs>
void queue(long n) {
    asio::io_context loop(1);
    channel queue(loop.get_executor(), Capacity);
    long sum = 0;
    for (long i = 0; i < Pairs; ++i) {
        asio::co_spawn(loop, produce(queue, n / Pairs), asio::detached);
        asio::co_spawn(loop, consume(queue, sum), asio::detached);
    }
    loop.run();
    expect(sum == n / Pairs * Pairs);
}

// --- spawn

task<> count(long& counter) {
    ++counter;
    co_return;
}

void spawn_burst(long n) {
    asio::io_context loop(1);
    long counter = 0;
    for (long i = 0; i < n; ++i) asio::co_spawn(loop, count(counter), asio::detached);
    loop.run();
    expect(counter == n);
}

using handle = decltype(asio::co_spawn(std::declval<executor>(), one(), experimental::use_promise));

auto join(handle& h) {
#if ASIO_VERSION < 102400
    return h.async_wait(awaited);
#else
    return h(awaited);
#endif
}

template <long Burst>
task<> spawn_join(long n) {
    const executor loop = co_await asio::this_coro::executor;
    const long burst = Burst ? Burst : n;
    long sum = 0;
    for (long batch = 0; batch < n / burst; ++batch) {
        std::vector<handle> handles;
        handles.reserve(static_cast<std::size_t>(burst));
        for (long i = 0; i < burst; ++i) handles.push_back(asio::co_spawn(loop, one(), experimental::use_promise));
        for (handle& h : handles) sum += co_await join(h);
    }
    expect(sum == n / burst * burst);
}

// --- other threads

void post_burst(long n) {
    asio::io_context loop(1);
    auto guard = std::make_optional(asio::make_work_guard(loop));
    long counter = 0;
    std::thread other([&] {
        for (long i = 0; i < n; ++i) asio::post(loop, [&] { ++counter; });
        asio::post(loop, [&] { guard.reset(); });
    });
    loop.run();
    other.join();
    expect(counter == n);
}

void post_round_trip(long n) {
    asio::io_context here(1), there(1);
    auto guard_here = std::make_optional(asio::make_work_guard(here));
    auto guard_there = std::make_optional(asio::make_work_guard(there));
    std::thread other([&] { there.run(); });
    long back = 0;
    const std::function<void()> go = [&] {
        asio::post(there, [&] {
            asio::post(here, [&] {
                if (++back == n)
                    guard_here.reset();
                else
                    go();
            });
        });
    };
    go();
    here.run();
    guard_there.reset();
    other.join();
    expect(back == n);
}

}  // namespace

int main(int argc, char** argv) {
    using bench::measured;
    return bench::run(argc, argv,
                      {
                          {"await_child/asio", [](long n) { run(await_child, n); }, 100'000},
                          {"fibonacci/asio", [](long n) { run(fibonacci_20, n); }, 21'891},
                          {"yield_one/asio", [](long n) { run(yield_often, n); }, 100'000},
                          {"yield_thousand/asio", [](long n) { run(yield_thousand, n); }, 1'000'000},
                          {"when_all_thousand/asio", [](long n) { run(when_all_thousand, n); }, 100'000},
                          {"when_all_four/asio", [](long n) { run(when_all_four, n); }, 100'000},
                          {"sleep_1k/asio", sleep_all, 1'000},
                          {"sleep_10k/asio", sleep_all, 10'000},
                          {"sleep_100k/asio", sleep_all, 100'000},
                          {"sleep_1m/asio", sleep_all, 1'000'000},
                          {"timeout_idle/asio", [](long n) { run(timeout_idle, n); }, 100'000},
                          {"timeout_yield/asio", [](long n) { run(timeout_yield, n); }, 100'000},
                          {"sleepers/asio", sleepers, 1'000'000, measured::memory},
                          {"queue_1/asio", queue<1, 1>, 100'000},
                          {"queue_1024/asio", queue<1024, 1>, 100'000},
                          {"queue_64_four/asio", queue<64, 4>, 100'000},
                          {"spawn_burst/asio", spawn_burst, 1'000'000},
                          {"spawn_join_burst/asio", [](long n) { run(spawn_join<0>, n); }, 1'000'000},
                          {"spawn_join_thousand/asio", [](long n) { run(spawn_join<1000>, n); }, 100'000},
                          {"post_burst/asio", post_burst, 1'000'000},
                          {"post_round_trip/asio", post_round_trip, 10'000, measured::wall_clock},
                          {"timeout_fired/asio", [](long n) { run(timeout_fired, n); }, 10'000},
                          {"timeout_thrown/asio", [](long n) { run(timeout_thrown, n); }, 10'000},
                          {"when_any_two/asio", [](long n) { run(when_any_two, n); }, 100'000},
                          {"group_cancelled/asio", [](long n) { run(group_cancelled, n); }, 100'000},
                      });
}
