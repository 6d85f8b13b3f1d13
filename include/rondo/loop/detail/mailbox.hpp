// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// The way into a loop from other threads, and what remains of the loop when it is gone. Shared by the loop
// and its handles. Letters form a lock-free stack, which the loop takes whole and turns round. What lies below the first letter says
// what the loop does: it looks by itself, it is to be woken, or it is gone. So a letter for a loop that is busy costs one exchange.

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

    /// Thread-safe. False: the loop is gone, and `m` was not taken. Once `m` is taken, the loop may be gone at any time, and this with it.
    bool send(mail& m) noexcept {
        mail* first = letters_.load(std::memory_order_relaxed);
        while (first != nullptr) {
            if (first == gone()) return false;
            if (push(m, first)) return true;  // the loop looks by itself, or a wake-up is already on its way
        }
        return send_and_wake(m);
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
        explicit looking(mailbox& m) noexcept : box_(m) {
            box_.looks_ = true;
            box_.looks_again();
        }
        looking(const looking&) = delete;
        looking& operator=(const looking&) = delete;
        ~looking() {
            box_.looks_ = false;
            if (!box_.stops_looking() && box_.has_letters()) box_.driver_->wake();
        }

    private:
        mailbox& box_;
    };
    /// Before the loop waits. False: there is a letter already.
    bool stops_looking() noexcept {
        mail* bottom = looked_at();
        return letters_.compare_exchange_strong(bottom, nullptr, std::memory_order_acq_rel, std::memory_order_relaxed);
    }
    void looks_again() noexcept {
        mail* bottom = nullptr;
        letters_.compare_exchange_strong(bottom, looked_at(), std::memory_order_acq_rel, std::memory_order_relaxed);
    }

    bool has_letters() noexcept { return !is_bottom(letters_.load(std::memory_order_relaxed)); }

    /// The letters, oldest first; null for none. On the loop's thread.
    mail* collect() noexcept {
        if (!has_letters()) return nullptr;
        return turned(letters_.exchange(looks_ ? looked_at() : nullptr, std::memory_order_acq_rel));
    }

    /// Whether the loop is this thread's current one. Thread-safe.
    bool is_here() const noexcept {
        return scheduler::current() != nullptr && scheduler::current() == loop_ &&
               (visitors_.load(std::memory_order_relaxed) & closed) == 0;  // there may be a new loop at the old address
    }
    scheduler& loop() const noexcept { return *loop_; }

    /// Ends it: returns when no other thread is inside, and lets none in after. Returns the letters, oldest first; null for none.
    mail* close() noexcept {
        mail* const last = letters_.exchange(gone(), std::memory_order_acq_rel);
        visitors_.fetch_or(closed, std::memory_order_acq_rel);
        while (visitors_.load(std::memory_order_acquire) != closed) {
        }
        return turned(last);
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

    // What lies below the first letter, besides null, which says that the loop is to be woken.
    mail* looked_at() noexcept { return reinterpret_cast<mail*>(this); }
    mail* gone() noexcept { return reinterpret_cast<mail*>(&visitors_); }
    bool is_bottom(const mail* m) noexcept { return m == looked_at() || m == nullptr || m == gone(); }

    /// Onto `first`, which is what lies on top now; or else becomes that.
    bool push(mail& m, mail*& first) noexcept {
        m.next_mail = first;
        return letters_.compare_exchange_weak(first, &m, std::memory_order_release, std::memory_order_relaxed);
    }

    /// For a loop that may have to be woken: it must not go meanwhile.
    bool send_and_wake(mail& m) noexcept {
        const visit inside(*this);
        if (!inside) return false;
        mail* first = letters_.load(std::memory_order_relaxed);
        do
            if (first == gone()) return false;
        while (!push(m, first));
        if (first == nullptr) driver_->wake();
        return true;
    }

    /// A stack from its bottom up.
    mail* turned(mail* m) noexcept {
        mail* oldest = nullptr;
        while (!is_bottom(m)) {
            mail* const next = m->next_mail;
            m->next_mail = oldest;
            oldest = m;
            m = next;
        }
        return oldest;
    }

    scheduler* const loop_;
    driver* const driver_;
    std::atomic<unsigned> references_{1};
    std::atomic<std::size_t> holds_{0};
    std::atomic<bool> stop_{false};
    bool looks_ = false;  // the loop's own note
    // On a cache line of their own: what every post writes.
    alignas(64) std::atomic<mail*> letters_{nullptr};
    std::atomic<unsigned> visitors_{0};
};

}  // namespace rondo::inline RONDO_ABI::detail
