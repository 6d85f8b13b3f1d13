// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

// Waits for time to pass.

#include <cstddef>
#include <cstdint>
#include <fuzz/judge.hpp>
#include <loop/timers_model.hpp>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    fuzz::judge<timers_model::world>(support::choices(bytes, size));
    return 0;
}
