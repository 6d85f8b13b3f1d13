// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// What a combinator waits for: tasks, each a branch of the tree, and operands, operations of the library that it waits for
// by itself. An operand ends when it is granted; its value is taken when the parent resumes, and stays
// where it is (in the queue, with the lock) until then.

#include <rondo/core/detail/host.hpp>
#include <rondo/core/task.hpp>
#include <rondo/scope/detail/combinator.hpp>

#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

namespace rondo::inline RONDO_ABI::detail {

/// An awaitable in a task of its own: a combinator, or an awaiter that is not of this library. The latter's result may be an
/// exception, and is there only when await_resume was called, so that is done in a step of its own.
template <class A>
task<await_result_t<A>> as_task(A a) {
    co_return co_await unseen<A>(std::forward<A>(a));
}

template <class A>
concept operand_like = waiting_awaiter<awaiter_of<A>>;

template <class T>
class task_child final : public branch {
public:
    using value_type = T;

    explicit task_child(task<T>&& t) : branch(&task_access::release(t)) {}
    template <class A>
        requires(!task_like<A>)
    explicit task_child(A&& a) : task_child(as_task<A>(std::forward<A>(a))) {}
    task_child(task_child&& other) noexcept : branch(std::move(other)) {}
    /// Destroys a task that was not started; reports an exception that nobody took.
    ~task_child() {
        if (top() != nullptr) top()->destroy();
        if (outcome_.has_error() && outcome_.error()) combinator_->loop().report(std::move(outcome_.error()));
    }

    /// The frame that is to be started by the caller.
    frame* enlist(combinator& c) noexcept {
        combinator_ = &c;
        return top();
    }
    void start(combinator& c) noexcept { c.loop().run_inside(enlist(c)); }
    void cancel(late_results late = late_results::dropped) noexcept {
        if (combinator_ != nullptr) branch::cancel(combinator_->loop(), late);
    }
    void withdraw() noexcept {}  // its frames are withdrawn with the tree
    frame* running() const noexcept { return combinator_ == nullptr ? nullptr : top(); }
    bool describe(wait_info&) const noexcept { return false; }

    /// Whether it has ended, not having been cancelled.
    bool has_result() const noexcept { return outcome_.has_value() || outcome_.has_error(); }
    bool has_failed() const noexcept { return outcome_.has_error(); }
    /// Whether something in it is about to go on.
    bool is_ready() noexcept {
        return top() != nullptr && any_in_tree(*top(), [](const frame& f) { return f.is_linked(); });
    }
    /// Whether something in it did not have to wait, and goes on in another step.
    bool is_put_off() noexcept {
        return top() != nullptr &&
               any_in_tree(*top(), [](const frame& f) { return f.turn() == step::kind::put_off && f.is_linked(); });
    }

    void throw_failure() {}  // the combinator has it
    T take() { return outcome_.take(); }
    void settle(result<T>& to) { to = std::move(outcome_); }

    frame* child_ended(frame& f) noexcept override {
        detach_top(combinator_->loop());
        collect(f, outcome_);
        return combinator_->ended(outcome_.has_error() ? &outcome_.error() : nullptr);
    }
    frame* child_unwound(frame&) noexcept override {
        detach_top(combinator_->loop());
        outcome_.set_cancelled();
        return combinator_->unwound();
    }
    frame* parent() noexcept override { return combinator_->waiting(); }

private:
    combinator* combinator_ = nullptr;
    result<T> outcome_;
};

/// An operation by itself; `A` is the awaitable, or a reference to it.
template <class A>
class operand_child final : public operand {
public:
    using value_type = await_result_t<A>;

    explicit operand_child(A&& a) : awaiter_(get_awaiter(std::forward<A>(a))) {}
    operand_child(const operand_child&) = delete;
    operand_child& operator=(const operand_child&) = delete;
    /// Leaves; gives back what was granted and not taken; reports an exception that nobody took.
    ~operand_child() {
        if (state_ == state::waiting) (void)awaiter_.await_cancel();  // nothing could resume it any more
        give_back();
        if (error_) combinator_->loop().report(std::move(error_));
    }

    void start(combinator& c) noexcept {
        combinator_ = &c;
        state_ = state::waiting;
        guarded([&] { suspend(); }, [&](std::exception_ptr error) { fail(std::move(error)); });
    }

    /// For another child's sake; not for its own: the parent is to take the failure.
    void cancel(late_results = late_results::dropped) noexcept {
        if (!failed_) withdraw();
    }
    void withdraw() noexcept {
        if (state_ == state::waiting) {
            if (is_linked()) unlink();  // a yield
            if (!is_withdrawn()) return;
            state_ = state::over;
            combinator_->withdrawn();
        } else {
            give_back();
        }
    }
    frame* running() const noexcept { return nullptr; }
    bool describe(wait_info& info) const noexcept {
        if (state_ != state::waiting) return false;
        info = describe_awaiter(awaiter_);
        return true;
    }

    bool has_result() const noexcept { return state_ == state::granted || error_ != nullptr; }
    bool has_failed() const noexcept { return failed_ || error_ != nullptr; }
    bool is_ready() const noexcept { return is_linked(); }
    bool is_put_off() const noexcept { return false; }

    /// Throws if its result is a failure that it could tell of before it was taken.
    void throw_failure() {
        if (failed_) (void)take();
    }
    value_type take() {
        if (error_) rethrow(std::exchange(error_, nullptr));
        state_ = state::over;
        return awaiter_.await_resume();
    }
    void settle(result<value_type>& to) {
        if constexpr (requires { awaiter_.await_settle(to); }) {
            if (std::exchange(state_, state_ == state::granted ? state::over : state_) == state::granted)
                return awaiter_.await_settle(to);
        }
        if (state_ != state::granted && !error_) return to.set_cancelled();
        guarded(
            [&] {
                if constexpr (std::is_void_v<value_type>) {
                    take();
                    to.set_value();
                } else {
                    to.set_value(take());
                }
            },
            [&](std::exception_ptr error) { to.set_error(std::move(error)); });
    }

    void woken() noexcept override {
        if (state_ == state::over) return;  // what it did for its own grant has decided against it
        if constexpr (requires {
                          { awaiter_.await_failed() } -> std::same_as<bool>;
                      }) {
            // The failure itself stays where it is until the parent resumes, as a value does.
            failed_ = awaiter_.await_failed();
        }
        state_ = state::granted;
        combinator_->granted(failed_ ? &error_ : nullptr);
    }
    void unwoken() noexcept override {
        state_ = state::waiting;
        failed_ = false;
        combinator_->ungranted();
    }
    frame* parent() noexcept override { return combinator_->waiting(); }

private:
    enum class state : unsigned char { unstarted, waiting, granted, over };
    using awaiter_type = awaiter_of<A>;

    void suspend() {
        if (!combinator_->loop().spend()) combinator_->put_off();
        awaiter_.await_suspend(waker(*this, combinator_->loop()));
    }

    void fail(std::exception_ptr error) noexcept {
        const bool counts = state_ != state::over;  // a sibling may have won while it was being started
        state_ = state::over;
        error_ = std::move(error);
        if (counts) combinator_->granted(&error_);
    }

    /// Who has been granted something, and therefore cancels it, may run on another loop, or none.
    bool is_withdrawn() noexcept {
        scheduler& loop = combinator_->loop();
        bool done = false;
        {
            const scheduler::scope current(loop);
            done = awaiter_.await_cancel();
        }
        loop.notify_if_outside();
        return done;
    }

    void give_back() noexcept {
        if (state_ != state::granted) return;
        state_ = state::over;
        awaiter_.await_cancel();
    }

    combinator* combinator_ = nullptr;
    state state_ = state::unstarted;
    bool failed_ = false;
    std::exception_ptr error_;
    awaiter_type awaiter_;
};

template <class A>
struct child_for {
    using type = task_child<await_result_t<A>>;
};
template <operand_like A>
struct child_for<A> {
    using type = operand_child<A>;
};

}  // namespace rondo::inline RONDO_ABI::detail
