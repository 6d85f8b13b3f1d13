// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// What a spawned task and its handle share: the record that the loop keeps while the task runs, and in which
// the result waits, when the task's frame is long gone, for whoever joins.

#include <rondo/core/detail/frame_pool.hpp>
#include <rondo/core/outcome.hpp>
#include <rondo/core/resumer.hpp>
#include <rondo/core/task.hpp>
#include <rondo/loop/detail/root.hpp>

#include <cstring>
#include <memory>
#include <stdexcept>
#include <string_view>
#include <utility>

namespace rondo::inline RONDO_ABI::detail {

/// Kept alive by its task while that runs, and by its users: the handle and the awaiter of a joiner.
template <class T>
class spawned : public root, public from_frame_pool {
public:
    /// Starts with one user, the handle. Throws for an empty task.
    spawned(home& h, task<T>& t) : root(h, task_access::release(t)), joiner_() {}
    virtual ~spawned() { std::destroy_at(&outcome_); }

    const char* name() const noexcept override { return nullptr; }
    std::exception_ptr failure() const noexcept override {
        return outcome_.has_error() && !delivered_ ? outcome_.error() : std::exception_ptr();
    }
    void failure_taken() noexcept override { delivered_ = true; }
    bool has_handle() const noexcept override { return users_ > 1; }

    bool done() const noexcept { return top() == nullptr; }
    bool has_failed() const noexcept { return done() && !outcome_.has_value(); }

    void retain() noexcept { ++users_; }
    void release() noexcept {
        if (--users_ != 0 || !done()) return;
        if (is_linked()) unlink();  // from the loop's list of failures
        report_failure();
        delete this;
    }

    /// Claims the right to join, which one user has at a time, and the outcome once.
    void claim() {
        if (claimed_)
            raise<std::logic_error>(
                "rondo: this task is joined already: a join_handle has one joiner; others can wait for an event");
        claimed_ = true;
    }
    void unclaim() noexcept {
        claimed_ = false;
        waiting_ = false;
    }
    void wake_when_done(waker joiner) noexcept {
        waiting_ = true;
        if (done())
            joiner.wake();
        else
            joiner_ = joiner;
    }

    /// The outcome, for the joiner alone.
    result<T>& collect() noexcept {
        delivered_ = true;
        if (is_linked()) unlink();
        return outcome_;
    }

    void report_failure() noexcept {
        if (outcome_.has_error() && !std::exchange(delivered_, true)) loop().report(outcome_.error());
    }

    /// A joiner on another loop who has been woken still gets the exception; all others come too late.
    void loop_ends() noexcept override {
        if (waiting_)
            delivered_ = true;
        else
            report_failure();
    }

private:
    frame* ended(frame* f) noexcept override {
        retain();  // destructors in the frame may drop the handle
        const waker joiner = joiner_;
        std::construct_at(&outcome_);
        if (f != nullptr)
            detail::collect(*f, outcome_);
        else
            outcome_.set_cancelled();
        if (waiting_) joiner.wake();
        using ending = home::ending;
        frame* const next = where().is_over(*this, f == nullptr           ? ending::cancelled
                                                   : outcome_.has_error() ? ending::with_failure
                                                                          : ending::with_value);
        release();
        return next;
    }

    bool waiting_ = false;    // somebody is to be woken
    bool claimed_ = false;    // somebody is joining, or has joined
    bool delivered_ = false;  // the outcome has been collected, or reported
    unsigned users_ = 1;
    union {
        waker joiner_;       // until it has ended
        result<T> outcome_;  // from then on
    };
};

/// One with a name.
template <class T>
class named final : public spawned<T> {
public:
    named(home& h, task<T>& t, std::unique_ptr<char[]> name) : spawned<T>(h, t), name_(std::move(name)) {}

    /// A copy of `name`.
    static std::unique_ptr<char[]> copy_of(std::string_view name) {
        std::unique_ptr<char[]> copy(new char[name.size() + 1]);
        std::memcpy(copy.get(), name.data(), name.size());
        copy[name.size()] = '\0';
        return copy;
    }

    const char* name() const noexcept override { return name_.get(); }

private:
    std::unique_ptr<char[]> name_;
};

}  // namespace rondo::inline RONDO_ABI::detail
