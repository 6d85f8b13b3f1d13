// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// The way into a loop from other threads, and what remains of the loop when it is gone. Shared by the loop
// and its handles. Letters form a lock-free stack, which the loop takes whole and turns round.

#include <rondo/core/detail/scheduler.hpp>
#include <rondo/loop/driver.hpp>

#include <atomic>
#include <cstddef>

namespace rondo::inline RONDO_ABI::detail {

class mailbox {
public:
    mailbox(scheduler& loop, driver& d) noexcept : loop_(&loop), driver_(&d) {}
    mailbox(const mailbox&) = delete;
    mailbox& operator=(const mailbox&) = delete;

    void retain() noexcept { references_.fetch_add(1, std::memory_order_relaxed); }
    void release() noexcept {
        if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
    }

    /// Thread-safe. False: the loop is gone, and `m` was not taken.
    bool send(mail& m) noexcept {
        visit inside(*this);
        if (!inside) return false;
        mail* first = letters_.load(std::memory_order_relaxed);
        do m.next_mail = first;
        while (!letters_.compare_exchange_weak(first, &m, std::memory_order_seq_cst, std::memory_order_relaxed));
        // If it is not the first, a wake-up is already on its way.
        if (first == nullptr && !looks_.load(std::memory_order_seq_cst)) driver_->wake();
        return true;
    }

    /// Thread-safe.
    void stop() noexcept {
        visit inside(*this);
        if (!inside) return;
        stop_.store(true, std::memory_order_release);
        driver_->wake();
    }
    bool is_stopped() const noexcept { return stop_.load(std::memory_order_relaxed); }
    bool take_stop() noexcept { return is_stopped() && stop_.exchange(false, std::memory_order_acquire); }

    /// Thread-safe: an idle loop waits while the count is not zero.
    void hold() noexcept { holds_.fetch_add(1, std::memory_order_relaxed); }
    void let_go() noexcept {
        visit inside(*this);
        if (holds_.fetch_sub(1, std::memory_order_release) == 1 && inside) driver_->wake();
    }
    bool is_held() const noexcept { return holds_.load(std::memory_order_acquire) != 0; }

    /// While the loop looks into it between rounds by itself, it is not woken for letters.
    class looking {
    public:
        explicit looking(mailbox& m) noexcept : box_(m) { box_.looks_.store(true, std::memory_order_relaxed); }
        looking(const looking&) = delete;
        looking& operator=(const looking&) = delete;
        ~looking() {
            if (!box_.stops_looking()) box_.driver_->wake();
        }

    private:
        mailbox& box_;
    };
    /// Before the loop waits. False: there is a letter already.
    bool stops_looking() noexcept {
        looks_.store(false, std::memory_order_seq_cst);
        return letters_.load(std::memory_order_seq_cst) == nullptr;
    }
    void looks_again() noexcept { looks_.store(true, std::memory_order_relaxed); }

    bool has_letters() const noexcept { return letters_.load(std::memory_order_relaxed) != nullptr; }

    /// The letters, oldest first; null for none. On the loop's thread.
    mail* collect() noexcept {
        if (!has_letters()) return nullptr;
        mail* oldest = nullptr;
        for (mail* m = letters_.exchange(nullptr, std::memory_order_acquire); m != nullptr;) {
            mail* const next = m->next_mail;
            m->next_mail = oldest;
            oldest = m;
            m = next;
        }
        return oldest;
    }

    /// Whether the loop is this thread's current one. Thread-safe.
    bool is_here() const noexcept {
        return scheduler::current() != nullptr && scheduler::current() == loop_ &&
               (visitors_.load(std::memory_order_relaxed) & closed) == 0;  // there may be a new loop at the old address
    }
    scheduler& loop() const noexcept { return *loop_; }

    /// Ends it: returns when no other thread is inside, and lets none in after.
    void close() noexcept {
        visitors_.fetch_or(closed, std::memory_order_acq_rel);
        while (visitors_.load(std::memory_order_acquire) != closed) {
        }
    }

private:
    static constexpr unsigned closed = 1u << 31;

    /// A thread's time inside, during which the loop and its driver stay alive.
    class visit {
    public:
        explicit visit(mailbox& m) noexcept : box_(m) {
            open_ = (box_.visitors_.fetch_add(1, std::memory_order_acquire) & closed) == 0;
        }
        visit(const visit&) = delete;
        ~visit() { box_.visitors_.fetch_sub(1, std::memory_order_release); }
        explicit operator bool() const noexcept { return open_; }

    private:
        mailbox& box_;
        bool open_;
    };

    ~mailbox() = default;

    scheduler* const loop_;
    driver* const driver_;
    std::atomic<unsigned> references_{1};
    std::atomic<std::size_t> holds_{0};
    std::atomic<bool> stop_{false};
    std::atomic<bool> looks_{false};
    // On a cache line of their own: what every post writes.
    alignas(64) std::atomic<mail*> letters_{nullptr};
    std::atomic<unsigned> visitors_{0};
};

}  // namespace rondo::inline RONDO_ABI::detail
