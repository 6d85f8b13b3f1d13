// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// A timer that is or may be set, in the frame of the task that waits for it.

#include <rondo/base/timer_heap.hpp>
#include <rondo/core/resumer.hpp>
#include <rondo/loop/driver.hpp>

namespace rondo::inline RONDO_ABI::detail {

class timer : public timer_node {
public:
    timer() noexcept = default;

    bool is_set() const noexcept { return set_; }

    /// Throws: std::bad_alloc.
    void set(timer_heap<time_point>& timers, time_point deadline, waker w) {
        timers.insert(*this, deadline);
        waker_ = w;
        set_ = true;
    }

    /// To be called when the heap has given it out.
    void fire() noexcept {
        set_ = false;
        waker_.wake();
    }

    // In rounds.hpp, with the heap:
    void withdraw() noexcept;                     // takes it out if it is set
    const time_point& deadline() const noexcept;  // of one that is set

private:
    waker waker_;
    bool set_ = false;
};

}  // namespace rondo::inline RONDO_ABI::detail
