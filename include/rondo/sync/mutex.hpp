// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// Keeping other tasks out across a co_await. (Between two of them a task has everything to itself anyway.)

#include <rondo/sync/detail/permits.hpp>

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <utility>

namespace rondo::inline RONDO_ABI {

/// Held by one task at a time; those who wait get it in the order in which they came, and nobody overtakes: it passes from hand to hand.
///
///     mutex m;
///     auto guard = co_await m.scoped_lock();
///     co_await write(file);                     // nobody else is here
///
/// Not recursive: a task that locks it twice waits for itself, and the loop reports a deadlock.
/// Belongs to no loop. Destroying it under waiters detaches them: they never resume, and unwind when cancelled. Destroying it while a
/// guard holds it is fatal.
/// Cost: no allocation; O(1) operations. Thread: the loop's.
class mutex final : private detail::permits {
public:
    class guard;

    mutex() noexcept : permits(1) {}
    ~mutex() {
        if (guarded_) detail::fatal("rondo: a mutex was destroyed while a guard holds it");
    }

    /// `co_await m.lock()`: for code that does not await before unlock(); across a co_await a cancellation would leave it
    /// locked: hold a guard there.
    /// Suspends: while it is locked, and to let others go first after a bounded number of operations in one step.
    /// Resumes:  on a later step, in the order in which they came.
    /// Cancel:   leaves the queue; a lock that had been handed over passes on to the next.
    [[nodiscard("co_await it")]] auto lock() noexcept { return detail::acquiring<mutex, void>(*this); }

    /// `auto g = co_await m.scoped_lock()`: the same, with a guard that unlocks.
    [[nodiscard("co_await it: it gives a guard")]] auto scoped_lock() noexcept {
        return detail::acquiring<mutex, guard>(*this);
    }

    /// Locks it if nobody has it.
    bool try_lock() noexcept {
        if (!is_free()) return false;
        take();
        locked_ = true;
        holder_ = detail::running_task();
        return true;
    }

    /// Ends what lock() or try_lock() began; the next one in the queue has it then, and resumes on a later step.
    /// Throws: std::logic_error if it is not locked, or if it is a guard's to unlock.
    void unlock() {
        if (!locked_) [[unlikely]]
            detail::raise<std::logic_error>(
                guarded_ ? "rondo: unlock of a mutex that a guard holds: unlock the guard"
                         : "rondo: unlock of a mutex that is not locked: hold auto guard = co_await m.scoped_lock(), "
                           "or co_await m.lock(); std::lock_guard and its kind do not await");
        locked_ = false;
        give(1);
    }

    bool is_locked() const noexcept { return !is_free(); }

private:
    template <class, class>
    friend class detail::acquire_awaiter;
    friend class condition_variable;

    std::size_t holders(detail::holder* who, std::size_t most) const noexcept override {
        if (most == 0 || !(locked_ || guarded_)) return 0;
        *who = holder_;
        return 1;
    }

    static constexpr const char* wait = "mutex::lock";
    static constexpr const char* wait_is_over = "mutex::lock (the mutex is gone)";

    template <class Held>
    Held held() noexcept {
        holder_ = detail::running_task();
        if constexpr (std::is_void_v<Held>)
            locked_ = true;
        else
            return Held(*this);
    }

    bool locked_ = false;   // by lock; never both
    bool guarded_ = false;  // by a guard
    detail::holder holder_;
};

/// Holds a mutex until it is destroyed or unlocked. Movable.
class [[nodiscard("the mutex is held for as long as the guard lives")]] mutex::guard {
public:
    guard(guard&& other) noexcept : mutex_(other.mutex_), owns_(std::exchange(other.owns_, false)) {}
    guard& operator=(guard&& other) noexcept {
        guard moved(std::move(other));
        std::swap(mutex_, moved.mutex_);
        std::swap(owns_, moved.owns_);
        return *this;
    }
    ~guard() {
        if (owns_) release();
    }

    /// False after unlock(), when moved from, and after a wait on a condition_variable that was cancelled.
    bool owns_lock() const noexcept { return owns_; }
    explicit operator bool() const noexcept { return owns_; }

    /// Throws: std::logic_error if it does not hold the mutex.
    void unlock() {
        if (!owns_) detail::raise<std::logic_error>("rondo: unlock of a guard that does not hold its mutex");
        release();
    }

private:
    friend class mutex;
    friend class condition_variable;

    explicit guard(mutex& m) noexcept : mutex_(&m) { regain(); }

    void regain() noexcept { owns_ = mutex_->guarded_ = true; }
    void release() noexcept {
        owns_ = mutex_->guarded_ = false;
        mutex_->give(1);
    }

    mutex* mutex_;
    bool owns_;
};

}  // namespace rondo::inline RONDO_ABI
