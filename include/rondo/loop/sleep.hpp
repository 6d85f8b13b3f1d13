// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// Waiting for time to pass, without holding the thread.

#include <rondo/base/misuse.hpp>
#include <rondo/core/awaitable.hpp>
#include <rondo/loop/detail/rounds.hpp>
#include <rondo/loop/detail/saturate.hpp>

#include <chrono>
#include <memory>
#include <type_traits>

namespace rondo::inline RONDO_ABI {

namespace detail {

/// `When`: a duration, which counts from the start of the wait, or a time_point.
template <class When>
class sleep_awaiter {
public:
    explicit sleep_awaiter(When when) noexcept : when_(when) {}
    sleep_awaiter(const sleep_awaiter&) = delete;
    sleep_awaiter& operator=(const sleep_awaiter&) = delete;

    bool await_ready() const noexcept { return false; }
    void await_suspend(waker w) {
        rounds& loop = static_cast<rounds&>(w.loop());
        const bool is_over = this->is_over(loop);
        const time_point deadline = this->deadline(loop);
        std::construct_at(&timer_);
        if (is_over)
            w.wake_next_round();
        else if (deadline == (time_point::max)())
            timer_.set_endless();
        else
            timer_.set(loop.timers(), deadline, w.host());
    }
    void await_resume() const noexcept {}
    bool await_cancel() noexcept {
        timer_.withdraw();
        return true;
    }
    wait_info await_describe() const noexcept {
        wait_info info(timer_.is_endless() ? "sleep (for ever)" : "sleep", nullptr);
        if (timer_.is_set()) info.due = timer_.deadline().time_since_epoch().count();
        return info;
    }

private:
    bool is_over(rounds& loop) const noexcept {
        if constexpr (std::is_same_v<When, duration>)
            return when_ <= duration::zero();
        else
            return when_ <= loop.now();
    }
    time_point deadline(rounds& loop) const noexcept {
        if constexpr (std::is_same_v<When, duration>)
            return later(loop.now(), when_);
        else
            return when_;
    }

    union {
        When when_;    // until it waits
        timer timer_;  // from then on
    };
};

template <class When>
class [[nodiscard("co_await it")]] sleeping {
public:
    explicit sleeping(When when) noexcept : when_(when) {}
    auto operator co_await() const noexcept { return sleep_awaiter<When>(when_); }

private:
    When when_;
};

}  // namespace detail

/// `co_await sleep(1s)`: waits until `length` has passed since the wait began. Never early. Zero or less: a
/// yield. duration::max(), and all that is beyond the clock's range: for ever, without a timer.
/// Suspends: always.
/// Resumes:  as a ready step of the round in which it falls due; equal deadlines in the order they were set.
/// Cancel:   takes the timer out.
/// Throws:   std::invalid_argument for a length that is not a number; std::bad_alloc.
/// Cost:     O(log n) of the timers that are set; no allocation but for the heap's growth.
template <class Rep, class Period>
[[nodiscard("co_await it")]] auto sleep(std::chrono::duration<Rep, Period> length) {
    return detail::sleeping<duration>(detail::saturate(length));
}

[[nodiscard("co_await it")]] inline auto sleep(detail::no_length) noexcept {
    return detail::sleeping<duration>(duration::zero());
}

/// `co_await sleep_until(t)`: the same, until the driver's clock shows `t`.
template <class Duration>
[[nodiscard("co_await it")]] auto sleep_until(std::chrono::time_point<time_point::clock, Duration> deadline) {
    return detail::sleeping<time_point>(time_point(detail::saturate(deadline.time_since_epoch())));
}
[[nodiscard("co_await it")]] inline auto sleep_until(time_point deadline) noexcept {
    return detail::sleeping<time_point>(deadline);
}
template <class Rep, class Period>
auto sleep_until(std::chrono::duration<Rep, Period>) {
    static_assert(detail::never<Rep>, "rondo: sleep_until takes a point in time; for a length of time: sleep(1s)");
    return detail::sleeping<time_point>(time_point());
}
template <class Clock, class Duration>
    requires(!std::is_same_v<Clock, time_point::clock>)
auto sleep_until(std::chrono::time_point<Clock, Duration>) {
    static_assert(detail::never<Clock>, "rondo: loops go by std::chrono::steady_clock: sleep_until(loop.now() + 1s)");
    return detail::sleeping<time_point>(time_point());
}

}  // namespace rondo::inline RONDO_ABI
