// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// What is behind finally: a combinator with two children, one after the other.

#include <rondo/loop/detail/main_task.hpp>
#include <rondo/scope/detail/holders.hpp>

#include <utility>

namespace rondo::inline RONDO_ABI::detail {

template <class A, class F>
class finally_wait final : public one_of<A> {
public:
    finally_wait(A&& body, F&& cleanup)
        : one_of<A>(static_cast<A&&>(body)), make_(static_cast<F&&>(cleanup)), cleanup_(run_cleanup(make_)) {}

    await_result_t<A> await_resume() {
        if (!this->child_.has_failed()) cleanup_.take();  // whose failure is worth more than a value
        return this->child_.take();
    }

    withdrawal withdraw(bool woken) noexcept override {
        if (this->is_over()) {
            this->child_.withdraw();
            return withdrawal::done;
        }
        if (cleans_) return withdrawal::refused;
        if (one_of<A>::withdraw(woken) == withdrawal::of_children) return withdrawal::of_children;
        this->loop().make_ready_to_start(*next_stage());
        return withdrawal::to_follow;
    }

    frame* next_child(frame* after) noexcept override {
        if (frame* const body = one_of<A>::next_child(after)) return body;
        frame* const last = cleans_ ? cleanup_.running() : nullptr;
        return after == last ? nullptr : last;
    }
    wait_info describe() const noexcept override {
        return wait_info(cleans_ ? "finally (cleanup)" : "finally", nullptr);
    }

private:
    /// A frame that is there before the body starts, so that there is one to clean up in.
    static task<> run_cleanup(F& make) { co_await unseen<decltype(make())>(make()); }

    frame* next_stage() noexcept override {
        if (cleans_) return nullptr;
        cleans_ = true;
        this->count_one();
        return cleanup_.enlist(*this);
    }

    F make_;
    task_child<void> cleanup_;
    bool cleans_ = false;
};

}  // namespace rondo::inline RONDO_ABI::detail
