// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

// Operations on mutexes or semaphores, by the first byte.

#include <cstddef>
#include <cstdint>
#include <fuzz/judge.hpp>
#include <sync/permits_model.hpp>
#include <utility>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    support::choices c(bytes, size);
    if (c.pick(2) == 0)
        fuzz::judge<permits_model::world<permits_model::mutexes>>(std::move(c));
    else
        fuzz::judge<permits_model::world<permits_model::semaphores>>(std::move(c));
    return 0;
}
