// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

#include <support/leak_check.hpp>
#include <support/queue_model.hpp>
#include <support/scenarios.hpp>

#include <rondo/rondo.hpp>

#include <catch2/catch_test_macros.hpp>

#include <string>

TEST_CASE("under random operations with timeouts and in races a bounded_queue does what its model does") {
    using world = support::queue_model::world<rondo::bounded_queue<support::queue_model::message>>;
    const std::string wrong = support::play_many<world>(30'000);
    INFO(wrong);
    CHECK(wrong.empty());
}
