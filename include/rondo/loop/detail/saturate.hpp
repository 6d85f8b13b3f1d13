// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// Arithmetic on time that never overflows: what is beyond the clock's range is "for ever".

#include <rondo/loop/driver.hpp>

#include <chrono>
#include <limits>
#include <stdexcept>
#include <type_traits>

namespace rondo::inline RONDO_ABI::detail {

/// `length` in the clock's unit, rounded up, so that no sleep is early. Negative: zero. Too long: duration::max().
/// Throws: std::invalid_argument for NaN.
template <class Rep, class Period>
duration saturate(std::chrono::duration<Rep, Period> length) {
    using wide = std::chrono::duration<long double, duration::period>;
    if constexpr (std::is_floating_point_v<Rep>)
        if (length.count() != length.count()) raise<std::invalid_argument>("rondo: a duration that is not a number");
    if (length <= std::chrono::duration<Rep, Period>::zero()) return duration::zero();
    const long double ticks = wide(length).count();
    if (ticks >= static_cast<long double>((duration::max)().count())) return (duration::max)();
    if constexpr (std::is_floating_point_v<Rep>) {
        const auto whole = static_cast<duration::rep>(ticks);
        return duration(static_cast<long double>(whole) < ticks ? whole + 1 : whole);
    } else {
        return std::chrono::ceil<duration>(length);
    }
}
inline duration saturate(duration length) noexcept { return length; }

/// `start + length`, or time_point::max().
inline time_point later(time_point start, duration length) noexcept {
    if (length >= (time_point::max)() - start) return (time_point::max)();
    return start + length;
}

}  // namespace rondo::inline RONDO_ABI::detail
