// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// A timer that is or may be set, in the frame of the task that waits for it.

#include <rondo/base/timer_heap.hpp>
#include <rondo/core/resumer.hpp>
#include <rondo/loop/driver.hpp>

#include <utility>

namespace rondo::inline RONDO_ABI::detail {

/// Which loop it belongs to it does not say: all its calls are made while that one is current.
class timer : public timer_node {
public:
    timer() noexcept = default;

    bool is_set() const noexcept { return who_ != nullptr; }

    /// Throws: std::bad_alloc.
    void set(timer_heap<time_point>& timers, time_point deadline, step& who) {
        timers.insert(*this, deadline);
        who_ = &who;
    }

    /// To be called when the heap has given it out.
    void fire(scheduler& loop) noexcept { waker(*std::exchange(who_, nullptr), loop).wake(); }

    // In rounds.hpp, with the heap:
    void withdraw() noexcept;                     // takes it out if it is set
    const time_point& deadline() const noexcept;  // of one that is set

private:
    step* who_ = nullptr;  // to be woken; null: not set
};

}  // namespace rondo::inline RONDO_ABI::detail
