// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

// The random programs of loop/event_loop_random.cpp, in the thousands.

#include <support/leak_check.hpp>
#include <support/random_program.hpp>

#include <catch2/catch_test_macros.hpp>

#include <string>
#include <vector>

TEST_CASE("whatever tasks do to one another: many more programs, and longer ones") {
    for (unsigned seed = 10'000; seed < 60'000; ++seed) {
        const std::vector<std::string> violations =
            support::random_program::run(support::choices(seed), seed % 10 == 0 ? 2'000 : 200, seed % 2 == 0);
        INFO("seed " << seed);
        CHECK(violations == std::vector<std::string>());
    }
}
