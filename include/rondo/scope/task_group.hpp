// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// A scope for tasks whose number is not known beforehand: asyncio's TaskGroup, Trio's nursery. The scope is left when all of them
// have ended.

#include <rondo/core/task.hpp>
#include <rondo/loop/detail/main_task.hpp>
#include <rondo/loop/join_handle.hpp>
#include <rondo/scope/detail/group.hpp>
#include <rondo/scope/detail/holders.hpp>

#include <cstddef>
#include <string_view>
#include <type_traits>
#include <utility>

namespace rondo::inline RONDO_ABI {

/// Where tasks are spawned that the caller of with_task_group waits for. Given to the body, which may pass it on to
/// the tasks: they may spawn more, also when the body has ended.
/// Lifetime: until the last of its tasks has ended. Thread: the loop's.
class task_group {
public:
    task_group(const task_group&) = delete;
    task_group& operator=(const task_group&) = delete;

    /// Starts `t` on the next round, as a child of the group. If it fails, the group fails, also when somebody joins it.
    /// The handle can be awaited, cancelled (which is no failure) or dropped. `name` is copied.
    /// In a group that has failed, or was cancelled, `t` is destroyed unstarted, and its handle cancelled; but a cleanup of
    /// the group's that still runs may spawn.
    /// Throws: std::logic_error for an empty task; std::bad_alloc.
    /// Cost:   one allocation, recycled; one more for a name.
    template <class T>
    join_handle<T> spawn(task<T>&& t, std::string_view name = {}) {
        return detail::spawn_access::spawn(*group_, t, name);
    }

    /// The same for the task that `f(args...)` returns; `f` and `args` are copied or moved into the task's frame
    /// (std::ref(x) passes a reference).
    template <class F, class... Args>
        requires detail::makes_task<F, Args...>
    auto spawn(F f, Args... args) {
        return spawn(detail::call_in_frame(std::move(f), std::move(args)...));
    }
    template <class F, class... Args>
        requires detail::makes_no_task<F, Args...>
    auto spawn(F&&, Args&&...) {
        return detail::explain_spawn<F>();
    }

    /// Cancels the children, not the body, and closes the group to new ones.
    void cancel() noexcept { group_->close(); }

    /// The children that have not ended; the body does not count.
    std::size_t size() const noexcept { return group_->size(); }

private:
    template <class F, class Face>
    friend class detail::group_wait;
    explicit task_group(detail::group& g) noexcept : group_(&g) {}

    detail::group* group_;
};

/// `co_await with_task_group(body)`: calls `body(group)`, which gives a task, runs that task, and gives its result when it, and all that was
/// spawned on the group, has ended.
///
///     co_await with_task_group([&](task_group& group) -> task<> {
///         while (auto client = co_await accept()) group.spawn(serve(std::move(*client)));
///     });
///
/// Suspends: unless the body ends without waiting, having spawned nothing.
/// Resumes:  in the step in which the last one ends; on a later step when that one was cancelled.
/// Cancel:   cancels body and children, and waits for those that cannot be withdrawn.
/// Throws:   the first exception of body or children, after the others were cancelled and have ended; later ones go to
///           on_unhandled_exception. std::bad_alloc for the body's frame.
/// Lifetime: the callable is kept until the end, so that a lambda with captures is safe (g++ 11 and 12: give one that captures
///           by value a name before the co_await); children may refer to the caller's locals, but not to the body's, which may
///           end before them.
/// Cost:     no allocation but the frames.
template <class Body>
[[nodiscard("co_await it")]] auto with_task_group(Body&& body) {
    using kept = std::decay_t<Body>;
    static_assert(
        requires(kept& f, task_group& g) {
            { f(g) } -> detail::task_like;
        }, "rondo: with_task_group takes a callable that returns a task: [&](task_group& group) -> task<> { ... }");
    return detail::combining<detail::group_wait<kept, task_group>, kept>(std::in_place, std::forward<Body>(body));
}

}  // namespace rondo::inline RONDO_ABI
