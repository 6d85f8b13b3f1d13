// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// What is behind event_loop: the roots of all tasks, and the ways in which a run ends.

#include <rondo/loop/detail/report.hpp>
#include <rondo/loop/detail/root.hpp>
#include <rondo/loop/detail/rounds.hpp>
#include <rondo/loop/driver.hpp>

#include <cstddef>
#include <exception>
#include <memory>
#include <optional>
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
    ~engine() { finish(); }

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
    result_of_drive drive(root* main, bool alone) {
        enter();
        scope current(*this);
        const main_scope running(main_, main);
        result_of_drive r;
        while (!has_ended(main, r.how)) {
            if (r.how == ending::done && box().take_stop()) r.how = ending::stopped;
            note_failure(r);
            if (r.how != ending::done) {
                if (main == nullptr && r.how != ending::stopped) break;
                abandon(main, alone);
                if (has_ended(main, r.how)) break;
            }
            if (!ready_.empty()) look();
            round();
            if (!is_idle() || has_failures() || (r.how == ending::done && box().is_stopped())) continue;
            if (has_ended(main, r.how)) break;
            if (can_wait()) {
                wait();
            } else if (r.how == ending::done) {
                r.how = ending::deadlocked;
                r.report = report_deadlock(main, tasks_, kept_failures_);
            } else {
                if (alone || main == nullptr) raze_all();
                if (main != nullptr) raze(*main, mercy::for_cleanups);
            }
        }
        if (main == nullptr) box().take_stop();  // it has stopped, though there was nothing left to cancel
        tell_handler();
        note_failure(r);
        return r;
    }

    std::size_t poll() {
        enter();
        std::size_t steps = 0;
        {
            scope current(*this);
            look();
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

    bool close() noexcept {
        closed_ = true;
        cancel_all();
        if (main_ != nullptr) main_->cancel();
        return tasks_.empty() && (main_ == nullptr || main_->top() == nullptr);
    }

    /// Cancels all tasks and runs until they have ended; what nothing can resume is destroyed. Returns the first exception that nobody took.
    std::exception_ptr finish() noexcept {
        scope current(*this);
        closed_ = true;
        std::exception_ptr first;
        while (!tasks_.empty()) {
            if (!has_cancelled()) cancel_all();
            round();
            keep_first_failure(first);
            if (!is_idle()) continue;
            if (outstanding != 0 || earliest_timer())
                wait();
            else
                raze_all();
        }
        // Destructors and handlers may post, and drop handles, on the way.
        while (!kept_failures_.empty() || drop_ready()) {
            while (!kept_failures_.empty()) kept_failures_.pop_front().loop_ends();
            keep_first_failure(first);
        }
        return first;
    }

private:
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
            const bool was_closed = std::exchange(closed_, true);
            cancel_all();
            closed_ = was_closed;
            if (!tasks_.empty()) return;
        }
        if (main != nullptr) main->cancel();
    }

    /// Whether a cancelled task still has something to end.
    bool has_cancelled() noexcept {
        for (root* r = tasks_.next(nullptr); r != nullptr; r = tasks_.next(r))
            if (r->top()->is_cancelled()) return true;
        return false;
    }

    void raze_all() noexcept {
        for_all([](root& r) { raze(r, mercy::for_cleanups); });
    }

    bool cleans_up() noexcept override { return home::cleans_up() || (main_ != nullptr && outlives_cancel(*main_)); }

    event_loop* face_;
    root* main_ = nullptr;                // of the drive that is on
    intrusive_list<root> kept_failures_;  // what has ended with an exception that a handle may still ask for
};

}  // namespace detail
}  // namespace rondo::inline RONDO_ABI
