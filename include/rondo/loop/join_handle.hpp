// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// What spawn returns: a way to wait for the task, and to cancel it.

#include <rondo/base/misuse.hpp>
#include <rondo/loop/detail/spawned.hpp>

#include <stdexcept>
#include <string_view>
#include <utility>

namespace rondo::inline RONDO_ABI {

namespace detail {

struct spawn_access;

/// Waits for a spawned task. `Settled`: gives its outcome<T> instead of T.
template <class T, bool Settled>
class join_awaiter {
public:
    explicit join_awaiter(spawned<T>* task) : task_(task) {
        if (task == nullptr)
            raise<std::logic_error>("rondo: this join_handle is empty: it was moved from, or no spawn gave it");
        task->claim();
        task->retain();
    }
    join_awaiter(const join_awaiter&) = delete;
    join_awaiter& operator=(const join_awaiter&) = delete;
    ~join_awaiter() {
        give_up();
        task_->release();
    }

    bool await_ready() const noexcept { return task_->done(); }
    void await_suspend(waker joiner) {
        if (is_own_task(joiner))
            raise<std::logic_error>("rondo: a task cannot wait for itself: await this handle in another one");
        task_->wake_when_done(joiner);
    }
    std::conditional_t<Settled, outcome<T>, T> await_resume() {
        claims_ = false;
        result<T>& ended = task_->collect();
        if constexpr (Settled) {
            return outcome<T>(std::move(ended));
        } else {
            if (ended.is_cancelled()) raise<cancelled>();
            return static_cast<T>(ended.take());
        }
    }
    bool await_cancel() noexcept {
        give_up();
        return true;
    }
    /// For combinators: whether await_resume would throw, and the outcome as it is.
    bool await_failed() const noexcept
        requires(!Settled)
    {
        return task_->has_failed();
    }
    void await_settle(result<T>& to)
        requires(!Settled)
    {
        claims_ = false;
        to = std::move(task_->collect());
    }
    wait_info await_describe() const noexcept { return wait_info("join_handle", static_cast<const root*>(task_)); }

private:
    bool is_own_task(waker joiner) const noexcept {
        for (frame* f = joiner.waiting_frame(); f != nullptr; f = f->reports_to->parent())
            if (f == task_->top()) return true;
        return false;
    }

    /// The task may be joined by another then.
    void give_up() noexcept {
        if (std::exchange(claims_, false)) task_->unclaim();
    }

    spawned<T>* task_;
    bool claims_ = true;
};

}  // namespace detail

/// Joins a spawned task. Dropping the handle lets the task go on: the loop owns it. An exception that no
/// handle can deliver any more goes to event_loop::on_unhandled_exception.
///
///     join_handle<int> h = spawn(count());
///     int n = co_await h;
///
/// Move-only. May outlive its loop; the result lives with the handle.
template <class T = void>
class join_handle : public detail::unawaited<T> {
public:
    join_handle() noexcept = default;
    join_handle(const join_handle&) = delete;  // one handle to a task: pass std::move(h), or a reference
    join_handle(join_handle&& other) noexcept : task_(std::exchange(other.task_, nullptr)) {}
    join_handle& operator=(join_handle&& other) noexcept {
        join_handle moved(std::move(other));
        std::swap(task_, moved.task_);
        return *this;
    }
    ~join_handle() {
        if (task_ != nullptr) task_->release();
    }

    /// `co_await handle`: the task's result.
    /// Suspends: unless the task has ended.
    /// Resumes:  on a later step, behind what is ready when the task ends.
    /// Cancel:   ends the joining, not the task; the handle may be awaited again.
    /// Throws:   what the task threw; `cancelled` if it was cancelled; std::logic_error for an empty handle, a
    ///           second joiner, and a task that would wait for itself.
    auto operator co_await() const { return detail::join_awaiter<T, false>(task_); }

    /// `co_await handle.settled()`: the same as an outcome<T>, which never throws for the task.
    [[nodiscard("co_await it")]] auto settled() const noexcept { return settling(task_); }

    /// Cancels the task: its frames are destroyed, innermost first, before this returns; or, where the task
    /// or one below it is running, at its next suspension; or, below an operation that cannot be withdrawn, when that ends.
    /// Nothing happens to a task that has ended.
    void cancel() noexcept {
        if (task_ != nullptr) task_->cancel();
    }

    /// Whether the task has ended, by whatever way. Of an empty handle: true.
    bool done() const noexcept { return task_ == nullptr || task_->done(); }

private:
    friend struct detail::spawn_access;
    explicit join_handle(detail::spawned<T>& task) noexcept : task_(&task) {}

    /// The awaitable of settled(); names the task, as `co_await handle` does, when it is awaited.
    class settling : public detail::unawaited<outcome<T>> {
    public:
        explicit settling(detail::spawned<T>* task) noexcept : task_(task) {}
        auto operator co_await() const { return detail::join_awaiter<T, true>(task_); }

    private:
        detail::spawned<T>* task_;
    };

    detail::spawned<T>* task_ = nullptr;
};

struct detail::spawn_access {
    /// Makes `t` a task of its own that belongs to `h`.
    template <class T>
    static join_handle<T> spawn(home& h, task<T>& t, std::string_view name) {
        spawned<T>& record = name.empty() ? *new spawned<T>(h, t) : make_named(h, t, name);
        h.adopt(record);
        return join_handle<T>(record);
    }

private:
    template <class T>
    [[gnu::noinline]] static spawned<T>& make_named(home& h, task<T>& t, std::string_view name) {
        auto label = named<T>::copy_of(name);
        return *new named<T>(h, t, std::move(label));
    }
};

}  // namespace rondo::inline RONDO_ABI
