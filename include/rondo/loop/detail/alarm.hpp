// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// A timer that makes a call instead of waking a task.

#include <rondo/core/resumer.hpp>
#include <rondo/loop/detail/rounds.hpp>
#include <rondo/loop/detail/timer.hpp>
#include <rondo/loop/driver.hpp>

namespace rondo::inline RONDO_ABI::detail {

/// Calls woken(), between steps, when its time has come. It lies in the frame that it is for.
class alarm : public operand {
public:
    /// `deadline` max(): never.
    /// Throws: std::bad_alloc.
    void set(scheduler& loop, time_point deadline) {
        if (deadline != (time_point::max)()) timer_.set(static_cast<rounds&>(loop).timers(), deadline, *this);
    }
    void unset() noexcept { timer_.withdraw(); }
    /// For reports.
    std::int64_t due() const noexcept {
        return timer_.is_set() ? timer_.deadline().time_since_epoch().count() : wait_info::no_deadline;
    }

    /// Calls woken() when all that is ready now has had its turn.
    void call_again(scheduler& loop) noexcept {
        if (!is_linked()) static_cast<rounds&>(loop).make_ready_last(*this);
    }

    void unwoken() noexcept final {}
    frame* parent() noexcept override { return nullptr; }

protected:
    alarm() noexcept = default;
    ~alarm() {
        unset();
        if (is_linked()) unlink();
    }

private:
    timer timer_;
};

}  // namespace rondo::inline RONDO_ABI::detail
