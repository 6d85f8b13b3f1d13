// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// What a bridge shares with the world outside the loop: it may outlive the task that waits, and the loop.

#include <rondo/core/detail/scheduler.hpp>
#include <rondo/loop/detail/mailbox.hpp>
#include <rondo/loop/detail/rounds.hpp>

#include <atomic>

namespace rondo::inline RONDO_ABI::detail {

/// Made on the loop's thread, on the heap, with one reference. Sent once, from any thread, it has delivered() called on the loop's thread,
/// if the loop is still there.
class letter : public mail {
public:
    void retain() noexcept { references_.fetch_add(1, std::memory_order_relaxed); }
    void release() noexcept {
        if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
    }

    /// Thread-safe. On the loop's own thread it is delivered at once.
    void send() noexcept {
        retain();
        if (box_.is_here())
            arrive(box_.loop());
        else if (!box_.send(*this))
            release();
    }

protected:
    explicit letter(scheduler& loop) noexcept : box_(static_cast<rounds&>(loop).box()) { box_.retain(); }
    virtual ~letter() { box_.release(); }

    virtual void delivered() noexcept = 0;

private:
    void arrive(scheduler&) noexcept final {
        delivered();
        release();
    }
    void bounce() noexcept final { release(); }

    mailbox& box_;
    std::atomic<unsigned> references_{1};
};

/// One reference to a letter.
template <class Letter>
class held_letter {
public:
    explicit held_letter(Letter& made) noexcept : letter_(&made) {}
    held_letter(const held_letter&) = delete;
    held_letter& operator=(const held_letter&) = delete;
    ~held_letter() { letter_->release(); }

    Letter& operator*() const noexcept { return *letter_; }
    Letter* operator->() const noexcept { return letter_; }

private:
    Letter* letter_;
};

}  // namespace rondo::inline RONDO_ABI::detail
