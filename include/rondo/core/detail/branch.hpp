// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// A part of the tree that can be cancelled on its own: a spawned task, the main task, a combinator's child.

#include <rondo/core/detail/scheduler.hpp>
#include <rondo/core/detail/unwind.hpp>

namespace rondo::inline RONDO_ABI::detail {

class branch : public owner {
public:
    branch* as_branch() noexcept final { return this; }

    /// Tells it from all others, also from later ones at the same address. Zero: nobody has asked yet.
    std::uint32_t number() const noexcept { return number_; }
    std::uint32_t numbered() noexcept {
        if (number_ == 0) number_ = scheduler::next_number();
        return number_;
    }

    bool is_root() const noexcept { return is_root_; }

    /// scheduler::watched_ends is to be called when it ends.
    void set_watched() noexcept { to_tell_ |= a_watch; }

    /// The frame at its top; null when there is none (any more).
    frame* top() const noexcept { return top_; }

    /// Cancels what is below: at once, or, where a part of it is running, at the end of the running step unless it has ended by then.
    void cancel(scheduler& loop, late_results late = late_results::dropped) noexcept {
        if (top_ == nullptr || top_->is_cancelled()) return;
        if (is_running(*top_)) {
            loop.cancel_later(*this);
            late_ = late;
            return;
        }
        {
            scheduler::scope current(loop);
            unwind(*top_, late);
        }
        loop.notify_if_outside();
    }
    /// What was put off, now that the step is over.
    void cancel_now(scheduler& loop) noexcept { cancel(loop, late_); }

    /// Into a list of those whose cancellation was put off, and out of it. False: it is there already.
    bool put_into(branch*& list) noexcept {
        if ((to_tell_ & the_scheduler) != 0) return false;
        to_tell_ |= the_scheduler;
        next_ = std::exchange(list, this);
        return true;
    }
    void take_out_of(branch*& list) noexcept {
        branch** link = &list;
        while (*link != this) link = &(*link)->next_;
        *link = next_;
        to_tell_ &= static_cast<unsigned char>(~the_scheduler);
    }

protected:
    explicit branch(frame* top, bool is_root = false) noexcept : top_(top), is_root_(is_root) {
        if (top != nullptr) top->reports_to = this;
    }
    /// Before it was started, a branch may move.
    branch(branch&& other) noexcept : branch(std::exchange(other.top_, nullptr)) {}
    ~branch() = default;

    /// The top has ended or is gone: a cancellation that was put off is void.
    frame* detach_top(scheduler& loop) noexcept {
        if (concerns_somebody()) [[unlikely]]
            tell_of_end(loop);
        return std::exchange(top_, nullptr);
    }
    bool concerns_somebody() const noexcept { return to_tell_ != nobody; }

    frame* top_;

private:
    [[gnu::noinline]] void tell_of_end(scheduler& loop) noexcept {
        if ((to_tell_ & the_scheduler) != 0) loop.forget(*this);
        if ((to_tell_ & a_watch) != 0) loop.watched_ends(*this);
    }

    static constexpr unsigned char nobody = 0, the_scheduler = 1, a_watch = 2;

    unsigned char to_tell_ = nobody;  // of its end
    late_results late_ = late_results::dropped;
    const bool is_root_;
    std::uint32_t number_ = 0;
    branch* next_;  // in the list of those whose cancellation was put off
};

inline bool owner::is_root() noexcept {
    const branch* const b = as_branch();
    return b != nullptr && b->is_root();
}

/// Whether raze leaves what has become ready on the way.
enum class mercy { none, for_cleanups };

/// Destroys what is below `b` from the leaves up, also where it cannot be withdrawn: for what nothing can
/// resume any more. A cleanup that this sets off is left to run. `b` may be gone afterwards.
inline void raze(branch& b, mercy m) noexcept {
    frame* const top = b.top();
    const frame* destroyed = nullptr;
    while (destroyed != top) {
        frame* f = top;
        while (!(m == mercy::for_cleanups && f->is_linked())) {
            if (const bool is_new = !f->is_cancelled(); f->set_unwinding(), is_new)
                (void)f->waits_on->withdraw(f->is_linked());  // whatever it says: it is to leave where it waits
            frame* const child = f->waits_on->next_child(nullptr);
            if (child == nullptr) break;
            f = child;
        }
        if (f->is_linked()) {
            if (m == mercy::for_cleanups) return;
            f->unlink();
        }
        destroyed = unwind_up(f);
    }
}

inline void scheduler::cancel_later(branch& b) noexcept {
    if (b.put_into(pending_)) attention_ = true;
}
inline void scheduler::forget(branch& b) noexcept { b.take_out_of(pending_); }

}  // namespace rondo::inline RONDO_ABI::detail
