// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// How an operation ended: with a value, with an exception, or cancelled; or not yet. Storage without
// policy: it lies in a task's frame, in a combinator's child, in a spawned task. outcome.hpp is its public face.

#include <rondo/base/config.hpp>

#include <exception>
#include <memory>
#include <type_traits>
#include <utility>

namespace rondo::inline RONDO_ABI::detail {

struct nothing {
    nothing() noexcept {}
};

/// What stands for a T in storage: itself, a pointer for a reference, nothing for void.
template <class T>
using stored_t =
    std::conditional_t<std::is_void_v<T>, nothing,
                       std::conditional_t<std::is_reference_v<T>, std::remove_reference_t<T>*, std::remove_cv_t<T>>>;

/// Whether the reference T can be bound to a `U` itself, not to a temporary made from it.
template <class T, class U>
concept binds_to = std::is_reference_v<T> && std::is_convertible_v<U, T> &&
                   std::is_convertible_v<std::remove_reference_t<U>*, std::remove_reference_t<T>*>;

template <class T>
class result {
public:
    using stored = stored_t<T>;

    result() noexcept {}
    result(result&& other) noexcept(std::is_nothrow_move_constructible_v<stored>) { take_over(other); }
    result& operator=(result&& other) noexcept(std::is_nothrow_move_constructible_v<stored>) {
        if (this != &other) {
            clear();
            take_over(other);
        }
        return *this;
    }
    ~result() { clear(); }

    bool is_empty() const noexcept { return state_ == state::empty; }
    bool has_value() const noexcept { return state_ == state::value; }
    bool has_error() const noexcept { return state_ == state::error; }
    bool is_cancelled() const noexcept { return state_ == state::cancelled; }

    template <class... Args>
    void set_value(Args&&... args) {
        if constexpr (std::is_reference_v<T>) {
            T reference = (std::forward<Args>(args), ...);
            std::construct_at(std::addressof(value_), std::addressof(reference));
        } else {
            std::construct_at(std::addressof(value_), std::forward<Args>(args)...);
        }
        state_ = state::value;
    }

    void set_error(std::exception_ptr error) noexcept {
        clear();
        std::construct_at(&error_, std::move(error));
        state_ = state::error;
    }

    void set_cancelled() noexcept {
        clear();
        state_ = state::cancelled;
    }

    void clear() noexcept {
        if (state_ == state::value)
            std::destroy_at(std::addressof(value_));
        else if (state_ == state::error)
            std::destroy_at(&error_);
        state_ = state::empty;
    }

    stored& value() noexcept { return value_; }
    const std::exception_ptr& error() const noexcept { return error_; }
    std::exception_ptr& error() noexcept { return error_; }

    /// Moves `other` in here; this one must be empty. If the move throws, it stays so.
    void take_over(result& other) noexcept(std::is_nothrow_move_constructible_v<stored>) {
        if (other.state_ == state::value) [[likely]]
            std::construct_at(std::addressof(value_), std::move(other.value_));
        else if (other.state_ == state::error)
            std::construct_at(&error_, std::exchange(other.error_, nullptr));
        state_ = other.state_;
    }

    /// The value, moved out, or the exception, thrown. Only for a result that has one of them.
    T take() {
        if (state_ != state::value) [[unlikely]]
            take_failure();
        if constexpr (std::is_reference_v<T>) {
            return static_cast<T>(*value_);
        } else if constexpr (!std::is_void_v<T>) {
            return std::move(value_);
        }
    }

private:
    [[noreturn]] void take_failure() {
        if (state_ == state::error) rethrow(std::exchange(error_, nullptr));
        fatal("rondo: a task<T> came to its end without co_return: it has no result");
    }

    enum class state : unsigned char { empty, value, error, cancelled };

    union {
        stored value_;
        std::exception_ptr error_;
    };
    state state_ = state::empty;
};

}  // namespace rondo::inline RONDO_ABI::detail
