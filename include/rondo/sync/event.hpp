// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// A flag that tasks can wait for: asyncio.Event.

#include <rondo/loop/detail/gate.hpp>

namespace rondo::inline RONDO_ABI {

/// Set or not. Belongs to no loop. Destroying it under waiters detaches them: they never resume, and unwind when cancelled; those that set() has
/// woken do not need it any more.
/// Cost: no allocation; O(1) operations, and O(n) for set() with n waiters. Thread: the loop's.
class event {
public:
    explicit event(bool set = false) noexcept : set_(set) {}
    event(const event&) = delete;
    event& operator=(const event&) = delete;

    /// `co_await e.wait()`: waits until it is set.
    /// Suspends: unless it is set, and to let others go first after a bounded number of operations in one step.
    /// Resumes:  on a later step, in the order in which they came, also when it has been reset by then.
    /// Cancel:   leaves the queue.
    [[nodiscard("co_await it")]] auto wait() noexcept {
        return detail::gate_wait<event, detail::gate_awaiter<event>>(*this);
    }

    /// Wakes all that wait.
    void set() noexcept {
        set_ = true;
        waiters_.tell_all();
    }
    void reset() noexcept { set_ = false; }
    bool is_set() const noexcept { return set_; }

private:
    friend detail::gate_awaiter<event>;

    static constexpr const char* wait_name = "event::wait";
    static constexpr const char* wait_is_over = "event::wait (the event is gone)";
    bool is_open() const noexcept { return set_; }

    bool set_;
    detail::wait_list waiters_;
};

}  // namespace rondo::inline RONDO_ABI
