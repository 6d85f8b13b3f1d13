// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

// rondo_bench_held_up MODE [TASKS [CALL_MS]]
//
// One task makes a call that takes so long (200 ms); on the same loop so many others (1,000) want to wake every 10 ms, at moments
// that are spread evenly. MODE says how the call is made: `blocking` (in the coroutine itself), `to_thread` (the same call, on
// a worker), `sleep` (awaited instead). Prints one line of name=value: how late the others woke, of all moments that fell into
// the call: the worst and the median, from the moment when each was due. --smoke: a little of each.
// Exit status: 0; 1 when a task did not wake as often as it should; 2 for wrong arguments.

#include <rondo/rondo.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr clock::duration period = 10ms;
constexpr clock::duration warm_up = 50ms;

struct experiment {
    const char* mode;
    long tasks;
    milliseconds call;
    clock::time_point start = clock::now() + 10ms;  // by then all have been made
    clock::time_point call_at = start + warm_up;
    std::vector<clock::duration> lateness = {};
};

rondo::task<> make_call(const experiment& e) {
    const auto block = [time = e.call] { std::this_thread::sleep_for(time); };
    co_await rondo::sleep_until(e.call_at);
    if (std::strcmp(e.mode, "blocking") == 0)
        block();
    else if (std::strcmp(e.mode, "to_thread") == 0)
        co_await rondo::to_thread(block);
    else
        co_await rondo::sleep(e.call);
}

/// Keeps to its plan: after a delay, each moment that was missed counts, as late as it is.
rondo::task<> wake_often(experiment& e, clock::time_point due) {
    for (; due < e.call_at + e.call; due += period) {
        co_await rondo::sleep_until(due);
        if (due >= e.call_at) e.lateness.push_back(clock::now() - due);
    }
}

rondo::task<> all(experiment& e) {
    std::vector<rondo::task<>> tasks;
    tasks.push_back(make_call(e));
    for (long i = 0; i < e.tasks; ++i) tasks.push_back(wake_often(e, e.start + period * i / e.tasks));
    co_await rondo::when_all(std::move(tasks));
}

double in_ms(clock::duration d) { return std::chrono::duration<double, std::milli>(d).count(); }

bool measure(const char* mode, long tasks, milliseconds call) {
    experiment e{mode, tasks, call};
    const std::size_t expected = static_cast<std::size_t>(tasks * (call / period));
    e.lateness.reserve(expected);
    rondo::run(all(e));
    if (e.lateness.size() != expected) {
        std::fprintf(stderr, "%zu moments instead of %zu\n", e.lateness.size(), expected);
        return false;
    }
    std::sort(e.lateness.begin(), e.lateness.end());
    std::printf("mode=%s tasks=%ld call_ms=%ld moments=%zu worst_ms=%.3f median_ms=%.3f\n", mode, tasks,
                static_cast<long>(call.count()), expected, in_ms(e.lateness.back()), in_ms(e.lateness[expected / 2]));
    return true;
}

/// A number of at least 1; 0 for anything else.
long number(const char* text) {
    char* end = nullptr;
    const long n = std::strtol(text, &end, 10);
    return end != text && *end == '\0' && n >= 1 ? n : 0;
}

}  // namespace

int main(int argc, char** argv) {
    constexpr const char* modes[] = {"blocking", "to_thread", "sleep"};
    if (argc == 2 && std::strcmp(argv[1], "--smoke") == 0) {
        bool good = true;
        for (const char* mode : modes) good = measure(mode, 10, 20ms) && good;
        return good ? 0 : 1;
    }
    if (argc >= 2 && argc <= 4) {
        const long tasks = argc > 2 ? number(argv[2]) : 1'000;
        const milliseconds call(argc > 3 ? number(argv[3]) : 200);
        for (const char* mode : modes)
            if (std::strcmp(mode, argv[1]) == 0 && tasks > 0 && call >= period && call % period == 0ms)
                return measure(mode, tasks, call) ? 0 : 1;
    }
    std::fprintf(stderr, "%s blocking|to_thread|sleep [TASKS [CALL_MS]], the call a multiple of 10 ms, or --smoke\n",
                 argv[0]);
    return 2;
}
