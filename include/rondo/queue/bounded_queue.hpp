// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// A queue between tasks that holds at most so many messages: asyncio.Queue with a limit, and with an end. Use it to let producers
// wait for consumers.

#include <rondo/base/result.hpp>
#include <rondo/base/ring_buffer.hpp>
#include <rondo/core/awaitable.hpp>
#include <rondo/core/errors.hpp>
#include <rondo/loop/wait_list.hpp>

#include <concepts>
#include <cstddef>
#include <exception>
#include <optional>
#include <stdexcept>
#include <type_traits>
#include <utility>

namespace rondo::inline RONDO_ABI {

namespace detail {
template <class T>
class pop_awaiter;
template <class T>
class push_awaiter;
}  // namespace detail

/// First in, first out, for messages and for those who wait: nobody overtakes, the try_ calls included. A popper is
/// promised a message as soon as there is one for it, and takes it when it resumes; until then the message
/// stays in the queue, so that a popper cancelled in between loses nothing. Others take from behind what is promised.
///
///     bounded_queue<int> q(16);
///     co_await q.push(1);                       // waits while the queue is full
///     while (auto v = co_await q.pop()) ...     // waits while it is empty; nothing once it is closed and drained
///
/// T: move-constructible; its moves do not call back into the queue, and cancel nobody. If a move throws, push has done nothing, and pop leaves the message at the front.
/// Belongs to no loop: build it anywhere, destroy it before or after a loop. Destroying it under waiters
/// detaches them: they never resume, and unwind when cancelled.
/// Cost: two allocations, in the constructor; O(1) operations, but for those that take from behind p promised
/// messages: O(p) small moves, none of T. Thread: one at a time, as all of rondo.
template <class T>
class bounded_queue {
    static_assert(std::move_constructible<T>,
                  "rondo: a queue's messages are moved in and out: T needs a move constructor");

public:
    /// Throws: std::invalid_argument if `capacity` is zero; std::bad_alloc.
    explicit bounded_queue(std::size_t capacity) : messages_(checked(capacity)) {}

    /// `co_await q.push(v)`: puts `v` at the end.
    /// Suspends: while the queue is full, and to let others go first after a bounded number of operations in one step.
    /// Resumes:  on a later step, in the order in which pushers came. Whoever makes room moves `v` in, at once.
    /// Cancel:   a push that was given no room yet leaves `v` as it was; one that was has happened.
    /// Throws:   queue_closed, and then `v` is as it was; what moving (copying) T throws.
    /// Lifetime: refers to `v` until it ends: await it in the same full expression.
    [[nodiscard("co_await it")]] auto push(T&& v) noexcept { return pushing(*this, v, true); }
    [[nodiscard("co_await it")]] auto push(const T& v) noexcept
        requires std::copy_constructible<T>
    {
        return pushing(*this, v, false);
    }

    /// `co_await q.emplace(args...)`: pushes a T made from `args`, which is made at once and kept by the operation.
    /// The form for braces: g++ 11 and 12 destroy an aggregate written in `co_await q.push(T{...})` twice.
    template <class... Args>
        requires std::constructible_from<T, Args...> || requires { T{std::declval<Args>()...}; }
    [[nodiscard("co_await it")]] auto emplace(Args&&... args) {
        return emplacing(std::in_place, *this, std::forward<Args>(args)...);
    }

    /// `co_await q.pop()`: takes the message at the front; nothing once the queue is closed and drained.
    /// Suspends: while the queue is empty, or all that is in it is promised to others; and as push does.
    /// Resumes:  on a later step, in the order in which poppers came.
    /// Cancel:   a message that was promised goes to the next popper; nothing is lost.
    /// Throws:   what moving T throws.
    /// Under a combinator the message keeps its place until the combinator's caller resumes: two pops under one
    /// when_all need two places, and on a closed queue two messages.
    [[nodiscard("co_await it")]] auto pop() noexcept { return popping(*this); }

    /// Puts `v` at the end if there is room and the queue is open. False: `v` is untouched.
    bool try_push(T&& v) { return try_emplace(std::move(v)); }
    bool try_push(const T& v)
        requires std::copy_constructible<T>
    {
        return try_emplace(v);
    }

    /// Takes the oldest message that is not promised to a popper, if there is one.
    std::optional<T> try_pop() {
        if (empty()) return std::nullopt;
        return take(promised_);
    }

    /// Lets nothing more in. Waiting pushers get queue_closed; poppers get what is left, then nothing. Once is enough, twice does no harm.
    /// Resumes: those it wakes, on a later step, in the order in which they came.
    void close() noexcept {
        if (std::exchange(closed_, true)) return;
        while (!pushers_.empty()) pushers_.grant_front();
        settle();
    }
    bool is_closed() const noexcept { return closed_; }

    /// The messages that try_pop could take: those that are not promised to a popper who is about to resume.
    std::size_t size() const noexcept { return messages_.size() - promised_; }
    bool empty() const noexcept { return size() == 0; }
    /// Whether there is no room. A promised message keeps its place until it is taken.
    bool full() const noexcept { return messages_.full(); }
    std::size_t capacity() const noexcept { return messages_.capacity(); }

private:
    friend detail::pop_awaiter<T>;
    friend detail::push_awaiter<T>;

    class popping {
    public:
        explicit popping(bounded_queue& q) noexcept : q_(&q) {}
        auto operator co_await() const noexcept { return detail::pop_awaiter<T>(*q_); }

    private:
        bounded_queue* q_;
    };

    class pushing {
    public:
        pushing(bounded_queue& q, const T& v, bool movable) noexcept : q_(&q), v_(&v), movable_(movable) {}
        auto operator co_await() const noexcept { return detail::push_awaiter<T>(*q_, *v_, movable_); }

    private:
        bounded_queue* q_;
        const T* v_;
        bool movable_;
    };

    class emplacing {
    public:
        template <class... Args>
        explicit emplacing(std::in_place_t, bounded_queue& q, Args&&... args)
            : q_(&q), v_(make(std::forward<Args>(args)...)) {}
        auto operator co_await() & noexcept { return detail::push_awaiter<T>(*q_, v_, true); }
        auto operator co_await() && noexcept { return detail::push_awaiter<T>(*q_, v_, true); }

    private:
        template <class... Args>
        static T make(Args&&... args) {
            if constexpr (std::constructible_from<T, Args...>)
                return T(std::forward<Args>(args)...);
            else
                return T{std::forward<Args>(args)...};
        }

        bounded_queue* q_;
        T v_;
    };

    static std::size_t checked(std::size_t capacity) {
        if (capacity == 0)
            detail::raise<std::invalid_argument>("rondo: a bounded_queue needs a capacity of at least 1");
        return capacity;
    }

    static constexpr bool stores_without_throwing =
        std::is_nothrow_move_constructible_v<T> &&
        (std::is_nothrow_copy_constructible_v<T> || !std::copy_constructible<T>);

    bool is_drained() const noexcept { return closed_ && messages_.empty(); }

    template <class U>
    bool try_emplace(U&& v) {
        if (closed_ || full()) return false;
        messages_.emplace_back(std::forward<U>(v));
        if (!poppers_.empty()) settle();
        return true;
    }

    void store(const T& v, bool movable) {
        if constexpr (std::copy_constructible<T>) {
            if (!movable) return messages_.emplace_back(v);
        }
        messages_.emplace_back(std::move(const_cast<T&>(v)));
    }

    /// Takes the nth message out; whatever happens to the move, what is there afterwards is given to those who wait.
    std::optional<T> take(std::size_t nth) {
        settled_at_end guard(*this);
        std::optional<T> message(std::move(messages_[nth]));
        messages_.erase(nth);
        return message;
    }

    class settled_at_end {
    public:
        explicit settled_at_end(bounded_queue& q) noexcept : q_(q) {}
        settled_at_end(const settled_at_end&) = delete;
        ~settled_at_end() {
            if (!q_.pushers_.empty() || !q_.poppers_.empty()) q_.settle();
        }

    private:
        bounded_queue& q_;
    };

    /// Gives room to those who wait for it, and messages likewise.
    void settle() noexcept {
        while (!closed_ && !pushers_.empty() && !full()) {
            auto& p = static_cast<detail::push_awaiter<T>&>(pushers_.front());
            if constexpr (stores_without_throwing)
                store(*p.value_, p.movable_);
            else
                detail::guarded([&] { store(*p.value_, p.movable_); },
                                [&](std::exception_ptr error) { p.error_ = std::move(error); });
            p.stored_ = true;
            pushers_.grant_front();
        }
        while (!poppers_.empty() && (!empty() || is_drained())) {
            auto& p = static_cast<detail::pop_awaiter<T>&>(poppers_.front());
            promise(p);
            poppers_.grant_front();
        }
    }

    void promise(detail::pop_awaiter<T>& p) noexcept {
        p.promised_ = !empty();
        if (p.promised_) ++promised_;
    }

    detail::ring_buffer<T> messages_;
    std::size_t promised_ = 0;  // the oldest so many are promised to poppers who have yet to resume
    bool closed_ = false;
    detail::wait_list poppers_;
    detail::wait_list pushers_;
};

// ---------------------------------------------------------------------------------------------------------

namespace detail {

template <class T>
class pop_awaiter final : private waiter {
public:
    explicit pop_awaiter(bounded_queue<T>& q) noexcept : q_(&q) {}

    bool await_ready() const noexcept { return may_go() && scheduler::current()->spend(); }
    void await_suspend(waker w) noexcept {
        if (may_go()) {
            q_->promise(*this);
            q_->poppers_.grant(*this, w);
        } else {
            q_->poppers_.add(*this, w);
        }
    }
    std::optional<T> await_resume() {
        if (leave()) {
            if (!promised_) return std::nullopt;
            --q_->promised_;
            return q_->take(0);
        }
        return q_->try_pop();
    }
    bool await_cancel() noexcept {
        if (!is_detached() && leave() && promised_) {
            --q_->promised_;
            q_->settle();
        }
        return true;
    }
    wait_info await_describe() const noexcept {
        return is_detached() ? wait_info("bounded_queue::pop (the queue is gone)", nullptr)
                             : wait_info("bounded_queue::pop", q_);
    }

private:
    friend bounded_queue<T>;

    bool may_go() const noexcept { return !q_->empty() || q_->is_drained(); }

    bounded_queue<T>* q_;
    bool promised_ = false;
};

template <class T>
class push_awaiter final : private waiter {
public:
    push_awaiter(bounded_queue<T>& q, const T& value, bool movable) noexcept
        : q_(&q), value_(&value), movable_(movable) {}

    bool await_ready() const noexcept { return may_go() && scheduler::current()->spend(); }
    void await_suspend(waker w) {
        if (may_go()) {
            if (!q_->closed_) push();
            q_->pushers_.grant(*this, w);
        } else {
            q_->pushers_.add(*this, w);
        }
    }
    void await_resume() {
        leave();
        if constexpr (!bounded_queue<T>::stores_without_throwing)
            if (error_) [[unlikely]]
                rethrow(std::move(error_));
        if (stored_) return;
        if (q_->closed_) raise<queue_closed>();
        push();
    }
    bool await_cancel() noexcept {
        if (!is_detached()) leave();
        return true;
    }
    /// Whether await_resume would throw: lets a combinator know of the failure when it happens.
    bool await_failed() const noexcept {
        if constexpr (!bounded_queue<T>::stores_without_throwing)
            if (is_granted() && error_ != nullptr) return true;
        return is_granted() && !stored_;
    }
    wait_info await_describe() const noexcept {
        return is_detached() ? wait_info("bounded_queue::push (the queue is gone)", nullptr)
                             : wait_info("bounded_queue::push", q_);
    }

private:
    friend bounded_queue<T>;

    bool may_go() const noexcept { return !q_->full() || q_->closed_; }
    void push() {
        q_->store(*value_, movable_);
        stored_ = true;
        if (!q_->poppers_.empty()) q_->settle();
    }

    bounded_queue<T>* q_;
    const T* value_;
    bool movable_;
    bool stored_ = false;
    // What the move threw when the waiting push was served.
    [[no_unique_address]] std::conditional_t<bounded_queue<T>::stores_without_throwing, nothing, std::exception_ptr>
        error_;
};

}  // namespace detail
}  // namespace rondo::inline RONDO_ABI
