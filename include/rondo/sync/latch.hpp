// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// Waiting until so many things have happened, once.

#include <rondo/loop/detail/gate.hpp>
#include <rondo/sync/detail/count.hpp>

#include <concepts>
#include <cstddef>
#include <stdexcept>
#include <utility>

namespace rondo::inline RONDO_ABI {

namespace detail {
class arrive_awaiter;
}

/// Counts down to zero, and stays there. Belongs to no loop. Destroying it under waiters detaches them: they never resume, and unwind
/// when cancelled; those that have been woken do not need it any more.
/// Cost: no allocation; O(1) operations, and O(n) for the last count with n waiters. Thread: the loop's.
class latch {
public:
    /// Throws: std::invalid_argument for a negative number.
    template <std::integral N>
    explicit latch(N expected)
        : count_(detail::checked_count(expected, 0, "rondo: a latch counts from zero or more")) {}
    latch(const latch&) = delete;
    latch& operator=(const latch&) = delete;

    /// At zero wakes all that wait.
    /// Throws: std::invalid_argument if that would be below zero; nothing has changed then.
    void count_down(std::size_t k = 1) {
        if (k > count_) detail::raise<std::invalid_argument>("rondo: a latch was counted down below zero");
        count_ -= k;
        if (count_ == 0) waiters_.tell_all();
    }

    /// Whether it is at zero.
    bool try_wait() const noexcept { return is_open(); }

    /// `co_await l.wait()`: waits until it is at zero.
    /// Suspends: unless it is, and to let others go first after a bounded number of operations in one step.
    /// Resumes:  on a later step, in the order in which they came.
    /// Cancel:   leaves the queue.
    [[nodiscard("co_await it")]] auto wait() noexcept {
        return detail::gate_wait<latch, detail::gate_awaiter<latch>>(*this);
    }

    /// `co_await l.arrive_and_wait()`: count_down() when it is awaited, and wait().
    /// Cancel: the count stays down.
    /// Throws: as count_down.
    [[nodiscard("co_await it")]] auto arrive_and_wait() noexcept {
        return detail::gate_wait<latch, detail::arrive_awaiter>(*this);
    }

private:
    friend detail::gate_awaiter<latch>;

    static constexpr const char* wait_name = "latch::wait";
    static constexpr const char* wait_is_over = "latch::wait (the latch is gone)";
    bool is_open() const noexcept { return count_ == 0; }

    std::size_t count_;
    detail::wait_list waiters_;
};

namespace detail {

class arrive_awaiter final : public gate_awaiter<latch> {
public:
    using gate_awaiter<latch>::gate_awaiter;

    bool await_ready() {
        arrive();
        return gate_awaiter<latch>::await_ready();
    }
    void await_suspend(waker w) {
        arrive();
        gate_awaiter<latch>::await_suspend(w);
    }

private:
    void arrive() {
        if (!std::exchange(arrived_, true)) gate_->count_down();
    }

    bool arrived_ = false;
};

}  // namespace detail
}  // namespace rondo::inline RONDO_ABI
