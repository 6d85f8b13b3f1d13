// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// Waiting, in the middle of what a mutex protects, until others have changed it: asyncio.Condition.

#include <rondo/base/misuse.hpp>
#include <rondo/core/task.hpp>
#include <rondo/loop/detail/alarm.hpp>
#include <rondo/loop/detail/saturate.hpp>
#include <rondo/loop/event_loop.hpp>
#include <rondo/sync/mutex.hpp>

#include <chrono>
#include <concepts>
#include <stdexcept>
#include <utility>

namespace rondo::inline RONDO_ABI {

/// Those who wait give their mutex up meanwhile, and have it back when they resume. First in, first out.
///
///     auto guard = co_await m.scoped_lock();
///     co_await changed.wait(guard, [&] { return !jobs.empty(); });
///
/// There are no spurious wake-ups, but between a notification and the resumption of the one who gets it others may have had the mutex:
/// wait with a predicate.
/// Belongs to no loop. Destroying it under waiters detaches them: they never resume, and unwind when cancelled; who has been notified goes
/// on. The mutex outlives the waits.
/// Cost: no allocation but a frame for the forms with a predicate; O(1) operations, O(n) for notify_all. Thread: the loop's.
class condition_variable {
public:
    condition_variable() noexcept = default;
    condition_variable(const condition_variable&) = delete;
    condition_variable& operator=(const condition_variable&) = delete;
    ~condition_variable() {
        while (!notified_.empty()) notified_.pop_front().origin = nullptr;
    }

    /// `co_await cv.wait(guard)`: unlocks the guard, waits for a notification, and locks it again.
    /// Suspends: always.
    /// Resumes:  on a later step, when it has been notified and its turn at the mutex has come.
    /// Cancel:   leaves the guard without the mutex. A notification by notify_one that it had got passes on to the next.
    /// Throws:   std::logic_error if the guard does not hold its mutex.
    [[nodiscard("co_await it")]] auto wait(mutex::guard& guard) noexcept {
        return waiting<wait_awaiter>(*this, guard, time_point());
    }

    /// The same until `predicate()` is true, which is asked first, and after each notification, with the mutex held.
    /// Throws: what the predicate throws.
    template <class Predicate>
    [[nodiscard("co_await it")]] task<> wait(mutex::guard& guard, Predicate predicate) {
        using one_wait = decltype(wait(guard));
        require_lock(guard);
        if (predicate()) co_return co_await detail::unseen<breath>(breath());
        do co_await detail::unseen<one_wait>(wait(guard));
        while (!predicate());
    }

    /// `co_await cv.wait_for(guard, 1s, predicate)`: the same, for so long at most: what the predicate says at the end. Returns with the
    /// mutex in any case, which may take longer.
    /// Throws: also std::invalid_argument for a length that is not a number; std::bad_alloc.
    template <class Rep, class Period, class Predicate>
    [[nodiscard("co_await it")]] task<bool> wait_for(mutex::guard& guard, std::chrono::duration<Rep, Period> length,
                                                     Predicate predicate) {
        return wait_at_most<Predicate>(guard, detail::saturate(length), std::move(predicate));
    }

    template <class Other, class... More>
        requires(!std::same_as<Other, mutex::guard&>)
    auto wait(Other&&, More&&...) {
        static_assert(detail::never<Other>,
                      "rondo: a wait takes the guard that holds the mutex: auto guard = co_await m.scoped_lock(); "
                      "co_await cv.wait(guard, predicate)");
        return detail::anything();
    }
    template <class Rep, class Period>
    auto wait_for(mutex::guard&, std::chrono::duration<Rep, Period>) {
        static_assert(detail::never<Rep>,
                      "rondo: wait_for needs a predicate: co_await cv.wait_for(guard, 1s, predicate)");
        return detail::anything();
    }

    /// Wakes the one that has waited longest, if there is one.
    void notify_one() noexcept {
        if (!waiters_.empty()) static_cast<wait_awaiter&>(waiters_.front()).notify(true);
    }
    /// Wakes all that wait now.
    void notify_all() noexcept {
        while (!waiters_.empty()) static_cast<wait_awaiter&>(waiters_.front()).notify(false);
    }

private:
    static void require_lock(const mutex::guard& guard) {
        if (!guard.owns_lock())
            detail::raise<std::logic_error>("rondo: wait on a condition_variable with a guard that holds nothing");
    }

    /// For a wait that does not have to: lets others go first after a bounded number of operations in one step.
    class breath {
    public:
        breath() noexcept {}
        breath(const breath&) = delete;
        breath& operator=(const breath&) = delete;

        bool await_ready() const noexcept { return detail::scheduler::current()->spend(); }
        void await_suspend(detail::waker w) const noexcept { w.put_off(); }
        void await_resume() const noexcept {}
        bool await_cancel() const noexcept { return true; }
        detail::wait_info await_describe() const noexcept {
            return detail::wait_info("condition_variable::wait", nullptr);
        }
    };

    /// A notification on its way to who resumes with it.
    class notification : public detail::list_node {
    public:
        condition_variable* origin = nullptr;
    };

    class wait_awaiter : public detail::waiter, private notification {
    public:
        wait_awaiter(condition_variable& cv, mutex::guard& guard, time_point) noexcept : cv_(&cv), guard_(&guard) {}
        wait_awaiter(const wait_awaiter&) = delete;
        wait_awaiter& operator=(const wait_awaiter&) = delete;

        bool await_ready() const noexcept { return false; }
        void await_suspend(detail::waker w) {
            require_lock(*guard_);
            mutex_ = guard_->mutex_;
            cv_->waiters_.add(*this, w);
            guard_->release();
        }
        void await_resume() noexcept {
            leave();
            if (notification::is_linked()) notification::unlink();
            guard_->regain();
            mutex_->holder_ = detail::running_task();
        }
        bool await_cancel() noexcept {
            if (!is_detached() && leave()) mutex_->give(1);
            if (!notification::is_linked()) return true;
            notification::unlink();
            if (origin != nullptr) origin->notify_one();
            return true;
        }
        detail::wait_info await_describe() const noexcept {
            if (is_detached())
                return detail::wait_info("condition_variable::wait (it, or the mutex, is gone)", nullptr);
            if (is_notified_) {
                detail::wait_info info("condition_variable::wait (for the mutex)", mutex_);
                info.held = mutex_;
                return info;
            }
            return detail::wait_info("condition_variable::wait", cv_);
        }

        /// The first one of the waiters. `alone`: the notification is to reach somebody.
        void notify(bool alone) noexcept {
            is_notified_ = true;
            if (alone) {
                origin = cv_;
                cv_->notified_.push_back(*this);
            }
            mutex_->admit(*this);
        }

    protected:
        bool is_notified() const noexcept { return is_notified_; }

        /// Goes on without a notification.
        void give_up() noexcept {
            is_notified_ = true;
            mutex_->admit(*this);
        }

    private:
        condition_variable* cv_;
        mutex::guard* guard_;
        mutex* mutex_ = nullptr;
        bool is_notified_ = false;
    };

    class timed_awaiter : public wait_awaiter {
    public:
        timed_awaiter(condition_variable& cv, mutex::guard& guard, time_point deadline) noexcept
            : wait_awaiter(cv, guard, deadline), deadline_(deadline), alarm_(*this) {}

        void await_suspend(detail::waker w) {
            loop_ = &w.loop();
            alarm_.set(*loop_, deadline_);
            wait_awaiter::await_suspend(w);
        }
        /// Whether it was notified in time.
        bool await_resume() noexcept {
            wait_awaiter::await_resume();
            return !time_is_up_;
        }
        detail::wait_info await_describe() const noexcept {
            detail::wait_info info = wait_awaiter::await_describe();
            if (!is_notified() && !is_detached()) info.due = alarm_.due();
            return info;
        }

    private:
        class time_up final : public detail::alarm {
        public:
            explicit time_up(timed_awaiter& a) noexcept : awaiter_(&a) {}
            void woken() noexcept override {
                if (awaiter_->is_notified() || awaiter_->is_detached()) return;
                if (++turns_ <= 2) return call_again(awaiter_->loop());  // what is due at the same instant goes first
                awaiter_->time_is_up_ = true;
                awaiter_->give_up();
            }

        private:
            timed_awaiter* awaiter_;
            int turns_ = 0;
        };

        detail::scheduler& loop() const noexcept { return *loop_; }

        time_point deadline_;
        detail::scheduler* loop_ = nullptr;
        bool time_is_up_ = false;
        time_up alarm_;
    };

    template <class Awaiter>
    class waiting {
    public:
        waiting(condition_variable& cv, mutex::guard& guard, time_point deadline) noexcept
            : cv_(&cv), guard_(&guard), deadline_(deadline) {}
        auto operator co_await() const noexcept { return Awaiter(*cv_, *guard_, deadline_); }

    private:
        condition_variable* cv_;
        mutex::guard* guard_;
        time_point deadline_;
    };

    template <class Predicate>
    task<bool> wait_at_most(mutex::guard& guard, duration length, Predicate predicate) {
        bool has_time = length > duration::zero();
        const time_point deadline = detail::later(event_loop::current().now(), length);
        using one_wait = waiting<timed_awaiter>;
        require_lock(guard);
        bool is_true = predicate();
        if (is_true || !has_time) co_await detail::unseen<breath>(breath());
        while (!is_true && has_time) {
            has_time = co_await detail::unseen<one_wait>(one_wait(*this, guard, deadline));
            is_true = predicate();
        }
        co_return is_true;
    }

    detail::wait_list waiters_;
    detail::intrusive_list<notification> notified_;  // by notify_one, and not resumed yet
};

}  // namespace rondo::inline RONDO_ABI
