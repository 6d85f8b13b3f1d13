// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

// Programs nobody would write, by the hundred: see support/random_program.hpp for what is checked.

#include <support/leak_check.hpp>
#include <support/random_program.hpp>
#include <support/seeds.hpp>

#include <rondo/loop/event_loop.hpp>

#include <catch2/catch_test_macros.hpp>

#include <string>
#include <vector>

TEST_CASE("whatever tasks do to one another, each ends once, and each exception reaches one place") {
    support::for_seeds(1, 1'000, [](unsigned seed) {
        const std::vector<std::string> violations = support::random_program::run(support::choices(seed), 300);
        CHECK(violations == std::vector<std::string>());
    });
}

TEST_CASE("and so it is when they do it under when_all") {
    support::for_seeds(1, 1'000, [](unsigned seed) {
        const std::vector<std::string> violations = support::random_program::run(support::choices(seed), 300, true);
        CHECK(violations == std::vector<std::string>());
    });
}
