// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

// Queues that go while a push that they have answered has yet to resume.

#include <support/leak_check.hpp>

#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>

#include <chrono>
#include <memory>
#include <optional>

using namespace std::chrono_literals;
using rondo::task;

TEMPLATE_TEST_CASE("a push that was refused is told so though its queue has gone", "", rondo::bounded_queue<int>,
                   rondo::message_queue<int>) {
    for (const bool alone : {true, false}) {
        std::optional<TestType> queue(std::in_place, 1u);
        int refused = 0;
        const auto pusher = [&]() -> task<> {
            const int two = 2;
            try {
                if (alone)
                    co_await queue->push(two);
                else
                    co_await rondo::with_timeout(1s, queue->push(two));
            } catch (const rondo::queue_closed&) {
                ++refused;
            }
        };
        const auto main = [&]() -> task<> {
            CHECK(queue->try_push(1));
            auto handle = rondo::spawn(pusher());
            co_await rondo::yield();
            co_await rondo::yield();
            queue->close();
            queue.reset();
            co_await handle;
        };
        rondo::testing::run(main());
        CHECK(refused == 1);
        CHECK(rondo::testing::live_frames() == 0);
    }
}

TEST_CASE("a push that was given room goes on though its queue has gone") {
    std::optional<rondo::bounded_queue<int>> queue(std::in_place, 1u);
    const auto main = [&]() -> task<> {
        CHECK(queue->try_push(1));
        auto handle = rondo::spawn([&]() -> task<> {
            const int two = 2;
            co_await queue->push(two);
        });
        co_await rondo::yield();
        co_await rondo::yield();
        CHECK(queue->try_pop() == 1);
        queue.reset();
        co_await handle;
    };
    rondo::testing::run(main());
    CHECK(rondo::testing::live_frames() == 0);
}
