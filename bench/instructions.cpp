// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

// One operation, n times, to be counted by callgrind: instructions <operation> <n>. See the script beside it.

#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

namespace {

using rondo::task;

[[gnu::noinline]] task<int> child(int x) { co_return x; }

task<> await_child(long n) {
    long sum = 0;
    for (long i = 0; i < n; ++i) sum += co_await child(1);
    if (sum != n) std::abort();
}

task<> yield_often(long n) {
    for (long i = 0; i < n; ++i) co_await rondo::yield();
}

// 1,000 tasks that yield in turn.
task<> yield_among(long n) {
    std::vector<task<>> tasks;
    for (int i = 0; i < 1000; ++i) tasks.push_back(yield_often(n / 1000));
    co_await rondo::when_all(std::move(tasks));
}

task<int> yield_once(int x) {
    co_await rondo::yield();
    co_return x;
}

// In batches of 1,000 children.
task<> when_all_child(long n) {
    long sum = 0;
    for (long batch = 0; batch < n / 1000; ++batch) {
        std::vector<task<int>> tasks;
        tasks.reserve(1000);
        for (int i = 0; i < 1000; ++i) tasks.push_back(yield_once(1));
        std::vector<int> results = co_await rondo::when_all(std::move(tasks));
        for (int r : results) sum += r;
    }
    if (sum != n) std::abort();
}

task<> produce(rondo::bounded_queue<int>& queue, long n) {
    for (long i = 0; i < n; ++i) co_await queue.push(1);
    queue.close();
}

task<> consume(rondo::bounded_queue<int>& queue, long n) {
    long sum = 0;
    for (;;) {
        std::optional<int> message = co_await queue.pop();
        if (!message) break;
        sum += *message;
    }
    if (sum != n) std::abort();
}

task<> pass_messages(std::size_t capacity, long n) {
    rondo::bounded_queue<int> queue(capacity);
    co_await rondo::when_all(produce(queue, n), consume(queue, n));
}

task<> sleep_often(long n) {
    for (long i = 0; i < n; ++i) co_await rondo::sleep(std::chrono::microseconds(1));
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 3) {
        std::fputs(
            "usage: instructions await_child|yield|yield_one|when_all_child|queue_message|queue_handover|sleep N\n",
            stderr);
        return 2;
    }
    const long n = std::strtol(argv[2], nullptr, 10);
    const auto is = [&](const char* name) { return std::strcmp(argv[1], name) == 0; };
    if (is("await_child"))
        rondo::run(await_child(n));
    else if (is("yield"))
        rondo::run(yield_among(n));
    else if (is("yield_one"))
        rondo::run(yield_often(n));
    else if (is("when_all_child"))
        rondo::run(when_all_child(n));
    else if (is("queue_message"))
        rondo::run(pass_messages(1024, n));
    else if (is("queue_handover"))
        rondo::run(pass_messages(1, n));
    else if (is("sleep"))
        rondo::testing::run(sleep_often(n));
    else
        return 2;
}
