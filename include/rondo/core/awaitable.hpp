// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// What may stand behind co_await in a task: a task, an operation of the library, an awaiter written for
// rondo (resumer.hpp), or a foreign awaitable, which gets a plain std::coroutine_handle<>.

#include <rondo/base/misuse.hpp>
#include <rondo/core/resumer.hpp>

#include <concepts>
#include <coroutine>
#include <type_traits>
#include <utility>

namespace rondo::inline RONDO_ABI {

template <class T>
class task;

namespace detail {

template <class A>
concept has_member_co_await = requires(A&& a) { std::forward<A>(a).operator co_await(); };
template <class A>
concept has_free_co_await = requires(A&& a) { operator co_await(std::forward<A>(a)); };

/// The awaiter of `a`: made by its operator co_await, or `a` itself.
template <class A>
decltype(auto) get_awaiter(A&& a) {
    if constexpr (has_member_co_await<A>)
        return std::forward<A>(a).operator co_await();
    else if constexpr (has_free_co_await<A>)
        return operator co_await(std::forward<A>(a));
    else
        return std::forward<A>(a);
}

template <class A>
using awaiter_of = decltype(get_awaiter(std::declval<A>()));

template <class W>
concept has_await_ends = requires(std::remove_reference_t<W>& w) {
    w.await_ready() ? void() : void();
    w.await_resume();
};

template <class W>
concept cancels = requires(std::remove_reference_t<W>& w) {
    { w.await_cancel() } noexcept -> std::same_as<bool>;
};

/// Any coroutine type's awaiter.
template <class W>
concept foreign_awaiter =
    has_await_ends<W> && requires(std::remove_reference_t<W>& w, std::coroutine_handle<> h) { w.await_suspend(h); };

/// A suspension that a task uses as it is: it has children of its own.
template <class W>
concept composite_awaiter = std::derived_from<std::remove_cvref_t<W>, suspension>;

/// An awaiter of the library itself. await_suspend may find the operation done, or possible at once: it wakes then.
template <class W>
concept waiting_awaiter =
    !foreign_awaiter<W> && has_await_ends<W> && cancels<W> && requires(std::remove_reference_t<W>& w, waker k) {
        { w.await_suspend(k) } -> std::same_as<void>;
    };

/// One of these that does nothing but let others go first.
template <class W>
concept yielding_awaiter = std::remove_cvref_t<W>::only_yields;

/// An awaiter of the public protocol.
template <class W>
concept native_awaiter =
    !foreign_awaiter<W> && has_await_ends<W> && cancels<W> && requires(std::remove_reference_t<W>& w, resumer r) {
        { w.await_suspend(std::move(r)) } -> std::same_as<void>;
    };

template <class A>
struct task_traits : std::false_type {};
template <class T>
struct task_traits<task<T>> : std::true_type {
    using value_type = T;
};
template <class A>
concept task_like = task_traits<std::remove_cvref_t<A>>::value;

/// A task that may be consumed: not an lvalue, not const.
template <class A>
concept consumable_task = task_like<A> && !std::is_reference_v<A> && !std::is_const_v<A>;

template <class Plain, class A>
struct await_result {
    using type = decltype(std::declval<std::remove_reference_t<awaiter_of<A>>&>().await_resume());
};
template <class T, class A>
struct await_result<task<T>, A> {
    using type = T;
};

}  // namespace detail

/// What co_await accepts in a task. awaitable<task<T>> is true, awaitable<task<T>&> is not.
template <class A>
concept awaitable =
    (detail::consumable_task<std::remove_reference_t<A>> && !std::is_lvalue_reference_v<A>) ||
    (!detail::task_like<A> &&
     (detail::composite_awaiter<detail::awaiter_of<A>> || detail::waiting_awaiter<detail::awaiter_of<A>> ||
      detail::native_awaiter<detail::awaiter_of<A>> || detail::foreign_awaiter<detail::awaiter_of<A>>));

/// The type of `co_await a`.
template <awaitable A>
using await_result_t = typename detail::await_result<std::remove_cvref_t<A>, A>::type;

namespace detail {

/// Not a function, which is to be called first.
template <class A>
concept called = awaitable<A> || !calls_for_a_call<A>;

}  // namespace detail

}  // namespace rondo::inline RONDO_ABI
