// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// Giving an operation no more than so much time.

#include <rondo/core/errors.hpp>
#include <rondo/loop/detail/saturate.hpp>
#include <rondo/scope/detail/timed.hpp>

#include <chrono>
#include <utility>

namespace rondo::inline RONDO_ABI {

/// `co_await with_timeout(1s, op)`: the result of op, which may be a task or any other awaitable; if it takes longer it is cancelled, and
/// gone before the caller goes on.
///
///     page p = co_await with_timeout(2s, download(url));
///
/// The time counts from where op first waits. When result and deadline fall together the result wins: what is due at the same
/// instant as the deadline has its turn first. Zero or less means "try": op is started, and
/// cancelled unless it ends without waiting. duration::max() and all that is beyond the clock's range: for ever, without a timer.
/// Suspends: unless op ends without waiting.
/// Resumes:  in the step in which op ends; on a later step if it was cancelled, or is an operation rather than a task.
/// Cancel:   cancels op.
/// Throws:   timeout_error; what op throws; std::invalid_argument for a length that is not a number; std::bad_alloc; std::logic_error for
///           an empty task.
/// An op that ended although it was asked to stop (uncancellable, to_thread) gives its result.
/// Cost:     no allocation but for the timer heap's growth; O(log n) of the timers that are set. A combinator as op runs in a
///           frame of its own.
template <class Rep, class Period, class Op>
[[nodiscard("co_await it")]] auto with_timeout(std::chrono::duration<Rep, Period> length, Op&& op) {
    static_assert(detail::called<Op>, "rondo: a function is called first: with_timeout(1s, f()), with parentheses");
    static_assert(awaitable<Op>,
                  "rondo: with_timeout takes what can be awaited, and consumes a task: with_timeout(1s, std::move(t))");
    return detail::combining<detail::timed_or_error<Op>, duration, Op>(std::in_place, detail::saturate(length),
                                                                       std::forward<Op>(op));
}
template <class Op>
auto with_timeout(detail::no_length, Op&&) {
    return detail::anything();
}
template <class Op, class Rep, class Period>
    requires(!detail::length_of_time<Op>)
auto with_timeout(Op&&, std::chrono::duration<Rep, Period>) {
    static_assert(detail::never<Op>, "rondo: with_timeout takes the length of time first: with_timeout(1s, op)");
    return detail::anything();
}

/// `co_await try_with_timeout(1s, op)`: the same as a std::optional, which is empty when time was up; for void a bool, false then. A reference
/// comes as a std::reference_wrapper. A timeout_error is op's own.
template <class Rep, class Period, class Op>
[[nodiscard("co_await it")]] auto try_with_timeout(std::chrono::duration<Rep, Period> length, Op&& op) {
    static_assert(detail::called<Op>, "rondo: a function is called first: try_with_timeout(1s, f()), with parentheses");
    static_assert(
        awaitable<Op>,
        "rondo: try_with_timeout takes what can be awaited, and consumes a task: try_with_timeout(1s, std::move(t))");
    return detail::combining<detail::timed_or_nothing<Op>, duration, Op>(std::in_place, detail::saturate(length),
                                                                         std::forward<Op>(op));
}
template <class Op>
auto try_with_timeout(detail::no_length, Op&&) {
    return detail::anything();
}
template <class Op, class Rep, class Period>
    requires(!detail::length_of_time<Op>)
auto try_with_timeout(Op&&, std::chrono::duration<Rep, Period>) {
    static_assert(detail::never<Op>,
                  "rondo: try_with_timeout takes the length of time first: try_with_timeout(1s, op)");
    return detail::anything();
}

}  // namespace rondo::inline RONDO_ABI
