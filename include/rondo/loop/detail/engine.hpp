// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// What is behind event_loop: rounds of steps, timers, the roots of all tasks, and the ways in which a run ends.

#include <rondo/base/timer_heap.hpp>
#include <rondo/core/detail/scheduler.hpp>
#include <rondo/loop/detail/call.hpp>
#include <rondo/loop/detail/mailbox.hpp>
#include <rondo/loop/detail/report.hpp>
#include <rondo/loop/detail/root.hpp>
#include <rondo/loop/detail/timer.hpp>
#include <rondo/loop/driver.hpp>

#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace rondo::inline RONDO_ABI {

class event_loop;

namespace detail {

class error_handler {
public:
    virtual ~error_handler() = default;
    virtual void operator()(std::exception_ptr error) = 0;
};

class engine final : public scheduler {
public:
    engine(event_loop& face, std::unique_ptr<driver> d) : face_(&face), driver_(std::move(d)) {
        if (driver_ == nullptr) raise<std::invalid_argument>("rondo: event_loop needs a driver");
        box_ = new mailbox(*this, *driver_);
    }

    ~engine() {
        finish();
        box_->close();
        for (mail* m = box_->collect(); m != nullptr;) std::exchange(m, m->next_mail)->bounce();
        box_->release();
    }

    event_loop& face() const noexcept { return *face_; }
    mailbox& box() const noexcept { return *box_; }
    time_point now() const noexcept { return driver_->now(); }
    timer_heap<time_point>& timers() noexcept { return timers_; }
    void set_handler(std::unique_ptr<error_handler> h) noexcept { handler_ = std::move(h); }

    /// Why a drive came back. `error` or `report` say more where it failed or is deadlocked.
    enum class ending { done, stopped, failed, deadlocked };
    struct result_of_drive {
        result_of_drive() noexcept {}
        ending how = ending::done;
        std::exception_ptr error;
        std::string report;
    };

    /// Runs until `main` has ended; for null, until nothing is left. `alone`: the loop ends with `main`, so where
    /// that is cancelled, spawned tasks, which may refer to its locals, are cancelled and ended before.
    result_of_drive drive(root* main, bool alone) {
        enter();
        scope current(*this);
        main_ = main;
        result_of_drive r;
        while (!has_ended(main, r.how)) {
            if (r.how == ending::done && box_->take_stop()) r.how = ending::stopped;
            if (std::exception_ptr failure = take_failure(); failure && r.how == ending::done) {
                r.how = ending::failed;
                r.error = std::move(failure);
            }
            if (r.how != ending::done) {
                if (main == nullptr && r.how != ending::stopped) break;
                abandon(main, alone);
                if (has_ended(main, r.how)) break;
            }
            if (outstanding != 0 && !ready_.empty()) driver_->wait(now());  // a look, so that I/O is not starved
            round(main);
            if (!is_idle() || !failures_.empty() || (r.how == ending::done && box_->is_stopped())) continue;
            if (has_ended(main, r.how)) break;
            if (can_wait()) {
                wait();
            } else if (r.how == ending::done) {
                r.how = ending::deadlocked;
                r.report = report_deadlock(main, tasks_, kept_failures_);
            } else {
                if (alone || main == nullptr) raze_all();
                if (main != nullptr) raze(*main);
            }
        }
        main_ = nullptr;
        if (main == nullptr) box_->take_stop();  // it has stopped, though there was nothing left to cancel
        tell_handler();
        if (std::exception_ptr failure = take_failure(); failure && r.how == ending::done) {
            r.how = ending::failed;
            r.error = std::move(failure);
        }
        return r;
    }

    std::size_t poll() {
        enter();
        std::size_t steps = 0;
        {
            scope current(*this);
            if (outstanding != 0) driver_->wait(now());
            steps = round(nullptr);
        }
        if (std::exception_ptr failure = take_failure()) rethrow(std::move(failure));
        return steps;
    }

    std::optional<time_point> next_deadline() const noexcept {
        if (!is_idle()) return now();
        if (timers_.empty()) return std::nullopt;
        return timers_.next_deadline();
    }

    /// Takes a new root in, whose first step comes with the next round.
    void adopt(root& r) noexcept {
        tasks_.push_back(r);
        make_ready_to_start(*r.top());
        if (closing_) r.cancel();
    }

    /// `r` has ended with an exception that its handle can still deliver.
    void keep_failure(root& r) noexcept { kept_failures_.push_back(r); }

    bool close() noexcept {
        closing_ = true;
        cancel_all();
        if (main_ != nullptr) main_->cancel();
        return tasks_.empty() && (main_ == nullptr || main_->top() == nullptr);
    }

    /// Cancels all tasks and runs until they have ended; what nothing can resume is destroyed. Returns the first exception that nobody took.
    std::exception_ptr finish() noexcept {
        scope current(*this);
        closing_ = true;
        std::exception_ptr first;
        while (!tasks_.empty()) {
            if (!is_unwinding()) cancel_all();
            round(nullptr);
            if (std::exception_ptr failure = take_failure(); failure && !first) first = std::move(failure);
            if (!is_idle()) continue;
            if (outstanding != 0 || !timers_.empty())
                wait();
            else
                raze_all();
        }
        // Destructors and handlers may post, and drop handles, on the way.
        while (!kept_failures_.empty() || !ready_.empty() || !unreported_.empty()) {
            while (!kept_failures_.empty()) kept_failures_.pop_front().loop_ends();
            while (!ready_.empty()) drop(ready_.pop_front());
            tell_handler();
            if (std::exception_ptr failure = take_failure(); failure && !first) first = std::move(failure);
        }
        return first;
    }

    std::exception_ptr take_failure() noexcept {
        if (failures_.empty()) return nullptr;
        const std::exception_ptr first = failures_.front();
        failures_.clear();
        return first;
    }

    void report(std::exception_ptr error) noexcept override {
        unreported_.push_back(std::move(error));
        attention_ = true;
        notify_if_outside();
    }
    void send(mail& m) noexcept override { box_->send(m); }

private:
    /// What was posted before comes first.
    void notify() noexcept override {
        collect_letters();
        driver_->wake();
    }
    void collect_letters() noexcept {
        for (mail* m = box_->collect(); m != nullptr;) std::exchange(m, m->next_mail)->arrive(*this);
    }

    void enter() const {
        if (scheduler::current() != nullptr)
            raise<std::logic_error>("rondo: run or poll inside a running loop: co_await the task, or spawn it");
    }

    bool has_ended(root* main, ending how) const noexcept {
        if (main != nullptr) return main->top() == nullptr;
        return tasks_.empty() && (how == ending::stopped || (is_idle() && !can_wait()));
    }

    /// Cancels what a run was for: `main`; without one, or before it where the loop ends with it, all tasks.
    void abandon(root* main, bool alone) noexcept {
        if (alone || main == nullptr) {
            const bool was_closing = std::exchange(closing_, true);
            cancel_all();
            closing_ = was_closing;
            if (!tasks_.empty()) return;
        }
        if (main != nullptr) main->cancel();
    }

    /// One round. Left early when `main` has ended, or somebody must be told of a failure.
    std::size_t round(root* main) {
        collect_letters();
        fire_timers();
        if (attention_) attend();
        batch_.splice_back(ready_);
        std::size_t steps = 0;
        while (!batch_.empty()) {
            take(batch_.pop_front());
            ++steps;
            if (attention_) [[unlikely]] {
                attend();
                if (!failures_.empty() || (main != nullptr && main->top() == nullptr)) break;
            }
        }
        if (!batch_.empty()) {
            batch_.splice_back(ready_);
            ready_.splice_back(batch_);
        }
        return steps;
    }

    /// The one place where anything is resumed.
    void take(step& s) noexcept {
        budget_ = budget_of_a_step;
        if (s.turn() == step::kind::resume) [[likely]]
            run(&static_cast<frame&>(s));
        else if (s.turn() == step::kind::unwind)
            unwind_up(&static_cast<frame&>(s));
        else if (s.turn() == step::kind::operand)
            static_cast<operand&>(s).woken();
        else
            answer(static_cast<call&>(s));
    }

    void answer(call& c) noexcept {
        const std::unique_ptr<call> guard(&c);
        guarded([&] { c(); }, [&](std::exception_ptr error) { report(std::move(error)); });
    }

    void drop(step& s) noexcept {
        if (s.turn() == step::kind::call) delete &static_cast<call&>(s);
    }

    /// After a step that asked for it: cancellations that were put off, failures.
    void attend() noexcept {
        attention_ = false;
        while (pending_ != nullptr) {
            branch& b = *pending_;
            forget(b);
            b.cancel(*this);
        }
        tell_handler();
    }

    void tell_handler() noexcept {
        while (!unreported_.empty()) {
            std::vector<std::exception_ptr> errors = std::exchange(unreported_, {});
            for (std::exception_ptr& error : errors) {
                if (handler_ == nullptr) {
                    failures_.push_back(std::move(error));
                    continue;
                }
                std::unique_ptr<error_handler> running = std::move(handler_);  // it may put another in its place
                guarded([&] { (*running)(std::move(error)); },
                        [&](std::exception_ptr thrown) { failures_.push_back(std::move(thrown)); });
                if (handler_ == nullptr) handler_ = std::move(running);
            }
        }
    }

    void fire_timers() noexcept {
        if (timers_.empty()) return;
        const time_point present = now();
        while (!timers_.empty() && timers_.next_deadline() <= present) static_cast<timer&>(timers_.pop()).fire();
    }

    void wait() { driver_->wait(timers_.empty() ? std::nullopt : std::optional<time_point>(timers_.next_deadline())); }

    /// Whether something may come that an idle loop should wait for.
    bool can_wait() const noexcept { return outstanding != 0 || !timers_.empty() || box_->is_held(); }

    bool is_idle() const noexcept { return ready_.empty() && !box_->has_letters() && !attention_; }

    /// Whether a cancelled task still has something to end.
    bool is_unwinding() noexcept {
        for (root* r = tasks_.next(nullptr); r != nullptr; r = tasks_.next(r))
            if (r->top()->is_unwinding()) return true;
        return false;
    }

    void cancel_all() noexcept {
        intrusive_list<root> doomed;
        doomed.splice_back(tasks_);
        while (!doomed.empty()) {
            root& r = doomed.pop_front();
            tasks_.push_back(r);
            r.cancel();
        }
    }

    void raze_all() noexcept {
        while (!tasks_.empty()) raze(tasks_.front());
    }

    event_loop* face_;
    std::unique_ptr<driver> driver_;
    mailbox* box_;
    timer_heap<time_point> timers_;
    root* main_ = nullptr;                // of the drive that is on
    intrusive_list<root> tasks_;          // what spawn was given and has not ended
    intrusive_list<root> kept_failures_;  // what has ended with an exception that a handle may still ask for
    intrusive_list<step> batch_;          // the rest of the running round
    std::vector<std::exception_ptr> unreported_;
    std::vector<std::exception_ptr> failures_;  // what no handler took: run and poll throw the first
    std::unique_ptr<error_handler> handler_;
    bool closing_ = false;
};

inline void timer::withdraw() noexcept {
    if (set_) static_cast<engine&>(waker_.loop()).timers().remove(*this);
    set_ = false;
}

}  // namespace detail
}  // namespace rondo::inline RONDO_ABI
