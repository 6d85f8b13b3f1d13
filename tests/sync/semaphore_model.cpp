// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

// Random operations on semaphores; see permits_model.hpp.

#include <support/leak_check.hpp>
#include <support/scenarios.hpp>

#include <catch2/catch_test_macros.hpp>

#include <string>
#include <sync/permits_model.hpp>

TEST_CASE("under random operations a semaphore does what its reference does") {
    const std::string wrong = support::play_many<permits_model::world<permits_model::semaphores>>(40'000);
    INFO(wrong);
    CHECK(wrong.empty());
}
