// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

// Random operations on a bounded_queue; see bounded_queue_model.hpp.

#include <support/leak_check.hpp>
#include <support/scenarios.hpp>

#include <catch2/catch_test_macros.hpp>

#include <queue/bounded_queue_model.hpp>
#include <string>

TEST_CASE("under random operations a bounded_queue does what its model does") {
    const std::string wrong = support::play_many<bounded_queue_model::world>(20'000);
    INFO(wrong);
    CHECK(wrong.empty());
}
