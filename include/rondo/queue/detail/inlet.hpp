// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// The way into a queue: who pushes, and waits for room.

#include <rondo/base/misuse.hpp>
#include <rondo/base/result.hpp>
#include <rondo/core/awaitable.hpp>
#include <rondo/core/errors.hpp>
#include <rondo/loop/wait_list.hpp>

#include <concepts>
#include <cstddef>
#include <exception>
#include <limits>
#include <source_location>
#include <stdexcept>
#include <type_traits>
#include <utility>

namespace rondo::inline RONDO_ABI::detail {

inline std::size_t checked_capacity(std::size_t capacity, const std::source_location& where) {
    if (capacity > (std::numeric_limits<std::size_t>::max)() / 8 / sizeof(std::size_t))
        raise_at<std::invalid_argument>(
            where, "rondo: a queue needs a capacity of at least 1: this one is negative, or beyond memory");
    if (capacity == 0) raise_at<std::invalid_argument>(where, "rondo: a queue needs a capacity of at least 1");
    return capacity;
}

template <class Queue, class T>
class push_awaiter;

/// What a push that waited has been told.
enum class answer : unsigned char { none, stored, refused };

/// Base of `Queue`, which has full(), append(v), which puts v at the end, appended(), to be called after, and the name of its push.
template <class Queue, class T>
class inlet {
    static_assert(std::move_constructible<T>,
                  "rondo: a queue's messages are moved in and out: T needs a move constructor");

public:
    inlet(const inlet&) = delete;
    inlet& operator=(const inlet&) = delete;

    class [[nodiscard("co_await it")]] pushing {
    public:
        pushing(inlet& q, const T& v, bool movable) noexcept : q_(&q), v_(&v), movable_(movable) {}
        auto operator co_await() const noexcept { return push_awaiter<Queue, T>(*q_, *v_, movable_); }

    private:
        inlet* q_;
        const T* v_;
        bool movable_;
    };

    class [[nodiscard("co_await it")]] emplacing {
    public:
        template <class... Args>
        explicit emplacing(std::in_place_t, inlet& q, Args&&... args) : q_(&q), v_(make(std::forward<Args>(args)...)) {}
        auto operator co_await() & noexcept { return push_awaiter<Queue, T>(*q_, v_, true); }
        auto operator co_await() && noexcept { return push_awaiter<Queue, T>(*q_, v_, true); }

    private:
        template <class... Args>
        static T make(Args&&... args) {
            if constexpr (std::constructible_from<T, Args...>)
                return T(std::forward<Args>(args)...);
            else
                return T{std::forward<Args>(args)...};
        }

        inlet* q_;
        T v_;
    };

protected:
    inlet() noexcept = default;
    ~inlet() = default;

    static constexpr bool stores_without_throwing =
        std::is_nothrow_move_constructible_v<T> &&
        (std::is_nothrow_copy_constructible_v<T> || !std::copy_constructible<T>);

    bool is_shut() const noexcept { return shut_; }

    template <class U>
    bool try_put(U&& v) {
        if (shut_ || queue().full()) return false;
        queue().append(std::forward<U>(v));
        queue().appended();
        return true;
    }

    /// Lets nothing more in; those who wait get queue_closed. False: it was shut already.
    bool shut() noexcept {
        if (std::exchange(shut_, true)) return false;
        while (!pushers_.empty()) {
            static_cast<push_awaiter<Queue, T>&>(pushers_.front()).answer_ = answer::refused;
            pushers_.tell_front();
        }
        return true;
    }

    bool has_pushers() const noexcept { return !pushers_.empty(); }

    /// Puts in what waits for room, as far as there is some.
    void let_in() noexcept {
        while (!shut_ && !pushers_.empty() && !queue().full()) {
            auto& p = static_cast<push_awaiter<Queue, T>&>(pushers_.front());
            if constexpr (stores_without_throwing)
                store(*p.value_, p.movable_);
            else
                guarded([&] { store(*p.value_, p.movable_); },
                        [&](std::exception_ptr error) { p.error_ = std::move(error); });
            p.answer_ = answer::stored;
            pushers_.tell_front();  // it has happened, whatever becomes of the queue
        }
    }

private:
    friend push_awaiter<Queue, T>;

    Queue& queue() noexcept { return static_cast<Queue&>(*this); }

    void store(const T& v, bool movable) {
        if constexpr (std::copy_constructible<T>) {
            if (!movable) return queue().append(v);
        }
        queue().append(std::move(const_cast<T&>(v)));
    }

    bool shut_ = false;
    wait_list pushers_;
};

template <class Queue, class T>
class push_awaiter final : private waiter {
    using inlet_type = inlet<Queue, T>;

public:
    push_awaiter(inlet_type& q, const T& value, bool movable) noexcept : q_(&q), value_(&value), movable_(movable) {}
    push_awaiter(const push_awaiter&) = delete;
    push_awaiter& operator=(const push_awaiter&) = delete;

    bool await_ready() const noexcept { return may_go() && scheduler::current()->spend(); }
    void await_suspend(waker w) {
        if (!may_go()) return q_->pushers_.add(*this, w);
        if (q_->shut_) {
            answer_ = answer::refused;
            return w.put_off();
        }
        q_->store(*value_, movable_);
        answer_ = answer::stored;
        w.put_off();
        q_->queue().appended();
    }
    [[gnu::always_inline]] void await_resume() {
        leave();
        if constexpr (!inlet_type::stores_without_throwing)
            if (error_) [[unlikely]]
                rethrow(std::move(error_));
        if (answer_ == answer::stored) return;
        if (answer_ == answer::refused || q_->shut_) raise<queue_closed>();
        q_->store(*value_, movable_);
        q_->queue().appended();
    }
    bool await_cancel() noexcept {
        leave();
        return true;
    }
    /// Whether await_resume would throw: lets a combinator know of the failure when it happens.
    bool await_failed() const noexcept {
        if constexpr (!inlet_type::stores_without_throwing)
            if (error_ != nullptr) return true;
        return answer_ == answer::refused;
    }
    wait_info await_describe() const noexcept {
        return is_detached() ? wait_info(Queue::push_is_over, nullptr) : wait_info(Queue::push_name, &q_->queue());
    }

private:
    friend inlet_type;

    bool may_go() const noexcept { return q_->shut_ || !q_->queue().full(); }

    inlet_type* q_;
    const T* value_;
    bool movable_;
    answer answer_ = answer::none;
    // What the move threw when the waiting push was served.
    [[no_unique_address]] std::conditional_t<inlet_type::stores_without_throwing, nothing, std::exception_ptr> error_;
};

}  // namespace rondo::inline RONDO_ABI::detail
