// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

#include <support/clocks.hpp>
#include <support/leak_check.hpp>
#include <support/tasks.hpp>

#include <rondo/core/errors.hpp>
#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <catch2/catch_test_macros.hpp>

#include <exception>
#include <stdexcept>
#include <string>
#include <type_traits>

static_assert(std::is_base_of_v<std::runtime_error, rondo::cancelled>);
static_assert(std::is_base_of_v<std::runtime_error, rondo::timeout_error>);
static_assert(std::is_base_of_v<std::runtime_error, rondo::queue_closed>);
static_assert(std::is_base_of_v<std::runtime_error, rondo::callback_dropped>);
static_assert(std::is_base_of_v<std::runtime_error, rondo::deadlock_error>);

TEST_CASE("every error says in words what has happened") {
    CHECK(std::string(rondo::cancelled().what()).find("cancelled") != std::string::npos);
    CHECK(std::string(rondo::timeout_error().what()).find("time") != std::string::npos);
    CHECK(std::string(rondo::queue_closed().what()).find("closed") != std::string::npos);
    CHECK(std::string(rondo::callback_dropped().what()).find("callback") != std::string::npos);
}

namespace {

rondo::task<> throws_cancelled() {
    throw rondo::cancelled();
    co_return;
}

rondo::task<> looks_at(rondo::join_handle<>& handle, bool& cancelled, bool& error) {
    const auto end = co_await handle.settled();
    cancelled = end.is_cancelled();
    error = end.error() != nullptr;
}

}  // namespace

TEST_CASE("a task that throws cancelled has failed; it was not cancelled") {
    bool cancelled = true;
    bool error = false;
    rondo::event_loop loop(support::virtual_time());
    rondo::join_handle<> handle = loop.spawn(throws_cancelled());
    loop.run(looks_at(handle, cancelled, error));
    CHECK(!cancelled);
    CHECK(error);

    CHECK_THROWS_AS(rondo::testing::run(throws_cancelled()), rondo::cancelled);
}

TEST_CASE("cancelled leaving a task that nobody joins is reported like any other exception") {
    int reported = 0;
    rondo::event_loop loop(support::virtual_time());
    loop.on_unhandled_exception([&](std::exception_ptr) { ++reported; });
    loop.spawn(throws_cancelled());
    loop.run();
    CHECK(reported == 1);
}
