// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// A queue between tasks that holds at most so many messages: asyncio.Queue with a limit, and with an end. Use it to let producers
// wait for consumers.

#include <rondo/base/misuse.hpp>
#include <rondo/base/ring_buffer.hpp>
#include <rondo/core/awaitable.hpp>
#include <rondo/loop/wait_list.hpp>
#include <rondo/queue/detail/inlet.hpp>

#include <concepts>
#include <cstddef>
#include <optional>
#include <source_location>
#include <utility>

namespace rondo::inline RONDO_ABI {

namespace detail {
template <class T>
class pop_awaiter;
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
/// detaches them: they never resume, and unwind when cancelled. A push that was given room, or refused, by then goes on.
/// Cost: two allocations, in the constructor: the messages' places, and two to four words for each. Operations are O(1).
/// Thread: one at a time, as all of rondo.
template <class T>
class bounded_queue : private detail::inlet<bounded_queue<T>, T> {
    using inlet = detail::inlet<bounded_queue, T>;

public:
    /// Throws: std::invalid_argument, which names the line, if `capacity` is zero; std::bad_alloc.
    explicit bounded_queue(std::size_t capacity, std::source_location where = std::source_location::current())
        : messages_(detail::checked_capacity(capacity, where)) {}

    /// `co_await q.push(v)`: puts `v` at the end.
    /// Suspends: while the queue is full, and to let others go first after a bounded number of operations in one step.
    /// Resumes:  on a later step, in the order in which pushers came. Whoever makes room moves `v` in, at once.
    /// Cancel:   a push that was given no room yet leaves `v` as it was; one that was has happened.
    /// Throws:   queue_closed, and then `v` is as it was; what moving (copying) T throws.
    /// Lifetime: refers to `v` until it ends: await it in the same full expression.
    [[nodiscard("co_await it")]] auto push(T&& v) noexcept { return typename inlet::pushing(*this, v, true); }
    [[nodiscard("co_await it")]] auto push(const T& v) noexcept
        requires std::copy_constructible<T>
    {
        return typename inlet::pushing(*this, v, false);
    }

    /// `co_await q.emplace(args...)`: pushes a T made from `args`, which is made at once and kept by the operation.
    /// The form for braces: g++ 11 and 12 destroy an aggregate written in `co_await q.push(T{...})` twice.
    template <class... Args>
        requires std::constructible_from<T, Args...> || requires { T{std::declval<Args>()...}; }
    [[nodiscard("co_await it")]] auto emplace(Args&&... args) {
        return typename inlet::emplacing(std::in_place, *this, std::forward<Args>(args)...);
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
    bool try_push(T&& v) { return this->try_put(std::move(v)); }
    bool try_push(const T& v)
        requires std::copy_constructible<T>
    {
        return this->try_put(v);
    }

    /// Takes the oldest message that is not promised to a popper, if there is one.
    std::optional<T> try_pop() {
        if (empty()) return std::nullopt;
        settled_at_end guard(*this);
        std::optional<T> message(std::move(messages_.front()));
        messages_.pop();
        return message;
    }

    /// Lets nothing more in. Waiting pushers get queue_closed; poppers get what is left, then nothing. Once is enough, twice does no harm.
    /// Resumes: those it wakes, on a later step, in the order in which they came.
    void close() noexcept {
        if (this->shut()) settle();
    }
    bool is_closed() const noexcept { return this->is_shut(); }

    /// The messages that try_pop could take: those that are not promised to a popper who is about to resume.
    std::size_t size() const noexcept { return messages_.size(); }
    bool empty() const noexcept { return messages_.empty(); }
    /// Whether there is no room. A promised message keeps its place until it is taken.
    bool full() const noexcept { return messages_.full(); }
    std::size_t capacity() const noexcept { return messages_.capacity(); }

private:
    friend detail::pop_awaiter<T>;
    friend inlet;
    friend detail::push_awaiter<bounded_queue, T>;

    static constexpr const char* push_name = "bounded_queue::push";
    static constexpr const char* push_is_over = "bounded_queue::push (the queue is gone)";

    class popping : public detail::unawaited<std::optional<T>> {
    public:
        explicit popping(bounded_queue& q) noexcept : q_(&q) {}
        auto operator co_await() const noexcept { return detail::pop_awaiter<T>(*q_); }

    private:
        bounded_queue* q_;
    };

    bool is_drained() const noexcept { return this->is_shut() && empty() && messages_.promised() == 0; }

    template <class U>
    void append(U&& v) {
        messages_.emplace_back(std::forward<U>(v));
    }
    void appended() noexcept {
        if (!poppers_.empty()) settle();
    }

    /// The oldest message that is promised.
    std::optional<T> take_promised() {
        settled_at_end guard(*this);
        fulfilment promise(messages_);
        std::optional<T> message(std::move(messages_.promised_front()));
        promise.is_kept = true;
        return message;
    }

    /// When the move has thrown, the message is still there: for the next.
    class fulfilment {
    public:
        explicit fulfilment(detail::ring_buffer<T>& messages) noexcept : messages_(messages) {}
        fulfilment(const fulfilment&) = delete;
        ~fulfilment() { is_kept ? messages_.pop_promised() : messages_.take_promise_back(); }
        bool is_kept = false;

    private:
        detail::ring_buffer<T>& messages_;
    };

    /// Whatever happens to a move, what is there afterwards is given to those who wait.
    class settled_at_end {
    public:
        explicit settled_at_end(bounded_queue& q) noexcept : q_(q) {}
        settled_at_end(const settled_at_end&) = delete;
        ~settled_at_end() {
            if (q_.has_pushers() || !q_.poppers_.empty()) q_.settle();
        }

    private:
        bounded_queue& q_;
    };

    /// Gives room to those who wait for it, and messages likewise.
    [[gnu::noinline]] void settle() noexcept {
        this->let_in();
        while (!poppers_.empty() && (!empty() || is_drained())) {
            auto& p = static_cast<detail::pop_awaiter<T>&>(poppers_.front());
            promise(p);
            poppers_.grant_front();
        }
    }

    void promise(detail::pop_awaiter<T>& p) noexcept {
        p.promised_ = !empty();
        if (p.promised_) messages_.promise();
    }

    detail::ring_buffer<T> messages_;  // promised are those of poppers who have yet to resume
    detail::wait_list poppers_;
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
    [[gnu::always_inline]] std::optional<T> await_resume() {
        if (!leave()) return q_->try_pop();
        if (!promised_) return std::nullopt;
        return q_->take_promised();
    }
    bool await_cancel() noexcept {
        if (!is_detached() && leave() && promised_) {
            q_->messages_.take_promise_back();
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

}  // namespace detail
}  // namespace rondo::inline RONDO_ABI
