// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// What is behind task: its promise, and how one task awaits another.

#include <rondo/base/result.hpp>
#include <rondo/core/awaitable.hpp>
#include <rondo/core/detail/explain.hpp>
#include <rondo/core/detail/frame_pool.hpp>
#include <rondo/core/detail/host.hpp>

#include <coroutine>
#include <cstddef>
#include <source_location>
#include <stdexcept>
#include <utility>

namespace rondo::inline RONDO_ABI {

template <class T>
class task;

namespace detail {

template <class T>
class promise;

/// The way to a task's frame, for those who run it.
struct task_access {
    template <class T>
    static task<T> make(promise<T>& p) noexcept {
        return task<T>(std::coroutine_handle<promise<T>>::from_promise(p));
    }

    /// Takes the frame out of `t`.
    /// Throws: std::logic_error if there is none.
    template <class T>
    static promise<T>& release(task<T>& t) {
        if (!t.handle_) [[unlikely]]
            raise<std::logic_error>(
                "rondo: this task is empty: it was moved from, or awaited or started before; call the "
                "coroutine again for another");
        return std::exchange(t.handle_, nullptr).promise();
    }

    template <class T>
    static bool is_empty(const task<T>& t) noexcept {
        return !t.handle_;
    }
};

/// What a coroutine of the library awaits on a user's behalf: reports leave that co_await out.
template <class A>
class unseen {
public:
    explicit unseen(A&& a) noexcept : awaitable(std::forward<A>(a)) {}
    A&& awaitable;
};

/// One task awaiting another. Owns the child's frame until it resumes; has no destructor, for a parent is
/// destroyed only when its children are gone.
template <class T>
class task_awaiter final : public suspension {
public:
    explicit task_awaiter(promise<T>& child) noexcept : child_(&child) {}

    bool await_ready() const noexcept { return false; }

    template <std::derived_from<frame> Promise>
    bool await_suspend(std::coroutine_handle<Promise> h) noexcept {
        child_->reports_to = this;
        parent_ = &h.promise();
        if (scheduler::current()->start(*child_)) return false;
        parent_->waits_on = this;
        return true;
    }

    [[gnu::always_inline]] T await_resume() {
        class destroy_at_end {
        public:
            explicit destroy_at_end(frame& f) noexcept : f_(f) {}
            destroy_at_end(const destroy_at_end&) = delete;
            ~destroy_at_end() { f_.destroy(); }

        private:
            frame& f_;
        };
        destroy_at_end guard(*child_);
        return child_->outcome.take();
    }

    frame* child_ended(frame&) noexcept override { return parent_; }
    frame* child_unwound(frame&) noexcept override {
        child_ = nullptr;
        return parent_;
    }
    frame* parent() noexcept override { return parent_; }
    frame* next_child(frame* after) noexcept override { return after == nullptr ? child_ : nullptr; }
    withdrawal withdraw(bool) noexcept override { return withdrawal::of_children; }
    wait_info describe() const noexcept override { return wait_info(a_task, nullptr); }

private:
    promise<T>* child_;
    frame* parent_;
};

template <class T>
class promise_base : public frame, public from_frame_pool {
public:
    std::suspend_always initial_suspend() const noexcept { return {}; }
    std::suspend_always final_suspend() const noexcept { return {}; }
    void unhandled_exception() noexcept {
        if (is_unwinding()) fatal("rondo: a destructor threw while its task was being cancelled");
        outcome.set_error(std::current_exception());
    }

    template <class U>
    auto await_transform(task<U>&& child, std::source_location at = std::source_location::current()) {
        where = at;
        return await_on(std::move(child));
    }

    template <class U>
    auto await_transform(task<U>& child) {
        static_assert(never<U>, "rondo: a task is awaited once, and consumed: co_await std::move(t)");
        return await_on(std::move(child));
    }
    template <class U>
    auto await_transform(const task<U>& child) {
        static_assert(never<U>, "rondo: awaiting a task consumes it, and this one is const: leave the const out");
        return await_on(std::move(const_cast<task<U>&>(child)));
    }

    template <class A>
        requires(!task_like<A>)
    auto await_transform(A&& a, std::source_location at = std::source_location::current()) {
        if constexpr (awaitable<A>) {
            where = at;
            return await_on(std::forward<A>(a));
        } else {
            explain_await<A>();
            return anything();
        }
    }

    template <class A>
    auto await_transform(unseen<A>&& a) {
        where = std::source_location();
        return await_on(std::forward<A>(a.awaitable));
    }

    result<T> outcome;

private:
    template <class U>
    static task_awaiter<U> await_on(task<U>&& child) {
        return task_awaiter<U>(task_access::release(child));
    }
    template <class A>
    static auto await_on(A&& a) {
        if constexpr (composite_awaiter<awaiter_of<A>>)
            return get_awaiter(std::forward<A>(a));
        else
            return host_for<A>(std::forward<A>(a));
    }
};

template <class U>
auto explain_yield() {
    static_assert(never<U>,
                  "rondo: a task gives one result: co_return it; for co_yield return a rondo::async_generator");
    return std::suspend_always();
}

template <class T>
class returning : public promise_base<T> {
    static_assert(std::is_reference_v<T> || alignof(stored_t<T>) <= alignof(std::max_align_t),
                  "rondo: an over-aligned result would be misaligned in the coroutine's frame: return a pointer to it");

public:
    template <class U = T>
    void return_value(U&& value) {
        static_assert(!task_like<U> || task_like<T>,
                      "rondo: co_return of a task that has not been awaited: co_return co_await f()");
        static_assert(std::is_convertible_v<U, T>, "rondo: co_return gives something that is no T of this task<T>");
        static_assert(!std::is_lvalue_reference_v<T> || (binds_to<T, U> && std::is_lvalue_reference_v<U>),
                      "rondo: co_return gives a temporary to a task of a reference, which would dangle");
        this->outcome.set_value(std::forward<U>(value));
    }
    template <class U>
    auto yield_value(U&&) {
        return explain_yield<U>();
    }
};

template <>
class returning<void> : public promise_base<void> {
public:
    void return_void() noexcept { outcome.set_value(); }
    template <class U>
    auto yield_value(U&&) {
        return explain_yield<U>();
    }
};

template <class T>
class promise final : public returning<T> {
public:
    task<T> get_return_object() noexcept { return task_access::make(*this); }
};

/// Moves the outcome of `f`, the frame of a task<T> that has ended, to `to`, which is empty, and destroys the frame. If the move
/// throws, that exception is the outcome.
template <class T>
void collect(frame& f, result<T>& to) noexcept {
    result<T>& outcome = static_cast<promise<T>&>(f).outcome;
    if constexpr (std::is_nothrow_move_constructible_v<result<T>>)
        to.take_over(outcome);
    else
        guarded([&] { to.take_over(outcome); }, [&](std::exception_ptr error) { to.set_error(std::move(error)); });
    f.destroy();
}

}  // namespace detail
}  // namespace rondo::inline RONDO_ABI
