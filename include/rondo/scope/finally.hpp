// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// Cleaning up with the right to wait: what a destructor cannot do.

#include <rondo/scope/detail/cleanup.hpp>

#include <concepts>
#include <type_traits>
#include <utility>

namespace rondo::inline RONDO_ABI {

/// `co_await finally(body, cleanup)`: the result of body, a task or another awaitable, or a callable that makes one. However it ends, by a value,
/// an exception or a cancellation, `cleanup()`, which gives a task<>, is called and runs to its end before the caller goes on or is unwound.
///
///     co_await finally(talk(connection), [&]() -> task<> { co_await connection.say_goodbye(); });
///
/// Suspends: unless body and cleanup end without waiting.
/// Resumes:  in the step in which the cleanup ends. It starts in the step in which body ends, or, after a cancellation, on the next round.
/// Cancel:   cancels body; the cleanup cannot be cancelled, and the caller is unwound when it has ended. Before body has
///           started: neither runs.
/// Throws:   what body throws, or else what the cleanup throws. What the cleanup throws beside another exception or a cancellation
///           goes to on_unhandled_exception. std::bad_alloc and std::logic_error (an empty task) before body starts.
/// A loop that ends runs cleanups; it destroys one only when nothing can resume it any more.
/// Lifetime: body and cleanup are kept until the end. (g++ 11 and 12: give a lambda that captures by value a name before the co_await.)
/// Cost:     one frame beside those of body and cleanup.
template <class Body, class Cleanup>
[[nodiscard("co_await it")]] auto finally(Body&& body, Cleanup&& cleanup) {
    using kept = std::decay_t<Cleanup>;
    static_assert(
        requires(kept& f) {
            { f() } -> std::same_as<task<>>;
        }, "rondo: finally's cleanup is a callable without arguments that returns a task<>");
    if constexpr (awaitable<Body>) {
        return detail::combining<detail::finally_wait<Body, kept>, Body, kept>(std::in_place, std::forward<Body>(body),
                                                                               std::forward<Cleanup>(cleanup));
    } else {
        static_assert(detail::makes_task<std::decay_t<Body>>,
                      "rondo: finally's body is something to await, or a callable that returns a task; a task is "
                      "consumed: finally(std::move(t), ...)");
        using made = typename detail::made_task<std::decay_t<Body>>::type;
        return detail::combining<detail::finally_wait<made, kept>, made, kept>(
            std::in_place, detail::call_in_frame<std::decay_t<Body>>(std::forward<Body>(body)),
            std::forward<Cleanup>(cleanup));
    }
}

}  // namespace rondo::inline RONDO_ABI
