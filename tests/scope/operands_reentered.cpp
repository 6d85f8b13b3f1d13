// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

// Operations that decide against themselves, or against others, while a combinator is starting them.

#include <support/leak_check.hpp>

#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <catch2/catch_test_macros.hpp>

#include <chrono>
#include <exception>
#include <memory>
#include <stdexcept>

using namespace std::chrono_literals;
using rondo::task;

namespace {

task<> commit(int& done) {
    co_await rondo::sleep(1s);
    done = 1;
}

task<> committed(int& done) { co_await rondo::uncancellable(commit(done)); }

}  // namespace

TEST_CASE("an operand that lets a sibling win and then throws leaves no child behind") {
    int unhandled = 0;
    int done = 0;
    rondo::event_loop loop(std::make_unique<rondo::testing::virtual_driver>());
    loop.on_unhandled_exception([&](std::exception_ptr) { ++unhandled; });
    const auto main = [&]() -> task<> {
        rondo::event news;
        const auto start = [&](rondo::callback<int>) {
            news.set();
            throw std::runtime_error("after all");
        };
        const auto first = co_await rondo::when_any(committed(done), news.wait(), rondo::from_callback<int>(start));
        CHECK(first.index() == 1);
        CHECK(done == 1);
    };
    loop.run(main());
    CHECK(unhandled == 1);
    CHECK(rondo::testing::live_frames() == 0);
}

TEST_CASE("when_all_settled of one's own handle is a logic_error in the outcome, and loses no exception") {
    int unhandled = 0;
    rondo::event_loop loop(std::make_unique<rondo::testing::virtual_driver>());
    loop.on_unhandled_exception([&](std::exception_ptr) { ++unhandled; });
    {
        rondo::join_handle<> handle;
        const auto own = [&]() -> task<> {
            auto [joined, yielded] = co_await rondo::when_all_settled(handle, rondo::yield());
            CHECK(!joined.has_value());
            CHECK(joined.error() != nullptr);
            CHECK(yielded.has_value());
            throw std::runtime_error("own failure");
        };
        handle = loop.spawn(own());
        for (int i = 0; i < 10; ++i) loop.poll();
        CHECK(handle.done());
    }
    loop.poll();
    CHECK(unhandled == 1);
}
