// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// A number of permits, arrivals or parties, of whatever integer type it comes.

#include <rondo/base/config.hpp>

#include <concepts>
#include <cstddef>
#include <stdexcept>

namespace rondo::inline RONDO_ABI::detail {

/// Throws: std::invalid_argument with `text` if `n` is below `least`.
template <std::integral N>
std::size_t checked_count(N n, std::size_t least, const char* text) {
    if constexpr (std::signed_integral<N>)
        if (n < 0) raise<std::invalid_argument>(text);
    if (static_cast<std::size_t>(n) < least) raise<std::invalid_argument>(text);
    return static_cast<std::size_t>(n);
}

}  // namespace rondo::inline RONDO_ABI::detail
