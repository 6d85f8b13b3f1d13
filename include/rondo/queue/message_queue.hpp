// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// A queue that keeps each message until it has been processed, so that none is lost with the consumer that had it.

#include <rondo/base/misuse.hpp>
#include <rondo/core/awaitable.hpp>
#include <rondo/loop/detail/gate.hpp>
#include <rondo/loop/wait_list.hpp>
#include <rondo/queue/delivery.hpp>
#include <rondo/queue/detail/inlet.hpp>

#include <concepts>
#include <cstddef>
#include <optional>
#include <source_location>
#include <stdexcept>
#include <utility>

namespace rondo::inline RONDO_ABI {

namespace detail {
template <class T>
class receive_awaiter;
}

/// At least once, inside the process. A consumer gets a delivery: a lease on a message that stays in the queue. ack() removes it. A
/// delivery that is destroyed without it (the consumer threw, was cancelled, or said nack()) puts the message back to the front, and
/// the next consumer sees attempt() one higher. First in, first out, for messages and for those who wait; nobody overtakes.
///
///     message_queue<job> q(64);
///     co_await q.push(j);                        // waits while 64 are queued or in work
///     while (auto d = co_await q.receive()) {    // nothing once it is closed, and all is acknowledged
///         co_await work(**d);                    // if this is cancelled or throws, somebody else gets the job
///         d->ack();
///     }
///
/// T: as for bounded_queue; messages are moved in, never out, but to a dead-letter queue. What is in flight counts towards the capacity, so that
/// coming back needs no room.
/// Belongs to no loop: build it anywhere, destroy it before or after a loop. Destroying it under waiters detaches them: they never
/// resume, and unwind when cancelled; deliveries are detached too: ack() and nack() do nothing.
/// Cost: one allocation, in the constructor; O(1) operations. Thread: one at a time, as all of rondo.
template <class T>
class message_queue final : private detail::inlet<message_queue<T>, T>, private detail::lessor<T> {
    using inlet = detail::inlet<message_queue, T>;
    using slot = detail::message_slot<T>;

public:
    /// Throws: std::invalid_argument, which names the line, if `capacity` is zero; std::bad_alloc.
    explicit message_queue(std::size_t capacity, std::source_location where = std::source_location::current())
        : detail::lessor<T>(detail::checked_capacity(capacity, where)) {}

    /// `co_await q.push(v)`: puts `v` at the end. All as bounded_queue::push.
    [[nodiscard("co_await it")]] auto push(T&& v) noexcept { return typename inlet::pushing(*this, v, true); }
    [[nodiscard("co_await it")]] auto push(const T& v) noexcept
        requires std::copy_constructible<T>
    {
        return typename inlet::pushing(*this, v, false);
    }

    /// `co_await q.emplace(args...)`: pushes a T made from `args`. All as bounded_queue::emplace.
    template <class... Args>
        requires std::constructible_from<T, Args...> || requires { T{std::declval<Args>()...}; }
    [[nodiscard("co_await it")]] auto emplace(Args&&... args) {
        return typename inlet::emplacing(std::in_place, *this, std::forward<Args>(args)...);
    }

    /// Puts `v` at the end if there is room and the queue is open. False: `v` is untouched.
    bool try_push(T&& v) { return this->try_put(std::move(v)); }
    bool try_push(const T& v)
        requires std::copy_constructible<T>
    {
        return this->try_put(v);
    }

    /// `co_await q.receive()`: leases the message at the front, as a std::optional<delivery<T>>; nothing once the queue is closed and
    /// everything has been acknowledged.
    /// Suspends: while nothing is queued, also after close() as long as something is in flight, for it may come back; and to let
    ///           others go first after a bounded number of operations in one step.
    /// Resumes:  on a later step, in the order in which consumers came.
    /// Cancel:   a message that was reserved goes to the next consumer, or back to its place; that is no attempt.
    [[nodiscard("co_await it")]] auto receive() noexcept { return receiving(*this); }

    /// Leases the first message that is not reserved for a consumer who is about to resume, if there is one.
    [[nodiscard("dropping the delivery puts the message back")]] std::optional<delivery<T>> try_receive() noexcept {
        if (empty()) return std::nullopt;
        return this->lease(this->reserve());
    }

    /// `co_await q.join()`: waits until everything that was pushed has been acknowledged, or has gone to the dead letters.
    /// Suspends: unless it is so; and as receive does.
    /// Resumes:  on a later step, in the order in which they came, also when more has been pushed by then.
    /// Cancel:   leaves.
    [[nodiscard("co_await it")]] auto join() noexcept {
        return detail::gate_wait<all_done, detail::gate_awaiter<all_done>>(all_done_);
    }

    /// From now on, a message that comes back from its `limit`th attempt or a later one moves to `other` instead, with try_push; if
    /// that refuses, or throws, it goes to the front nevertheless. `other` outlives this queue.
    /// Throws: std::invalid_argument for a limit of zero, and for this queue itself.
    template <class Queue>
        requires requires(Queue& other, T v) {
            { other.try_push(std::move(v)) } -> std::convertible_to<bool>;
        }
    void dead_letters(std::size_t limit, Queue& other) {
        if (limit == 0) detail::raise<std::invalid_argument>("rondo: dead_letters needs a limit of at least 1");
        if (static_cast<void*>(&other) == this)
            detail::raise<std::invalid_argument>("rondo: a queue cannot be its own dead-letter queue");
        this->set_dead_letters(limit, &other,
                               [](void* to, T& v) -> bool { return static_cast<Queue*>(to)->try_push(std::move(v)); });
    }

    /// Lets nothing more in. Waiting pushers get queue_closed; consumers finish what is leased and queued, then get nothing. Once is
    /// enough, twice does no harm.
    void close() noexcept {
        if (this->shut()) settle();
    }
    bool is_closed() const noexcept { return this->is_shut(); }

    /// The messages that try_receive could lease.
    std::size_t size() const noexcept { return this->queued(); }
    bool empty() const noexcept { return size() == 0; }
    /// The messages that are leased, or reserved for a consumer who is about to resume.
    std::size_t in_flight() const noexcept { return this->used() - size(); }
    /// Whether there is no room: size() + in_flight() == capacity().
    bool full() const noexcept { return this->used() == capacity(); }
    std::size_t capacity() const noexcept { return this->places(); }

private:
    friend inlet;
    friend detail::push_awaiter<message_queue, T>;
    friend detail::receive_awaiter<T>;

    static constexpr const char* push_name = "message_queue::push";
    static constexpr const char* push_is_over = "message_queue::push (the queue is gone)";

    class receiving : public detail::unawaited<std::optional<delivery<T>>> {
    public:
        explicit receiving(message_queue& q) noexcept : q_(&q) {}
        auto operator co_await() const noexcept { return detail::receive_awaiter<T>(*q_); }

    private:
        message_queue* q_;
    };

    class all_done {
    public:
        explicit all_done(message_queue& q) noexcept : q_(&q) {}

        static constexpr const char* wait_name = "message_queue::join";
        static constexpr const char* wait_is_over = "message_queue::join (the queue is gone)";
        bool is_open() const noexcept { return q_->used() == 0; }

        detail::wait_list waiters_;

    private:
        message_queue* q_;
    };

    using detail::lessor<T>::append;
    void appended() noexcept {
        if (!receivers_.empty()) settle();
    }

    bool is_drained() const noexcept { return is_closed() && this->used() == 0; }

    /// Gives room to those who wait for it, messages likewise, and tells when all is done.
    void settle() noexcept override {
        this->let_in();
        while (!receivers_.empty() && (!empty() || is_drained())) {
            auto& r = static_cast<detail::receive_awaiter<T>&>(receivers_.front());
            if (!empty()) r.slot_ = &this->reserve();
            receivers_.grant_front();
        }
        if (this->used() == 0) all_done_.waiters_.tell_all();
    }

    all_done all_done_{*this};
    detail::wait_list receivers_;
};

template <class T>
class detail::receive_awaiter final : private waiter {
public:
    explicit receive_awaiter(message_queue<T>& q) noexcept : q_(&q) {}
    receive_awaiter(const receive_awaiter&) = delete;
    receive_awaiter& operator=(const receive_awaiter&) = delete;

    bool await_ready() const noexcept { return may_go() && scheduler::current()->spend(); }
    void await_suspend(waker w) noexcept {
        if (!may_go()) return q_->receivers_.add(*this, w);
        if (!q_->empty()) slot_ = &q_->reserve();
        q_->receivers_.grant(*this, w);
    }
    [[gnu::always_inline]] std::optional<delivery<T>> await_resume() noexcept {
        if (!leave()) return q_->try_receive();
        if (slot_ == nullptr) return std::nullopt;
        return q_->lease(*slot_);
    }
    bool await_cancel() noexcept {
        if (!is_detached() && leave() && slot_ != nullptr) q_->unreserve(*slot_);
        return true;
    }
    wait_info await_describe() const noexcept {
        return is_detached() ? wait_info("message_queue::receive (the queue is gone)", nullptr)
                             : wait_info("message_queue::receive", q_);
    }

private:
    friend message_queue<T>;

    bool may_go() const noexcept { return !q_->empty() || q_->is_drained(); }

    message_queue<T>* q_;
    message_slot<T>* slot_ = nullptr;  // what is reserved for it
};

}  // namespace rondo::inline RONDO_ABI
