// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// What is behind with_timeout: an operation beside an alarm.

#include <rondo/core/errors.hpp>
#include <rondo/loop/detail/alarm.hpp>
#include <rondo/loop/detail/saturate.hpp>
#include <rondo/scope/detail/element.hpp>
#include <rondo/scope/detail/holders.hpp>

#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

namespace rondo::inline RONDO_ABI::detail {

template <class A>
class timed : public one_of<A> {
public:
    wait_info describe() const noexcept final {
        wait_info info("with_timeout", nullptr);
        info.due = deadline_.due();
        return info;
    }

protected:
    timed(duration limit, A&& operand) : one_of<A>(static_cast<A&&>(operand)), limit_(limit), deadline_(*this) {}
    ~timed() = default;

    /// Whether there is a result; otherwise time was up.
    /// Throws: std::bad_alloc if there was no memory for the timer, and so no time.
    bool has_result() {
        if (this->child_.has_result()) return true;
        if (no_memory_) rethrow(std::exchange(no_memory_, nullptr));
        return false;
    }

private:
    class deadline final : public alarm {
    public:
        explicit deadline(timed& t) noexcept : timed_(&t) {}
        void woken() noexcept override { timed_->is_due(); }
        frame* parent() noexcept override { return timed_->parent(); }

    private:
        timed* timed_;
    };

    bool is_try() const noexcept { return limit_ <= duration::zero(); }

    void start_child() noexcept override {
        this->child_.start(*this);
        if (!this->others_run()) return;  // it has ended
        if (is_try())
            return has_put_off() ? deadline_.call_again(this->loop()) : this->child_.cancel(late_results::delivered);
        guarded([&] { deadline_.set(this->loop(), later(static_cast<rounds&>(this->loop()).now(), limit_)); },
                [&](std::exception_ptr error) {
                    no_memory_ = std::move(error);
                    this->child_.cancel(late_results::delivered);
                });
    }

    /// Called when the alarm goes off, and again for as long as the operation is on its way to a result.
    void is_due() noexcept {
        if (this->is_over()) return;
        if (is_try() ? has_put_off() : has_grace()) return deadline_.call_again(this->loop());
        this->from_outside([this] { this->child_.cancel(late_results::delivered); });
    }

    /// Whether it does not wait, but has used up its step.
    bool has_put_off() noexcept { return this->child_.is_put_off(); }

    /// Whatever is due together with the deadline goes first, and what that makes ready of the operation; but one that is always
    /// ready has no more than a few rounds.
    bool has_grace() noexcept {
        constexpr int a_round = 2, at_most = 5;
        return ++turns_ <= a_round || (turns_ <= at_most && this->child_.is_ready());
    }

    duration limit_;
    int turns_ = 0;
    std::exception_ptr no_memory_;
    deadline deadline_;
};

template <class A>
class timed_or_error final : public timed<A> {
public:
    timed_or_error(duration limit, A&& operand) : timed<A>(limit, static_cast<A&&>(operand)) {}

    await_result_t<A> await_resume() {
        if (!this->has_result()) raise<timeout_error>();
        return this->child_.take();
    }
};

template <class A>
class timed_or_nothing final : public timed<A> {
public:
    timed_or_nothing(duration limit, A&& operand) : timed<A>(limit, static_cast<A&&>(operand)) {}

    auto await_resume() {
        if constexpr (std::is_void_v<await_result_t<A>>) {
            if (!this->has_result()) return false;
            this->child_.take();
            return true;
        } else {
            using optional = std::optional<element_t<await_result_t<A>>>;
            return this->has_result() ? optional(take_element(this->child_)) : optional();
        }
    }
};

}  // namespace rondo::inline RONDO_ABI::detail
