// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// What the combinators share: a suspension with several children, which counts those that have not ended
// and goes on when the count is zero; so a parent never outruns its children. While it works on its
// children it counts itself, so that no destructor of a child can end it under its own hands.

#include <rondo/core/detail/branch.hpp>
#include <rondo/core/resumer.hpp>

#include <cstddef>
#include <exception>

namespace rondo::inline RONDO_ABI::detail {

class combinator : public suspension {
public:
    scheduler& loop() const noexcept { return *loop_; }

    /// Which ends of children settle() is called for.
    enum class settles { never, on_failure, on_any_end };

    // The children report here, each once. `error`: where a child that has failed keeps what it threw; settle may
    // take it from there; empty when the child will throw by itself. Null: it has not failed.

    /// A child task has run to its end. Returns the frame to go on with in this step.
    frame* ended(std::exception_ptr* error) noexcept {
        const bool cancelled_others = concerns(error) && settle(error);
        if (--running_ != 0) return nullptr;
        if (frame* const more = next_stage()) return more;
        if (parent_->is_unwinding()) {
            unwind_up(parent_);
            return nullptr;
        }
        if (!cancelled_others) return parent_;
        loop_->make_ready(*parent_);
        return nullptr;
    }

    /// A child task has been destroyed. Returns the frame to be destroyed next.
    frame* unwound() noexcept {
        if (--running_ != 0) return nullptr;
        if (frame* const more = next_stage()) {
            loop_->make_ready_to_start(*more);
            return nullptr;
        }
        if (parent_->is_unwinding()) return parent_;
        loop_->make_ready(*parent_);
        return nullptr;
    }

    /// An operand has been granted, in a call that somebody else makes.
    void granted(std::exception_ptr* error) noexcept {
        if (concerns(error)) settle(error);
        if (--running_ == 0) go_on();
    }
    /// What granted it is gone, and so is the grant: that operand will never end.
    void ungranted() noexcept {
        if (running_++ == 0) waker(*parent_, *loop_).unwake();
    }
    /// The budget of the step is used up: the parent is to go on through the ready list.
    void put_off() noexcept { put_off_ = true; }

    /// An operand has been withdrawn.
    void withdrawn() noexcept { --running_; }

    frame* parent() noexcept override { return parent_; }
    frame* waiting() const noexcept { return parent_; }
    withdrawal withdraw(bool) noexcept override {
        ++running_;
        withdraw_operands();
        return --running_ == 0 ? withdrawal::done : withdrawal::of_children;
    }

protected:
    explicit combinator(settles s) noexcept : settles_(s) {}
    ~combinator() = default;

    /// Does something to the children of a suspended parent, in a call from outside of them. The last thing to do: it may be the end.
    template <class F>
    void from_outside(F&& f) noexcept {
        ++running_;
        f();
        if (--running_ != 0) return;
        if (!parent_->is_unwinding()) return go_on();
        const scheduler::scope current(*loop_);
        unwind_up(parent_);
    }

    /// Starts `count` children in order, each up to where it waits first. True: the parent is suspended until they have ended.
    template <class StartChild>
    bool start(frame& parent, std::size_t count, StartChild&& start_child) {
        parent_ = &parent;
        loop_ = scheduler::current();
        running_ = 1;
        for (std::size_t i = 0; i != count && !is_decided(); ++i) {
            ++running_;
            start_child(i);
        }
        while (!others_run()) {
            frame* const more = next_stage();
            if (more == nullptr) break;
            loop_->run_inside(more);
        }
        if (--running_ == 0) {
            if (!put_off_) return false;
            waker(parent, *loop_).put_off();
        }
        parent.since = loop_->ticks();
        parent.waits_on = this;
        return true;
    }

    /// A child, which still counts, has failed, or ended. True if others were cancelled because of it.
    virtual bool settle(std::exception_ptr* error) noexcept {
        (void)error;
        return false;
    }
    /// Whether children that have not started shall not start any more.
    virtual bool is_decided() const noexcept { return false; }
    virtual void withdraw_operands() noexcept = 0;
    /// All children have ended. The frame of one more that is to be started now, and has been counted; null if the parent goes on.
    virtual frame* next_stage() noexcept { return nullptr; }

    bool is_over() const noexcept { return running_ == 0; }
    bool others_run() const noexcept { return running_ > 1; }
    void count_one() noexcept { ++running_; }

private:
    void go_on() noexcept {
        if (frame* const more = next_stage())
            loop_->make_ready_to_start(*more);
        else
            waker(*parent_, *loop_).wake_or_unwind();
    }
    bool concerns(const std::exception_ptr* error) const noexcept {
        return error != nullptr ? settles_ != settles::never : settles_ == settles::on_any_end;
    }

    frame* parent_ = nullptr;
    scheduler* loop_ = nullptr;
    std::size_t running_ = 0;
    bool put_off_ = false;
    const settles settles_;
};

}  // namespace rondo::inline RONDO_ABI::detail
