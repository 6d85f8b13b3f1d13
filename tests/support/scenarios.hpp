// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// Plays the random scenarios of a model. A `World` is made from `choices`; run_scenario() gives the number of
// operations that it has done, objection() what the model objects to (empty: nothing), and history() what led to it.
//
// RONDO_OPERATIONS: how many (50,000; a million in a long run). RONDO_SEED: of the first scenario; each further one adds 1.

#include <support/choices.hpp>
#include <support/repeating.hpp>
#include <support/tally.hpp>
#include <support/tracked.hpp>

#include <rondo/testing/frames.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

namespace support {

/// One scenario. Returns what is wrong; adds what was done to `operations`.
template <class World>
std::string play(choices c, std::size_t& operations) {
    const std::size_t frames = rondo::testing::live_frames();
    const int values = tracked::live();
    {
        World world(std::move(c));
        operations += world.run_scenario();
        if (!world.objection().empty()) return world.objection() + "\nafter\n" + world.history();
    }
    if (rondo::testing::live_frames() != frames) return "frames are left behind\n";
    if (tracked::live() != values) return "values are left behind\n";
    return std::string();
}

/// Scenarios until there were as many operations as wanted. Returns what is wrong, and how to repeat it.
template <class World>
std::string play_many(std::size_t first_seed) {
    std::size_t seed = number_in("RONDO_SEED", first_seed, 1'000'000);
    const std::size_t wanted = number_in("RONDO_OPERATIONS", 50'000, 1'000'000);
    if (wanted == 0) return "RONDO_OPERATIONS: none wanted, none done";
    std::size_t done = 0;
    for (; done < wanted; ++seed) {
        const std::string wrong = play<World>(choices(static_cast<std::uint_fast32_t>(seed)), done);
        if (!wrong.empty()) return wrong + command_with("RONDO_OPERATIONS=1 RONDO_SEED=" + std::to_string(seed));
    }
    tally::add("operations", done);
    return std::string();
}

}  // namespace support
