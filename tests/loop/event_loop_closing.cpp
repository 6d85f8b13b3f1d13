// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

// What comes to a loop that is closed, or at its end.

#include <support/leak_check.hpp>

#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <catch2/catch_test_macros.hpp>

#include <exception>
#include <memory>
#include <stdexcept>

using rondo::event_loop;
using rondo::task;

namespace {

task<> nothing() { co_return; }
task<> fails() {
    co_await rondo::yield();
    throw std::runtime_error("failed");
}
task<> closes() {
    event_loop::current().close();
    co_return;
}

class spawns_at_its_end {
public:
    explicit spawns_at_its_end(event_loop& loop) : loop_(&loop) {}
    spawns_at_its_end(spawns_at_its_end&& other) noexcept : loop_(std::exchange(other.loop_, nullptr)) {}
    ~spawns_at_its_end() {
        if (loop_ != nullptr) loop_->spawn(nothing());
    }
    void operator()() const {}

private:
    event_loop* loop_;
};

}  // namespace

TEST_CASE("a loop that was closed by its own task stays closed") {
    event_loop loop(std::make_unique<rondo::testing::virtual_driver>());
    (void)loop.try_run(closes());
    auto handle = loop.spawn(nothing());
    CHECK(handle.done());
}

TEST_CASE("what a handler spawns while its loop goes is destroyed") {
    rondo::join_handle<> handle;
    {
        event_loop loop(std::make_unique<rondo::testing::virtual_driver>());
        loop.on_unhandled_exception([&](std::exception_ptr) { loop.spawn(nothing()); });
        handle = loop.spawn(fails());
        while (!handle.done()) loop.poll();
    }
    handle = rondo::join_handle<>();
    CHECK(rondo::testing::live_frames() == 0);
}

TEST_CASE("what the destructor of a posted function spawns while its loop goes is destroyed") {
    {
        event_loop loop(std::make_unique<rondo::testing::virtual_driver>());
        loop.post(spawns_at_its_end(loop));
    }
    CHECK(rondo::testing::live_frames() == 0);
}
