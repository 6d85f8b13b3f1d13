// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// Plays the scenario that a fuzzer's bytes spell. What the model objects to, and what led to it, goes to stderr, and
// the program aborts.

#include <support/scenarios.hpp>

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>

namespace fuzz {

template <class World>
void judge(support::choices c) {
    std::size_t operations = 0;
    const std::string wrong = support::play<World>(std::move(c), operations);
    if (wrong.empty()) return;
    std::fprintf(stderr, "%s\n", wrong.c_str());
    std::abort();
}

}  // namespace fuzz
