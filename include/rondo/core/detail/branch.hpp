// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// A part of the tree that can be cancelled on its own: a spawned task, the main task, a combinator's child.

#include <rondo/core/detail/scheduler.hpp>
#include <rondo/core/detail/unwind.hpp>

namespace rondo::inline RONDO_ABI::detail {

class branch : public owner {
public:
    /// The scheduler's list of those that were cancelled while they ran.
    struct pending_cancel {
        pending_cancel() noexcept {}
        branch* next;
        unsigned char to_tell = nobody;  // who is to be told of its end
        late_results late;
        static constexpr unsigned char nobody = 0, the_scheduler = 1, a_watch = 2;
    };
    pending_cancel& pending() noexcept { return pending_; }
    /// False: it is set already.
    bool set_pending() noexcept {
        const bool was_set = (pending_.to_tell & pending_cancel::the_scheduler) != 0;
        pending_.to_tell |= pending_cancel::the_scheduler;
        return !was_set;
    }

    /// scheduler::watched_ends is to be called when it ends.
    void set_watched() noexcept { pending_.to_tell |= pending_cancel::a_watch; }

    /// The frame at its top; null when there is none (any more).
    frame* top() const noexcept { return top_; }

    /// Cancels what is below: at once, or, where a part of it is running, at the end of the running step unless it has ended by then.
    void cancel(scheduler& loop, late_results late = late_results::dropped) noexcept {
        if (top_ == nullptr || top_->is_cancelled()) return;
        if (is_running(*top_)) {
            loop.cancel_later(*this);
            pending_.late = late;
            return;
        }
        {
            scheduler::scope current(loop);
            unwind(*top_, late);
        }
        loop.notify_if_outside();
    }

protected:
    explicit branch(frame* top) noexcept : top_(top) {
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
    bool concerns_somebody() const noexcept { return pending_.to_tell != pending_cancel::nobody; }

    frame* top_;

private:
    [[gnu::noinline]] void tell_of_end(scheduler& loop) noexcept {
        if ((pending_.to_tell & pending_cancel::the_scheduler) != 0) loop.forget(*this);
        if ((pending_.to_tell & pending_cancel::a_watch) != 0) loop.watched_ends(*this);
    }

    pending_cancel pending_;
};

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
    if (!b.set_pending()) return;
    b.pending().next = std::exchange(pending_, &b);
    attention_ = true;
}

inline void scheduler::forget(branch& b) noexcept {
    branch** link = &pending_;
    while (*link != &b) link = &(*link)->pending().next;
    *link = b.pending().next;
    b.pending().to_tell &= static_cast<unsigned char>(~branch::pending_cancel::the_scheduler);
}

}  // namespace rondo::inline RONDO_ABI::detail
