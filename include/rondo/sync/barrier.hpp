// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// A place where so many tasks meet before they go on, again and again.

#include <rondo/core/awaitable.hpp>
#include <rondo/loop/wait_list.hpp>
#include <rondo/sync/detail/count.hpp>

#include <concepts>
#include <cstddef>

namespace rondo::inline RONDO_ABI {

namespace detail {
class barrier_awaiter;
}

/// Lets its parties go when the last of them has arrived, and begins anew. Belongs to no loop. Destroying it under waiters detaches
/// them: they never resume, and unwind when cancelled; those that have been let go do not need it any more.
/// Cost: no allocation; O(1) operations, and O(n) for the last of n parties. Thread: the loop's.
class barrier {
public:
    /// Throws: std::invalid_argument for less than one party.
    template <std::integral N>
    explicit barrier(N parties)
        : parties_(detail::checked_count(parties, 1, "rondo: a barrier needs at least one party")) {}
    barrier(const barrier&) = delete;
    barrier& operator=(const barrier&) = delete;

    /// `co_await b.arrive_and_wait()`: arrives when it is awaited, and waits for the others.
    /// Suspends: all but the last one; and that, to let others go first after a bounded number of operations in one step.
    /// Resumes:  on a later step, in the order in which they came.
    /// Cancel:   takes the arrival back, unless all had arrived already.
    [[nodiscard("co_await it")]] auto arrive_and_wait() noexcept { return arriving(*this); }

private:
    friend detail::barrier_awaiter;

    class arriving {
    public:
        explicit arriving(barrier& b) noexcept : barrier_(&b) {}
        inline detail::barrier_awaiter operator co_await() const noexcept;

    private:
        barrier* barrier_;
    };

    /// True if that was the last one.
    bool arrive() noexcept {
        if (++arrived_ != parties_) return false;
        arrived_ = 0;
        waiters_.tell_all();
        return true;
    }

    std::size_t parties_;
    std::size_t arrived_ = 0;
    detail::wait_list waiters_;
};

class detail::barrier_awaiter final : private waiter {
public:
    explicit barrier_awaiter(barrier& b) noexcept : barrier_(&b) {}
    barrier_awaiter(const barrier_awaiter&) = delete;
    barrier_awaiter& operator=(const barrier_awaiter&) = delete;

    bool await_ready() noexcept {
        arrive();
        return goes_ && scheduler::current()->spend();
    }
    void await_suspend(waker w) noexcept {
        arrive();
        if (goes_)
            w.put_off();
        else
            barrier_->waiters_.add(*this, w);
    }
    void await_resume() const noexcept {}
    bool await_cancel() noexcept {
        if (is_linked()) --barrier_->arrived_;
        leave();
        return true;
    }
    wait_info await_describe() const noexcept {
        return is_detached() ? wait_info("barrier::arrive_and_wait (the barrier is gone)", nullptr)
                             : wait_info("barrier::arrive_and_wait", barrier_);
    }

private:
    void arrive() noexcept {
        if (!arrived_) goes_ = barrier_->arrive();
        arrived_ = true;
    }

    barrier* barrier_;
    bool arrived_ = false;
    bool goes_ = false;
};

inline detail::barrier_awaiter barrier::arriving::operator co_await() const noexcept {
    return detail::barrier_awaiter(*barrier_);
}

}  // namespace rondo::inline RONDO_ABI
