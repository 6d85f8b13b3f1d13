// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// A part of a task that is not to be torn in two by a cancellation.

#include <rondo/scope/detail/holders.hpp>

#include <utility>

namespace rondo::inline RONDO_ABI {

namespace detail {

template <class A>
class uncancellable_wait final : public one_of<A> {
public:
    explicit uncancellable_wait(A&& operand) : one_of<A>(static_cast<A&&>(operand)) {}

    await_result_t<A> await_resume() { return this->child_.take(); }

    withdrawal withdraw(bool) noexcept override {
        if (!this->is_over()) return withdrawal::refused;
        this->child_.withdraw();  // granted, but not taken
        return withdrawal::done;
    }
    wait_info describe() const noexcept override { return wait_info("uncancellable", nullptr); }
};

}  // namespace detail

/// `co_await uncancellable(op)`: the result of op. If the caller is cancelled meanwhile, op goes on to its end, and the caller is unwound
/// then; it takes part in no race until then, and the loop waits for it.
///
///     co_await uncancellable(commit(transaction));
///
/// Suspends: unless op ends without waiting.
/// Resumes:  in the step in which op ends; on a later step if it is an operation rather than a task.
/// Cancel:   before op has ended: takes effect when it ends. with_timeout around it gives its result.
/// Throws:   what op throws; std::logic_error for an empty task. If the caller has been cancelled, that goes to on_unhandled_exception.
/// A loop that ends destroys op nevertheless when nothing can resume it any more.
/// Cost:     no allocation but op's frames. A combinator as op runs in a frame of its own.
template <class Op>
[[nodiscard("co_await it")]] auto uncancellable(Op&& op) {
    static_assert(detail::called<Op>, "rondo: a function is called first: uncancellable(f()), with parentheses");
    static_assert(awaitable<Op>,
                  "rondo: uncancellable takes what can be awaited, and consumes a task: uncancellable(std::move(t))");
    return detail::combining<detail::uncancellable_wait<Op>, Op>(std::in_place, std::forward<Op>(op));
}

}  // namespace rondo::inline RONDO_ABI
