// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// Doing something again and again at a steady pace, without the drift of a sleep in a loop.

#include <rondo/base/misuse.hpp>
#include <rondo/loop/event_loop.hpp>
#include <rondo/loop/sleep.hpp>

#include <chrono>
#include <source_location>
#include <stdexcept>

namespace rondo::inline RONDO_ABI {

/// What becomes of ticks that fell due while nobody waited for one.
enum class missed_ticks {
    skip,   // none of them: the next tick is the next multiple of the period
    delay,  // one, at once; the period counts anew from there
    burst,  // all of them, at once, one after another
};

/// Ticks once a period, first one period after it was made.
///
///     interval ticks(100ms);
///     for (;;) { co_await ticks.next(); sample(); }
class interval {
public:
    /// Throws: std::invalid_argument for a period of zero or less; std::logic_error outside a running loop.
    template <class Rep, class Period>
    explicit interval(std::chrono::duration<Rep, Period> period, missed_ticks missed = missed_ticks::skip,
                      std::source_location where = std::source_location::current())
        : period_(detail::saturate(period)),
          missed_(missed),
          next_(detail::later(event_loop::current(where).now(), period_)) {
        if (period_ <= duration::zero())
            detail::raise_at<std::invalid_argument>(where, "rondo: an interval needs a period above zero");
    }

    explicit interval(detail::no_length, missed_ticks = missed_ticks::skip);

    /// `co_await ticks.next()`: waits for the next tick.
    /// Suspends: always; for a missed tick it yields.
    /// Resumes:  as sleep_until. Cancel: as sleep_until; a wait that is cancelled uses up no tick.
    [[nodiscard("co_await it")]] auto next() noexcept { return ticking(*this); }

private:
    class tick_awaiter : public detail::sleep_awaiter<time_point> {
    public:
        explicit tick_awaiter(interval& i) : detail::sleep_awaiter<time_point>(i.due()), interval_(&i) {}
        void await_resume() const noexcept { interval_->next_ = detail::later(interval_->next_, interval_->period_); }

    private:
        interval* interval_;
    };

    class ticking {
    public:
        explicit ticking(interval& i) noexcept : interval_(&i) {}
        auto operator co_await() const { return tick_awaiter(*interval_); }

    private:
        interval* interval_;
    };

    /// When the next tick is due, after what was missed has been dealt with.
    time_point due() {
        const time_point now = event_loop::current().now();
        if (next_ < now && missed_ == missed_ticks::delay) next_ = now;
        if (next_ < now && missed_ == missed_ticks::skip) {
            const duration late = (now - next_) % period_;
            next_ = late == duration::zero() ? now : detail::later(now, period_ - late);
        }
        return next_;
    }

    duration period_;
    missed_ticks missed_;
    time_point next_;
};

}  // namespace rondo::inline RONDO_ABI
