// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// A test that is played with one seed after another. What fails says how to repeat it with the one seed (RONDO_SEED).

#include <support/repeating.hpp>

#include <catch2/catch_message.hpp>
#include <catch2/catch_test_macros.hpp>
#include <catch2/interfaces/catch_interfaces_capture.hpp>

#include <string>

namespace support {

/// As command_with, for the test that is running.
inline std::string command_for_this_test(const std::string& setting) {
    std::string name;
    for (const char c : Catch::getResultCapture().getCurrentTestName()) {
        if (c == ',' || c == '[' || c == '\\') name += '\\';  // which mean something to Catch2
        name += c;
    }
    return command_with(setting) + " \"" + name + '"';
}

/// `play(seed)` with each from `first`, `count` of them; with the one in RONDO_SEED alone if it is set.
template <class F>
void for_seeds(unsigned first, unsigned count, F play) {
    const auto only = number_in("RONDO_SEED");
    if (only) {
        first = static_cast<unsigned>(*only);
        count = 1;
    }
    for (unsigned i = 0; i < count; ++i) {
        INFO(command_for_this_test("RONDO_SEED=" + std::to_string(first + i)));
        play(first + i);
    }
}

}  // namespace support
