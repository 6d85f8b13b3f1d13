// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// Between a task and what it awaits: the suspension that lies in the task's frame while an operation is
// under way. One host for each kind of awaiter; the three differ only in what await_suspend is given.

#include <rondo/core/awaitable.hpp>

#include <atomic>
#include <coroutine>
#include <exception>
#include <utility>

namespace rondo::inline RONDO_ABI::detail {

template <class Awaiter>
wait_info describe_awaiter(const Awaiter& awaiter) noexcept {
    if constexpr (requires {
                      { awaiter.await_describe() } -> std::convertible_to<wait_info>;
                  })
        return awaiter.await_describe();
    else
        return wait_info(foreign_awaiter<Awaiter> ? "a foreign awaitable" : "an awaiter", nullptr);
}

/// Holds the awaiter of `A`: by value if its operator co_await made it, else by reference to the operand.
template <class A>
class host_base : public suspension {
public:
    explicit host_base(A&& a) : awaiter_(get_awaiter(std::forward<A>(a))) {}

    bool await_ready() { return static_cast<bool>(awaiter_.await_ready()); }
    [[gnu::always_inline]] decltype(auto) await_resume() { return awaiter_.await_resume(); }
    wait_info describe() const noexcept override { return describe_awaiter(awaiter_); }

protected:
    ~host_base() = default;
    awaiter_of<A> awaiter_;
};

/// An operation that is over as soon as others have had their turn. Nothing of it lies in the frame.
template <class A>
class yielding_host final {
public:
    explicit yielding_host(A&&) noexcept {}

    bool await_ready() const noexcept { return false; }
    template <std::derived_from<frame> Promise>
    void await_suspend(std::coroutine_handle<Promise> h) const noexcept {
        scheduler::current()->make_ready_here(h.promise());
        h.promise().waits_on = &yielded::wait();
    }
    void await_resume() const noexcept {}
};

/// An operation of the library.
template <class A>
class waiting_host final : public host_base<A> {
public:
    using host_base<A>::host_base;

    template <std::derived_from<frame> Promise>
    void await_suspend(std::coroutine_handle<Promise> h) {
        scheduler& loop = *scheduler::current();
        this->awaiter_.await_suspend(waker(h.promise(), loop));
        h.promise().since = loop.ticks();
        h.promise().waits_on = this;  // only now: until here the frame counts as running
    }
    withdrawal withdraw(bool) noexcept override {
        return this->awaiter_.await_cancel() ? withdrawal::done : withdrawal::refused;
    }
};

/// An operation of the user's, by the public protocol.
template <class A>
class native_host final : public host_base<A> {
public:
    using host_base<A>::host_base;

    template <std::derived_from<frame> Promise>
    void await_suspend(std::coroutine_handle<Promise> h) {
        scheduler& loop = *scheduler::current();
        this->awaiter_.await_suspend(resumer(waker(h.promise(), loop)));
        h.promise().since = loop.ticks();
        h.promise().waits_on = this;
    }
    withdrawal withdraw(bool woken) noexcept override {
        return woken || this->awaiter_.await_cancel() ? withdrawal::done : withdrawal::refused;
    }
};

/// Stands in for a task towards an awaitable that knows nothing of the loop: resumed on any thread, it sends the loop a
/// letter and is gone. A coroutine, for a plain coroutine_handle<> is what foreign awaitables want.
class proxy {
public:
    class promise_type {
    public:
        proxy get_return_object() noexcept { return proxy(std::coroutine_handle<promise_type>::from_promise(*this)); }
        std::suspend_always initial_suspend() const noexcept { return {}; }
        std::suspend_never final_suspend() const noexcept { return {}; }
        void return_void() const noexcept {}
        void unhandled_exception() const noexcept { std::terminate(); }
    };

    static proxy make(mail& letter, scheduler& loop) {
        loop.send(letter);
        co_return;
    }

    proxy(proxy&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
    ~proxy() {
        if (handle_) handle_.destroy();
    }
    std::coroutine_handle<> handle() const noexcept { return handle_; }
    void release() noexcept { handle_ = nullptr; }

private:
    explicit proxy(std::coroutine_handle<promise_type> h) noexcept : handle_(h) {}
    std::coroutine_handle<promise_type> handle_;
};

/// The waiting for a foreign awaitable. It cannot be withdrawn, so the loop waits for it.
class foreign_wait final : public mail {
public:
    /// Suspends on `awaiter` on behalf of `w`. False: there was no need to.
    template <class Awaiter>
    bool start(Awaiter& awaiter, waker w) {
        waker_ = w;
        proxy stand_in = proxy::make(*this, w.loop());
        const std::coroutine_handle<> handle = stand_in.handle();
        ++w.loop().outstanding;
        undo guard(w.loop());
        using answer = decltype(awaiter.await_suspend(handle));
        if constexpr (std::is_void_v<answer>) {
            awaiter.await_suspend(handle);
            guard.done();
            stand_in.release();
        } else if constexpr (std::same_as<answer, bool>) {
            if (!awaiter.await_suspend(handle)) return false;
            guard.done();
            stand_in.release();
        } else {
            const std::coroutine_handle<> next = awaiter.await_suspend(handle);
            guard.done();
            stand_in.release();
            next.resume();
        }
        return true;
    }

    bool arrived() const noexcept { return arrived_; }

    void arrive(scheduler& loop) noexcept override {
        arrived_ = true;
        --loop.outstanding;
        waker_.wake_or_unwind();
    }

private:
    class undo {
    public:
        explicit undo(scheduler& loop) noexcept : loop_(&loop) {}
        undo(const undo&) = delete;
        ~undo() {
            if (loop_ != nullptr) --loop_->outstanding;
        }
        void done() noexcept { loop_ = nullptr; }

    private:
        scheduler* loop_;
    };

    waker waker_;
    bool arrived_ = false;
};

template <class A>
class foreign_host final : public host_base<A> {
public:
    using host_base<A>::host_base;

    template <std::derived_from<frame> Promise>
    bool await_suspend(std::coroutine_handle<Promise> h) {
        scheduler& loop = *scheduler::current();
        if (!wait_.start(this->awaiter_, waker(h.promise(), loop))) return false;
        h.promise().since = loop.ticks();
        h.promise().waits_on = this;
        return true;
    }
    withdrawal withdraw(bool) noexcept override { return wait_.arrived() ? withdrawal::done : withdrawal::refused; }

private:
    foreign_wait wait_;
};

template <class A>
struct host_of {
    using type = foreign_host<A>;
};
template <class A>
    requires native_awaiter<awaiter_of<A>>
struct host_of<A> {
    using type = native_host<A>;
};
template <class A>
    requires waiting_awaiter<awaiter_of<A>>
struct host_of<A> {
    using type = std::conditional_t<yielding_awaiter<awaiter_of<A>>, yielding_host<A>, waiting_host<A>>;
};
template <class A>
using host_for = typename host_of<A>::type;

}  // namespace rondo::inline RONDO_ABI::detail
