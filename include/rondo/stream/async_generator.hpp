// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// A coroutine that gives one value after another, and may wait in between: Python's async generator.

#include <rondo/core/task.hpp>
#include <rondo/stream/detail/generator.hpp>

#include <utility>

namespace rondo::inline RONDO_ABI {

/// Values that are made when they are asked for. Lazy: the body starts with the first next(), and stands still at a co_yield until
/// the following one. Move-only. T: a value (also move-only) or a reference.
///
///     async_generator<line> lines(file& f) {
///         while (auto l = co_await f.read_line()) co_yield *l;
///     }
///     auto g = lines(f);
///     while (auto l = co_await g.next()) show(*l);
///
/// Destruction: runs the destructors of the body where it stands; while a next() waits, that next() still gets its value.
/// Lifetime:    arguments taken by value live as long as the body; what references refer to must outlive it.
/// Cost:        one allocation, recycled; none per value. Thread: the loop's.
template <class T>
class [[nodiscard("a generator does nothing until you co_await its next()")]] async_generator {
    static_assert(!std::is_void_v<T>, "rondo: an async_generator gives values: async_generator<void> has none");

public:
    using promise_type = detail::generator_promise<T>;

    async_generator(async_generator&& other) noexcept : state_(std::move(other.state_)) {}
    async_generator& operator=(async_generator&& other) noexcept {
        state_ = std::move(other.state_);
        return *this;
    }
    ~async_generator() = default;

    /// `co_await g.next()`: lets the body go on to its next co_yield, and gives that value as a std::optional (a
    /// std::reference_wrapper in it for a reference); nothing when the body has ended, and ever after.
    /// Suspends: when the body waits.
    /// Resumes:  in the step in which the body yields or ends.
    /// Cancel:   cancels the body; a later next() throws `cancelled`.
    /// Throws:   what the body throws, once; it has ended then. `cancelled`, see above. std::logic_error while another next() waits,
    ///           and for a generator that was moved from.
    [[nodiscard("co_await it")]] auto next() noexcept { return detail::asking<T>(state_); }

    /// Not a range: whoever treats it as one is told so.
    detail::no_iterator<T> begin() {
        static_assert(detail::never<T>, "rondo: a generator's values are awaited: while (auto v = co_await g.next())");
    }
    detail::no_iterator<T> end();

private:
    friend promise_type;
    explicit async_generator(detail::generator_promise<T>& body) noexcept : state_(body) {}

    detail::generator_state<T> state_;
};

template <class T>
async_generator<T> detail::generator_promise<T>::get_return_object() noexcept {
    return async_generator<T>(*this);
}

}  // namespace rondo::inline RONDO_ABI
