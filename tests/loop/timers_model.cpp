// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

// Random waits for time to pass; see timers_model.hpp.

#include <support/leak_check.hpp>
#include <support/scenarios.hpp>

#include <catch2/catch_test_macros.hpp>

#include <loop/timers_model.hpp>
#include <string>

TEST_CASE("under random operations timers do what their model does") {
    const std::string wrong = support::play_many<timers_model::world>(50'000);
    INFO(wrong);
    CHECK(wrong.empty());
}
