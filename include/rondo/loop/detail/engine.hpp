// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// What is behind event_loop: the roots of all tasks, and the ways in which a run ends.

#include <rondo/base/misuse.hpp>
#include <rondo/loop/detail/report.hpp>
#include <rondo/loop/detail/root.hpp>
#include <rondo/loop/detail/rounds.hpp>
#include <rondo/loop/driver.hpp>

#include <cstddef>
#include <exception>
#include <memory>
#include <optional>
#include <source_location>
#include <stdexcept>
#include <string>
#include <utility>

namespace rondo::inline RONDO_ABI {

class event_loop;

namespace detail {

class engine final : public rounds, public home {
public:
    engine(event_loop& face, std::unique_ptr<driver> d)
        : rounds(std::move(d)), home(static_cast<scheduler&>(*this)), face_(&face) {}
    ~engine() {
        closed_for_good_ = true;
        finish();
        refuse_letters();
        finish();  // what the destructors of posted functions have spawned
    }

    event_loop& face() const noexcept { return *face_; }

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
    result_of_drive drive(root* main, bool alone, const std::source_location& where) {
        enter(where);
        const visit here(*this);
        scope current(*this);
        const mailbox::looking looks(box());
        const main_scope running(main_, main);
        const bool ends_all = alone || main == nullptr;
        winding_down down(*this);
        result_of_drive r;
        while (!has_ended(main, r.how)) {
            if (r.how == ending::done && box().take_stop()) r.how = ending::stopped;
            note_failure(r);
            if (r.how != ending::done) {
                if (main == nullptr && r.how != ending::stopped) break;
                if (ends_all) down.cancel_tasks();
                if (main != nullptr && (!alone || tasks_.empty())) main->cancel();
                if (has_ended(main, r.how)) break;
            }
            if (r.how == ending::done)
                rounds_while_ready();
            else
                round();
            if (!is_idle() || has_failures() || (r.how == ending::done && box().is_stopped())) continue;
            if (has_ended(main, r.how)) break;
            if (can_wait()) {
                wait();
            } else if (r.how == ending::done) {
                r.how = ending::deadlocked;
                r.report = report_deadlock();
            } else {
                if (ends_all) raze_all();
                if (main != nullptr && (!alone || tasks_.empty())) raze_main(*main);
            }
        }
        if (main == nullptr) box().take_stop();  // it has stopped, though there was nothing left to cancel
        tell_handler();
        note_failure(r);
        return r;
    }

    std::size_t poll(const std::source_location& where) {
        enter(where);
        std::size_t steps = 0;
        {
            const visit here(*this);
            scope current(*this);
            const mailbox::looking looks(box());
            steps = round();
        }
        if (std::exception_ptr failure = take_failure()) rethrow(std::move(failure));
        return steps;
    }

    std::optional<time_point> next_deadline() const noexcept {
        if (!is_idle()) return now();
        return earliest_timer();
    }

    frame* parent() noexcept override { return nullptr; }
    frame* is_over(root& r, home::ending how) noexcept override {
        if (&r == main_)
            leave_round();
        else if (how == home::ending::with_failure && r.has_handle())
            kept_failures_.push_back(r);
        return nullptr;
    }

    /// All tasks, and what each waits for.
    std::string report_tasks() {
        const scope current(*this);
        reporter r(*this, now(), main_, tasks_);
        r.say("rondo: " + std::to_string(r.tasks()) + " tasks, " + std::to_string(timers().size()) + " timers\n");
        r.tell_all();
        return r.take();
    }

    bool close() noexcept {
        closed_ = closed_for_good_ = true;
        cancel_all();
        if (main_ != nullptr) main_->cancel();
        return tasks_.empty() && (main_ == nullptr || main_->top() == nullptr);
    }

    /// Cancels all tasks and runs until they have ended; what nothing can resume is destroyed. Returns the first exception that nobody took.
    std::exception_ptr finish() noexcept {
        const visit here(*this);
        scope current(*this);
        const mailbox::looking looks(box());
        winding_down down(*this);
        closed_ = true;
        std::exception_ptr first;
        finish_tasks(down, first);
        // Destructors and handlers may post, spawn, and drop handles, on the way.
        while (!kept_failures_.empty() || drop_ready() || !tasks_.empty()) {
            while (!kept_failures_.empty()) kept_failures_.pop_front().loop_ends();
            keep_first_failure(first);
            finish_tasks(down, first);
        }
        return first;
    }

private:
    class winding_down;

    void finish_tasks(winding_down& down, std::exception_ptr& first) noexcept {
        while (!tasks_.empty()) {
            down.cancel_tasks();
            round();
            keep_first_failure(first);
            if (!is_idle()) continue;
            if (outstanding != 0 || earliest_timer())
                wait();
            else
                raze_all();
        }
    }

    class main_scope {
    public:
        main_scope(root*& place, root* main) noexcept : place_(place) { place_ = main; }
        main_scope(const main_scope&) = delete;
        main_scope& operator=(const main_scope&) = delete;
        ~main_scope() { place_ = nullptr; }

    private:
        root*& place_;
    };

    /// A failure ends a run that has no other end yet; later ones are dropped.
    void note_failure(result_of_drive& r) noexcept {
        std::exception_ptr failure = take_failure();
        if (!failure || r.how != ending::done) return;
        r.how = ending::failed;
        r.error = std::move(failure);
    }
    void keep_first_failure(std::exception_ptr& first) noexcept {
        std::exception_ptr failure = take_failure();
        if (!first) first = std::move(failure);
    }

    static void enter(const std::source_location& where) {
        if (scheduler::current() != nullptr)
            raise_at<std::logic_error>(where,
                                       "rondo: run or poll inside a running loop: co_await the task, or spawn it");
    }

    bool has_ended(root* main, ending how) const noexcept {
        if (main != nullptr) return main->top() == nullptr;
        return tasks_.empty() && (how == ending::stopped || (is_idle() && !can_wait()));
    }

    std::string report_deadlock() {
        reporter r(*this, now(), main_, tasks_);
        r.say(
            "rondo: deadlock: nothing is ready, no timer is set, and nothing outside is under way. These tasks "
            "wait:\n");
        r.tell_all();
        if (!kept_failures_.empty()) r.say("These have failed, and nobody has joined them:\n");
        for (root* f = kept_failures_.next(nullptr); f != nullptr; f = kept_failures_.next(f)) r.tell_failure(*f);
        return r.take();
    }

    /// Whether a cancelled task still has something to end.
    bool has_cancelled() noexcept {
        if (main_ != nullptr && main_->top() != nullptr && main_->top()->is_cancelled()) return true;
        for (root* r = tasks_.next(nullptr); r != nullptr; r = tasks_.next(r))
            if (r->top()->is_cancelled()) return true;
        return false;
    }

    /// While it lives, the loop is closed, and its tasks are to end.
    class winding_down {
    public:
        explicit winding_down(engine& e) noexcept : engine_(e) {}
        winding_down(const winding_down&) = delete;
        winding_down& operator=(const winding_down&) = delete;
        ~winding_down() { engine_.closed_ = engine_.closed_for_good_; }

        /// Cancels all; called again, only when all that has ended: what is there until then, a cleanup may have spawned.
        void cancel_tasks() noexcept {
            engine_.closed_ = true;
            if (std::exchange(has_begun_, true) && engine_.has_cancelled()) return;
            engine_.cancel_all();
        }

    private:
        engine& engine_;
        bool has_begun_ = false;
    };

    // For what nothing can resume any more. What has not been cancelled yet is cancelled before: that may be enough.

    void raze_all() noexcept {
        cancel_all();
        if (is_idle()) for_all([](root& r) { raze(r, mercy::for_cleanups); });
    }
    void raze_main(root& main) noexcept {
        main.cancel();
        if (main.top() != nullptr && is_idle()) raze(main, mercy::for_cleanups);
    }

    event_loop* face_;
    bool closed_for_good_ = false;        // by close()
    root* main_ = nullptr;                // of the drive that is on
    intrusive_list<root> kept_failures_;  // what has ended with an exception that a handle may still ask for
};

}  // namespace detail
}  // namespace rondo::inline RONDO_ABI
