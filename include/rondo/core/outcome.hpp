// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// How a task ended, as a value: what when_all_settled and join_handle::settled give, where an exception of
// the task is data and nothing is thrown.

#include <rondo/base/result.hpp>
#include <rondo/core/errors.hpp>

#include <exception>
#include <type_traits>
#include <utility>

namespace rondo::inline RONDO_ABI {

/// A value, an exception, or the word that the task was cancelled. Movable if T is.
///
///     outcome<page> o = co_await handle.settled();
///     if (o.has_value()) show(o.value());
template <class T = void>
class [[nodiscard]] outcome {
public:
    explicit outcome(detail::result<T>&& ended) noexcept(std::is_nothrow_move_constructible_v<detail::result<T>>)
        : result_(std::move(ended)) {}

    bool has_value() const noexcept { return result_.has_value(); }
    explicit operator bool() const noexcept { return has_value(); }
    bool is_cancelled() const noexcept { return result_.is_cancelled(); }

    /// The value; void for outcome<void>.
    /// Throws: the task's exception; `cancelled` if it was cancelled.
    std::add_lvalue_reference_t<T> value() & {
        require_value();
        if constexpr (std::is_reference_v<T>)
            return *result_.value();
        else if constexpr (!std::is_void_v<T>)
            return result_.value();
    }
    std::add_lvalue_reference_t<const T> value() const& { return const_cast<outcome&>(*this).value(); }
    T value() && {
        require_value();
        return result_.take();
    }

    /// The task's exception; null when it has a value or was cancelled.
    std::exception_ptr error() const noexcept { return result_.has_error() ? result_.error() : std::exception_ptr(); }

private:
    void require_value() const {
        if (result_.has_error()) detail::rethrow(result_.error());
        if (!result_.has_value()) detail::raise<cancelled>();
    }

    detail::result<T> result_;
};

}  // namespace rondo::inline RONDO_ABI
