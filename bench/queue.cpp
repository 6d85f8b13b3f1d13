// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

// What does it cost to pass a message from task to task? Through a bounded queue, and through one that keeps each
// message until it is acknowledged. The bare loop has only the first kind; its column is the same for both.

#include "support/bare.hpp"
#include "support/workload.hpp"

#include <rondo/rondo.hpp>

#include <cstddef>
#include <optional>
#include <vector>

namespace {

namespace with_rondo {

using rondo::task;

template <class Queue>
task<> produce(Queue& queue, long n) {
    for (long i = 0; i < n; ++i) co_await queue.push(1);
}

task<> consume(rondo::bounded_queue<int>& queue, long& sum) {
    while (std::optional<int> message = co_await queue.pop()) sum += *message;
}

task<> consume(rondo::message_queue<int>& queue, long& sum) {
    while (std::optional<rondo::delivery<int>> message = co_await queue.receive()) {
        sum += **message;
        message->ack();
    }
}

template <class Queue>
task<> produce_all(Queue& queue, long producers, long n) {
    std::vector<task<>> tasks;
    for (long i = 0; i < producers; ++i) tasks.push_back(produce(queue, n / producers));
    co_await rondo::when_all(std::move(tasks));
    queue.close();
}

/// With as many consumers as producers.
template <class Queue>
task<> pass(std::size_t capacity, long producers, long n) {
    Queue queue(capacity);
    long sum = 0;
    std::vector<task<>> tasks;
    for (long i = 0; i < producers; ++i) tasks.push_back(consume(queue, sum));
    tasks.push_back(produce_all(queue, producers, n));
    co_await rondo::when_all(std::move(tasks));
    bench::expect(sum == n);
}

void queue_1(long n) { rondo::run(pass<rondo::bounded_queue<int>>(1, 1, n)); }
void queue_1024(long n) { rondo::run(pass<rondo::bounded_queue<int>>(1'024, 1, n)); }
void queue_64_four(long n) { rondo::run(pass<rondo::bounded_queue<int>>(64, 4, n)); }
void message_queue_1(long n) { rondo::run(pass<rondo::message_queue<int>>(1, 1, n)); }
void message_queue_1024(long n) { rondo::run(pass<rondo::message_queue<int>>(1'024, 1, n)); }
void message_queue_64_four(long n) { rondo::run(pass<rondo::message_queue<int>>(64, 4, n)); }

}  // namespace with_rondo

namespace with_bare {

using bare::task;

task<> produce(bare::queue<int>& queue, long n) {
    for (long i = 0; i < n; ++i) co_await queue.push(1);
}

task<> consume(bare::queue<int>& queue, long& sum) {
    while (std::optional<int> message = co_await queue.pop()) sum += *message;
}

task<> produce_all(bare::queue<int>& queue, long producers, long n) {
    std::vector<task<>> tasks;
    for (long i = 0; i < producers; ++i) tasks.push_back(produce(queue, n / producers));
    co_await bare::all<void>(std::move(tasks));
    queue.close();
}

task<> pass(std::size_t capacity, long producers, long n) {
    bare::queue<int> queue(capacity);
    long sum = 0;
    std::vector<task<>> tasks;
    for (long i = 0; i < producers; ++i) tasks.push_back(consume(queue, sum));
    tasks.push_back(produce_all(queue, producers, n));
    co_await bare::all<void>(std::move(tasks));
    bench::expect(sum == n);
}

void queue_1(long n) { bare::run(pass(1, 1, n)); }
void queue_1024(long n) { bare::run(pass(1'024, 1, n)); }
void queue_64_four(long n) { bare::run(pass(64, 4, n)); }

}  // namespace with_bare

}  // namespace

int main(int argc, char** argv) {
    return bench::run(argc, argv,
                      {{"queue_1/rondo", with_rondo::queue_1, 100'000},
                       {"queue_1/bare", with_bare::queue_1, 100'000},
                       {"queue_1024/rondo", with_rondo::queue_1024, 100'000},
                       {"queue_1024/bare", with_bare::queue_1024, 100'000},
                       {"queue_64_four/rondo", with_rondo::queue_64_four, 100'000},
                       {"queue_64_four/bare", with_bare::queue_64_four, 100'000},
                       {"message_queue_1/rondo", with_rondo::message_queue_1, 100'000},
                       {"message_queue_1/bare", with_bare::queue_1, 100'000},
                       {"message_queue_1024/rondo", with_rondo::message_queue_1024, 100'000},
                       {"message_queue_1024/bare", with_bare::queue_1024, 100'000},
                       {"message_queue_64_four/rondo", with_rondo::message_queue_64_four, 100'000},
                       {"message_queue_64_four/bare", with_bare::queue_64_four, 100'000}});
}
