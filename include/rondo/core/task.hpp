// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// The coroutine type of the library: write a function that returns task<T>, and use co_await and co_return
// in it. One allocation, recycled; awaiting a task costs no other.

#include <rondo/base/misuse.hpp>
#include <rondo/core/detail/promise.hpp>

#include <coroutine>
#include <utility>

namespace rondo::inline RONDO_ABI {

/// A computation that has not started yet, and its result when it has ended. Lazy: calling the coroutine
/// only makes the task. It runs when it is awaited, or given to run, spawn or a combinator, and once.
/// T: void, a value (also move-only, or without a default constructor) or a reference. A T that is
/// over-aligned does not compile: compilers misplace it in a coroutine's frame; return a pointer to it.
///
///     task<int> answer() { co_await sleep(1s); co_return 42; }
///     task<> ask() { int a = co_await answer(); }
///
/// co_await:   starts the task at once, in the same step; the awaiting task goes on in the step in which it
///             ends. A task that ends without waiting does not suspend the one that awaits it.
/// Cancel:     destroys the frames of the tasks below, innermost first, then the awaiting one's.
/// Throws:     what the task throws. Awaiting an empty or already consumed task: std::logic_error.
///             Calling a coroutine: std::bad_alloc if there is no memory for its frame.
/// Lifetime:   arguments taken by value live until the task has been awaited; what references refer to must
///             outlive it. A lambda's captures are the lambda's: see spawn(callable, args...).
/// Thread:     that of the loop it runs on.
template <class T = void>
class [[nodiscard("a task does nothing until you co_await it, or give it to run, spawn or when_all")]] task
    : public detail::unawaited<T> {
public:
    using promise_type = detail::promise<T>;

    /// An empty task.
    task() noexcept = default;
    task(const task&) = delete;  // a task runs once: pass std::move(t), or call the function a second time
    task(task&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
    task& operator=(task&& other) noexcept {
        task moved(std::move(other));
        std::swap(handle_, moved.handle_);
        return *this;
    }
    /// Destroys a task that was never started, with its arguments.
    ~task() {
        if (handle_) handle_.destroy();
    }

private:
    friend detail::task_access;
    explicit task(std::coroutine_handle<promise_type> handle) noexcept : handle_(handle) {}

    std::coroutine_handle<promise_type> handle_;
};

}  // namespace rondo::inline RONDO_ABI
