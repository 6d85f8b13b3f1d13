// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// What a task says of that which it cannot await.

#include <rondo/base/misuse.hpp>
#include <rondo/core/awaitable.hpp>

#include <type_traits>

namespace rondo::inline RONDO_ABI::detail {

template <class A>
concept time_length = requires(A& a) {
    typename std::remove_cvref_t<A>::period;
    a.count();
};
template <class A>
concept time_instant = requires(A& a) { a.time_since_epoch(); };
template <class A>
concept blocking_future = requires(A& a) {
    a.valid();
    a.get();
    a.wait();
};
template <class A>
concept several_tasks = requires(A& a) {
    { *a.begin() } -> task_like;
};
template <class A>
concept several_awaitables = requires(A& a) { requires awaitable<decltype(*a.begin())>; };

template <class A>
void explain_await() {
    if constexpr (calls_for_a_call<A>)
        static_assert(never<A>, "rondo: a function is called first: co_await f(), with parentheses");
    else if constexpr (time_length<A>)
        static_assert(never<A>, "rondo: a length of time is not awaited: co_await rondo::sleep(it)");
    else if constexpr (time_instant<A>)
        static_assert(never<A>, "rondo: a point in time is not awaited: co_await rondo::sleep_until(it)");
    else if constexpr (several_tasks<A>)
        static_assert(never<A>,
                      "rondo: several tasks are awaited together: co_await rondo::when_all(std::move(tasks))");
    else if constexpr (several_awaitables<A>)
        static_assert(never<A>, "rondo: a container is not awaited: for (auto& each : it) co_await each");
    else if constexpr (blocking_future<A>)
        static_assert(never<A>, "rondo: a future can only block: co_await rondo::to_thread([&] { return it.get(); })");
    else if constexpr (requires(A& a) { a.next(); })
        static_assert(never<A>, "rondo: what it gives is awaited: co_await it.next()");
    else if constexpr (
        requires(A& a) {
            a.pop();
            a.push;
        } ||
        requires(A& a) {
            a.pop();
            a.close();
        })
        static_assert(never<A>, "rondo: a queue is not awaited: co_await q.pop(), or co_await q.push(v)");
    else if constexpr (requires(A& a) { a.receive(); })
        static_assert(never<A>, "rondo: a queue is not awaited: co_await q.receive(), or co_await q.push(v)");
    else if constexpr (requires(A& a) { a.scoped_lock(); })
        static_assert(never<A>, "rondo: a mutex is not awaited: auto guard = co_await m.scoped_lock()");
    else if constexpr (requires(A& a) { a.scoped_acquire(); })
        static_assert(never<A>, "rondo: a semaphore is not awaited: auto permit = co_await s.scoped_acquire()");
    else if constexpr (requires(A& a) { a.arrive_and_wait(); })
        static_assert(never<A>, "rondo: this is not awaited: co_await it.arrive_and_wait()");
    else if constexpr (requires(A& a) { a.wait(); })
        static_assert(never<A>, "rondo: this is not awaited: co_await it.wait()");
    else if constexpr (requires(A& a) {
                           *a;
                           requires task_like<decltype(*a)>;
                       })
        static_assert(never<A>, "rondo: a pointer to a task is not awaited: co_await std::move(*it)");
    else
        static_assert(never<A>,
                      "rondo: this cannot be awaited: it is neither a task nor an awaiter; what an ordinary function "
                      "returns is there already: leave co_await out");
}

}  // namespace rondo::inline RONDO_ABI::detail
