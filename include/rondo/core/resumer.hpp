// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// What an awaiter gets to resume its task with. Write an awaiter against it to add an operation of your
// own: readiness of a file descriptor, an event of a GUI, a message of a driver.

#include <rondo/core/detail/scheduler.hpp>

#include <cstddef>
#include <utility>

namespace rondo::inline RONDO_ABI {

namespace detail {

/// An operation that a combinator waits for without a task of its own.
class operand : public step {
public:
    operand() noexcept : step(kind::operand) {}
    /// The operation has been granted.
    virtual void woken() noexcept = 0;
    /// What granted it has been destroyed before the result was taken.
    virtual void unwoken() noexcept = 0;
    /// The frame of the combinator.
    virtual frame* parent() noexcept = 0;

protected:
    ~operand() = default;
};

/// Who waits for an operation of the library, and on which loop. Used once. Not initialised by default: it
/// lies in every awaiter, and most never wait.
class waker {
public:
    waker() noexcept {}
    explicit waker(std::nullptr_t) noexcept : host_(nullptr), loop_(nullptr) {}
    waker(step& host, scheduler& loop) noexcept : host_(&host), loop_(&loop) {}

    scheduler& loop() const noexcept { return *loop_; }
    step& host() const noexcept { return *host_; }

    /// The operation has been granted: makes the task a ready step.
    void wake() const noexcept {
        if (host_->turn() == step::kind::operand) [[unlikely]]
            static_cast<operand*>(host_)->woken();
        else
            loop_->make_ready(*host_);
    }

    /// As wake(), for what did not have to wait: its task has used up its step.
    void put_off() const noexcept {
        if (host_->turn() == step::kind::resume) host_->set_turn(step::kind::put_off);
        wake();
    }

    /// Wakes it when all that is ready now has had its turn, also for a combinator. For a step of the loop.
    void wake_next_round() const noexcept { loop_->make_ready_here(*host_); }

    /// The frame that waits, or whose combinator does. Not inlined, or g++ 16 guesses which operand it is, and warns of its guess.
    [[gnu::noinline]] frame* waiting_frame() const noexcept {
        if (host_->turn() == step::kind::operand) return static_cast<operand*>(host_)->parent();
        return static_cast<frame*>(host_);
    }

    /// Takes the wake-up back: the task waits on, and nobody will wake it.
    void unwake() const noexcept {
        if (host_->turn() == step::kind::operand) return static_cast<operand*>(host_)->unwoken();
        if (host_->turn() == step::kind::put_off) host_->set_turn(step::kind::resume);
        if (host_->is_linked()) host_->unlink();
    }

    /// As wake(), for an operation that was not withdrawn when its task was cancelled.
    void wake_or_unwind() const noexcept {
        if (host_->turn() == step::kind::resume && static_cast<frame*>(host_)->is_unwinding())
            host_->set_turn(step::kind::unwind);
        wake();
    }

private:
    step* host_;
    scheduler* loop_;
};

}  // namespace detail

/// The right to resume a suspended task, once. While it is held its operation counts as outstanding: an idle loop waits
/// for it instead of reporting a deadlock. The awaiter protocol that goes with it:
///
///     bool await_ready();                  // true: no need to wait
///     void await_suspend(resumer r);       // keep r until the operation is done
///     T    await_resume();                 // its result, on the loop's thread
///     bool await_cancel() noexcept;        // true: withdrawn, r will not be used; false: r will still resume,
///                                          // and the task is unwound then
///     rondo::wait_info await_describe()    // optional: what reports say that the task waits for
///
/// The awaiter may be neither copied nor moved while it waits. A task cancelled after resume() was called, but before it ran, is
/// unwound without await_cancel.
///
/// Lifetime: gone, or used, before the loop is. Thread: the loop's; elsewhere, post a function that resumes.
/// Cost:     no allocation.
class [[nodiscard("keep it, and call resume() when the operation is done")]] resumer {
public:
    resumer() noexcept : waker_(nullptr) {}
    explicit resumer(detail::waker w) noexcept : waker_(w), armed_(true) { ++waker_.loop().outstanding; }
    resumer(resumer&& other) noexcept : waker_(other.waker_), armed_(std::exchange(other.armed_, false)) {}
    resumer& operator=(resumer&& other) noexcept {
        if (this != &other) {
            drop();
            waker_ = other.waker_;
            armed_ = std::exchange(other.armed_, false);
        }
        return *this;
    }
    ~resumer() { drop(); }

    /// Whether it can still resume: not empty, not used.
    explicit operator bool() const noexcept { return armed_; }

    /// Makes the task a ready step, behind all that is ready. Does nothing when empty or used.
    void resume() noexcept {
        if (!armed_) return;
        drop();
        waker_.wake_or_unwind();
    }

private:
    void drop() noexcept {
        if (std::exchange(armed_, false)) --waker_.loop().outstanding;
    }

    detail::waker waker_;
    bool armed_ = false;
};

using detail::wait_info;

}  // namespace rondo::inline RONDO_ABI
