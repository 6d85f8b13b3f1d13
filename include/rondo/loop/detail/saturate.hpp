// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// Arithmetic on time that never overflows: what is beyond the clock's range is "for ever".

#include <rondo/base/misuse.hpp>
#include <rondo/loop/driver.hpp>

#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <type_traits>

namespace rondo::inline RONDO_ABI::detail {

/// `count` periods in nanoseconds, rounded up; for counts whose result is in range.
template <class Period>
std::chrono::nanoseconds whole_nanoseconds(std::uint64_t count) noexcept {
    constexpr std::uint64_t num = Period::num, den = Period::den, billion = 1'000'000'000;
    const std::uint64_t seconds = count / den * num + count % den * num / den;
    const std::uint64_t rest = count % den * num % den;  // of a second, in units of 1 / den
    std::uint64_t nanoseconds;
    if constexpr (den % billion == 0)
        nanoseconds = rest / (den / billion) + (rest % (den / billion) == 0 ? 0 : 1);
    else if constexpr (den < billion * 16)
        nanoseconds = (rest * billion + den - 1) / den;
    else
        nanoseconds = static_cast<std::uint64_t>(static_cast<long double>(rest) / den * billion) + 1;
    return std::chrono::nanoseconds(seconds * billion + nanoseconds);
}

/// `length` in the clock's unit, rounded up, so that no sleep is early. Negative: zero. Too long: duration::max().
/// Throws: std::invalid_argument for NaN.
template <class Rep, class Period>
duration saturate(std::chrono::duration<Rep, Period> length) {
    if constexpr (std::is_floating_point_v<Rep>)
        if (length.count() != length.count()) raise<std::invalid_argument>("rondo: a duration that is not a number");
    if (length <= std::chrono::duration<Rep, Period>::zero()) return duration::zero();
    const long double nanoseconds =
        static_cast<long double>(length.count()) * Period::num / Period::den * 1'000'000'000.0L;
    if (nanoseconds >= static_cast<long double>((std::chrono::nanoseconds::max)().count()) ||
        nanoseconds >= std::chrono::duration<long double, std::nano>((duration::max)()).count())
        return (duration::max)();
    if constexpr (std::is_floating_point_v<Rep>) {
        const auto whole = static_cast<std::int64_t>(nanoseconds);
        const std::chrono::nanoseconds rounded(static_cast<long double>(whole) < nanoseconds ? whole + 1 : whole);
        return std::chrono::ceil<duration>(rounded);
    } else {
        return std::chrono::ceil<duration>(whole_nanoseconds<Period>(static_cast<std::uint64_t>(length.count())));
    }
}
inline duration saturate(duration length) noexcept { return length; }

template <class T>
concept length_of_time = requires { typename std::remove_cvref_t<T>::period; };

/// Stands for a length of time that is none, where one is wanted.
class no_length {
public:
    template <class N>
        requires std::is_arithmetic_v<N>
    explicit(false) no_length(N) {
        static_assert(never<N>,
                      "rondo: a length of time needs a unit: 1s or 20ms, with using namespace std::chrono_literals");
    }
    template <class Clock, class Duration>
    explicit(false) no_length(std::chrono::time_point<Clock, Duration>) {
        static_assert(never<Clock>,
                      "rondo: a length of time is wanted, not a point in time: sleep_until(t), or t - loop.now()");
    }
};

/// `start + length`, or time_point::max().
inline time_point later(time_point start, duration length) noexcept {
    if (start > time_point() && length >= (time_point::max)() - start) return (time_point::max)();
    return start + length;
}

}  // namespace rondo::inline RONDO_ABI::detail
