// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// What both translation units do, so that the linker sees every definition that it needs twice. The coroutines are each unit's
// own: g++ numbers the fields of a frame, so that frames of the same coroutine never compare equal.

#include <rondo/debug.hpp>
#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <chrono>
#include <cstddef>
#include <string>
#include <tuple>

namespace {

rondo::task<int> adds(rondo::bounded_queue<int>& numbers) {
    int sum = 0;
    while (auto number = co_await numbers.pop()) sum += *number;
    co_return sum;
}

rondo::task<> counts(rondo::bounded_queue<int>& numbers, rondo::mutex& m, int to) {
    const auto guard = co_await m.scoped_lock();
    for (int i = 1; i <= to; ++i) co_await numbers.push(i);
    co_await rondo::sleep(std::chrono::milliseconds(1));
    numbers.close();
}

rondo::task<std::size_t> reads(rondo::message_queue<std::string>& letters) {
    std::size_t length = 0;
    while (auto letter = co_await letters.receive()) {
        length += (*letter)->size();
        letter->ack();
    }
    co_return length;
}

rondo::task<> counts_nothing() { co_await rondo::yield(); }

rondo::async_generator<int> numbers(int to) {
    for (int i = 1; i <= to; ++i) co_yield i;
}

rondo::task<int> everything() {
    rondo::bounded_queue<int> queue(2);
    rondo::message_queue<std::string> letters(2);
    rondo::mutex m;
    int total = 0;
    const auto sums = co_await rondo::when_all(adds(queue), counts(queue, m, 4));
    total += std::get<0>(sums);
    auto hello = rondo::spawn(reads(letters));
    co_await letters.push("hello");
    letters.close();
    total += static_cast<int>(co_await hello);
    auto some = numbers(3);
    while (auto number = co_await some.next()) total += *number;
    const bool in_time =
        co_await rondo::try_with_timeout(std::chrono::milliseconds(1), rondo::sleep(std::chrono::hours(1)));
    if (!in_time) total += 1;
    auto body = [&total](rondo::task_group& group) -> rondo::task<> {
        group.spawn(counts_nothing());
        total += co_await rondo::to_thread([] { return 1; });
    };
    co_await rondo::with_task_group(body);
    co_return total;
}

}  // namespace
