// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// Letting at most so many in at a time.

#include <rondo/sync/detail/count.hpp>
#include <rondo/sync/detail/permits.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <type_traits>
#include <utility>

namespace rondo::inline RONDO_ABI {

/// A number of permits. Those who wait get theirs in the order in which they came, and nobody overtakes.
///
///     semaphore at_once(10);
///     auto permit = co_await at_once.scoped_acquire();
///     co_await download(url);                   // never more than ten at a time
///
/// Belongs to no loop. Destroying it under waiters detaches them: they never resume, and unwind when cancelled. Destroying it while a
/// permit object is out is fatal.
/// Cost: no allocation; O(1) operations. Thread: the loop's.
class semaphore final : private detail::permits {
public:
    class permit;

    /// Throws: std::invalid_argument for a negative number, or one beyond a std::ptrdiff_t. Zero is one that waits for the first release.
    template <std::integral N>
    explicit semaphore(N initial)
        : detail::permits(detail::checked_count(initial, 0, "rondo: a semaphore needs zero or more permits")) {
        if (available() > limit)
            detail::raise<std::invalid_argument>("rondo: a semaphore cannot count that many permits");
    }
    inline ~semaphore();

    /// `co_await s.acquire()`: takes a permit, for release() by hand; across a co_await a cancellation would lose it: hold a permit
    /// object there.
    /// Suspends: while there is none, and to let others go first after a bounded number of operations in one step.
    /// Resumes:  on a later step, in the order in which they came.
    /// Cancel:   leaves the queue; a permit that had been handed over passes on to the next.
    [[nodiscard("co_await it")]] auto acquire() noexcept { return detail::acquiring<semaphore, void>(*this); }

    /// `auto p = co_await s.scoped_acquire()`: the same, as an object that gives the permit back.
    [[nodiscard("co_await it: it gives a permit")]] auto scoped_acquire() noexcept {
        return detail::acquiring<semaphore, permit>(*this);
    }

    /// Takes a permit if there is one that nobody waits for.
    bool try_acquire() noexcept {
        if (!is_free()) return false;
        take();
        return true;
    }

    /// Gives `n` permits back, or more than were there at the beginning. Those who wait have them then, and resume on a later step.
    /// Throws: std::logic_error when there would be more than a std::ptrdiff_t can count; nothing has changed then.
    void release(std::size_t n = 1) {
        if (n > limit - available())
            detail::raise<std::logic_error>("rondo: release of more permits than a semaphore can count");
        give(n);
    }

    /// The permits that try_acquire could take.
    using detail::permits::available;

private:
    template <class, class>
    friend class detail::acquire_awaiter;

    // Half of what fits, so that permits that come back never overflow.
    static constexpr std::size_t limit = (std::numeric_limits<std::size_t>::max)() / 2;

    static constexpr const char* wait = "semaphore::acquire";
    static constexpr const char* wait_is_over = "semaphore::acquire (the semaphore is gone)";

    template <class Held>
    Held held() noexcept {
        if constexpr (!std::is_void_v<Held>) return Held(*this);
    }

    inline std::size_t holders(detail::holder* who, std::size_t most) const noexcept override;

    mutable detail::intrusive_list<permit> out_;
};

/// Holds a permit until it is destroyed or released. Movable.
class [[nodiscard("the permit is held for as long as this lives")]] semaphore::permit : private detail::list_node {
public:
    permit(permit&& other) noexcept { take_from(other); }
    permit& operator=(permit&& other) noexcept {
        if (this != &other) {
            if (semaphore_ != nullptr) give_back();
            take_from(other);
        }
        return *this;
    }
    ~permit() {
        if (semaphore_ != nullptr) give_back();
    }

    /// False when released or moved from.
    explicit operator bool() const noexcept { return semaphore_ != nullptr; }

    /// Throws: std::logic_error if it holds none.
    void release() {
        if (semaphore_ == nullptr) detail::raise<std::logic_error>("rondo: release of a permit that is not held");
        give_back();
    }

private:
    friend class semaphore;

    template <class>
    friend class detail::intrusive_list;

    explicit permit(semaphore& s) noexcept : semaphore_(&s), holder_(detail::running_task()) {
        s.out_.push_back(*this);
    }
    void take_from(permit& other) noexcept {
        semaphore_ = std::exchange(other.semaphore_, nullptr);
        holder_ = other.holder_;
        if (semaphore_ != nullptr) take_place_of(other);
    }
    void give_back() noexcept {
        unlink();
        std::exchange(semaphore_, nullptr)->give(1);
    }

    semaphore* semaphore_;  // null: holds none
    detail::holder holder_;
};

inline semaphore::~semaphore() {
    if (!out_.empty()) detail::fatal("rondo: a semaphore was destroyed while a permit of it is out");
}

inline std::size_t semaphore::holders(detail::holder* who, std::size_t most) const noexcept {
    std::size_t count = 0;
    for (const permit* p = out_.next(nullptr); p != nullptr && count < most; p = out_.next(p))
        who[count++] = p->holder_;
    return count;
}

}  // namespace rondo::inline RONDO_ABI
