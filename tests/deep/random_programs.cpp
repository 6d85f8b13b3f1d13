// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

// The random programs of loop/event_loop_random.cpp, in the thousands.

#include <support/leak_check.hpp>
#include <support/random_program.hpp>
#include <support/seeds.hpp>

#include <catch2/catch_test_macros.hpp>

#include <string>
#include <vector>

TEST_CASE("whatever tasks do to one another: many more programs, and longer ones") {
    support::for_seeds(10'000, 50'000, [](unsigned seed) {
        const std::vector<std::string> violations =
            support::random_program::run(support::choices(seed), seed % 10 == 0 ? 2'000 : 200, seed % 2 == 0);
        CHECK(violations == std::vector<std::string>());
    });
}
