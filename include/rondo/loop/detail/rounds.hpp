// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// Taking steps: a round of what is ready, with what other threads sent and the timers that are due before it, and the
// telling of failures between steps. Knows nothing of whose steps they are: engine.hpp does.

#include <rondo/base/timer_heap.hpp>
#include <rondo/core/detail/branch.hpp>
#include <rondo/core/detail/scheduler.hpp>
#include <rondo/core/resumer.hpp>
#include <rondo/loop/detail/call.hpp>
#include <rondo/loop/detail/mailbox.hpp>
#include <rondo/loop/detail/timer.hpp>
#include <rondo/loop/detail/watch.hpp>
#include <rondo/loop/driver.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <utility>
#include <vector>

namespace rondo::inline RONDO_ABI::detail {

class error_handler {
public:
    virtual ~error_handler() = default;
    virtual void operator()(std::exception_ptr error) = 0;
};

/// Chooses steps in the loop's place, one by one: for tests.
class steering {
public:
    steering(const steering&) = delete;
    steering& operator=(const steering&) = delete;

    /// Which of `count` ready steps, oldest first, is the next.
    virtual std::size_t choose(std::size_t count) noexcept = 0;

protected:
    steering() noexcept = default;
    ~steering() = default;
};

class rounds : public scheduler {
public:
    /// Puts `s` behind all that is ready, and, where somebody chooses the steps, also behind what that makes ready.
    void make_ready_last(step& s) noexcept {
        if (steering_ == nullptr)
            make_ready(s);
        else
            last_.push_back(s);
    }

    /// From now on `s` chooses, and a round is a single step.
    void steer(steering& s) noexcept {
        steering_ = &s;
        is_followed_ = true;
    }

    /// While it lives the loop is entered: whoever looks on, does.
    class visit {
    public:
        explicit visit(rounds& loop) noexcept : loop_(loop) {
            loop.follow();
            watch::for_each([&](watch& w) { w.enters(loop); });
        }
        visit(const visit&) = delete;
        visit& operator=(const visit&) = delete;
        ~visit() {
            watch::for_each([&](watch& w) { w.leaves(loop_); });
        }

    private:
        rounds& loop_;
    };
    /// Whoever looks on is told of steps from the next round on.
    void follow() noexcept { is_followed_ = steering_ != nullptr || watch::is_any(); }

    mailbox& box() const noexcept { return *box_; }
    time_point now() const noexcept { return driver_->now(); }
    timer_heap<time_point>& timers() noexcept { return timers_; }
    void set_handler(std::unique_ptr<error_handler> h) noexcept { handler_ = std::move(h); }

    /// Ends the round after the running step.
    void leave_round() noexcept { leaves_ = attention_ = true; }

    void report(std::exception_ptr error) noexcept override {
        unreported_.push_back(std::move(error));
        attention_ = true;
        notify_if_outside();
    }
    void watched_ends(branch& b) noexcept override {
        watch::for_each([&](watch& w) { w.ends(*this, b); });
    }
    void send(mail& m) noexcept override { box_->send(m); }

protected:
    explicit rounds(std::unique_ptr<driver> d) : driver_(std::move(d)) {
        if (driver_ == nullptr) raise<std::invalid_argument>("rondo: event_loop needs a driver");
        box_ = new mailbox(*this, *driver_);
        made_at_ = driver_->now();
    }
    ~rounds() { box_->release(); }

    /// The end of what comes from other threads.
    void refuse_letters() noexcept {
        const scope current(*this);
        for (mail* m = box_->close(); m != nullptr;) std::exchange(m, m->next_mail)->bounce();
    }

    /// One round. Left early when a step asks for it, or somebody must be told of a failure. Returns the number of steps.
    std::size_t round() {
        const std::size_t steps = begin_round();
        return steps + take_batch();
    }

    /// Rounds, until nothing is ready or a round was left.
    [[gnu::noinline]] void rounds_while_ready() {
        leaves_ = false;
        do {
            if (!is_undisturbed()) [[unlikely]]
                begin_round();
            else if (!ready_.empty() && ready_.has_one())
                (void)take_and_attend(ready_.pop_front());
            else
                batch_.splice_back(ready_);
            take_batch();
        } while (!ready_.empty() && !leaves_ && !box_->is_stopped());
    }

    /// Drops what is ready, unrun, and tells the handler of failures, until there is neither.
    bool drop_ready() noexcept {
        if (ready_.empty() && unreported_.empty()) return false;
        while (!ready_.empty())
            if (step& s = ready_.pop_front(); s.turn() == step::kind::call) delete &static_cast<call&>(s);
        tell_handler();
        return true;
    }

    /// Whether something may come that an idle loop should wait for.
    bool can_wait() const noexcept { return outstanding != 0 || !timers_.empty() || box_->is_held(); }

    bool is_idle() const noexcept { return ready_.empty() && last_.empty() && !box_->has_letters() && !attention_; }

    /// Lets the driver look for events without waiting, so that they are not starved.
    void look() { driver_->wait(now()); }
    /// Waits for the earliest timer, or until the driver is woken.
    void wait() {
        if (box_->stops_looking()) driver_->wait(earliest_timer());
        box_->looks_again();
        time_passed_ = true;
    }
    std::optional<time_point> earliest_timer() const noexcept {
        if (timers_.empty()) return std::nullopt;
        return timers_.next_deadline();
    }

    bool has_failures() const noexcept { return !failures_.empty(); }
    /// The first failure that no handler took; forgets the others.
    std::exception_ptr take_failure() noexcept {
        if (failures_.empty()) return nullptr;
        const std::exception_ptr first = failures_.front();
        failures_.clear();
        return first;
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

private:
    /// What was posted before comes first. As the current loop, for what arrives must not notify in turn.
    void notify(bool is_news) noexcept override {
        {
            const scope current(*this);
            collect_letters();
        }
        if (is_news) driver_->wake();
    }
    void collect_letters() noexcept {
        for (mail* m = box_->collect(); m != nullptr;) std::exchange(m, m->next_mail)->arrive(*this);
    }

    /// Whether a round consists of what is ready and nothing else.
    bool is_undisturbed() const noexcept {
        return timers_.empty() && !time_passed_ && outstanding == 0 && !box_->has_letters() && !attention_ &&
               !is_followed_;
    }

    /// Returns the number of steps that it has taken already: all, where somebody looks on.
    [[gnu::noinline]] std::size_t begin_round() {
        if (outstanding != 0 && !ready_.empty()) look();
        leaves_ = false;
        collect_letters();
        if (!timers_.empty() || time_passed_) fire_timers();
        if (attention_) attend();
        if (!is_followed_) [[likely]] {
            batch_.splice_back(ready_);
            return 0;
        }
        if (steering_ == nullptr)
            batch_.splice_back(ready_);
        else
            take_chosen();
        return watch::is_any() ? take_watched_batch() : 0;
    }

    std::size_t take_batch() noexcept {
        std::size_t steps = 0;
        while (!batch_.empty()) {
            ++steps;
            if (!take_and_attend(batch_.pop_front())) break;
        }
        return steps;
    }

    /// False: the round is to be left.
    bool take_and_attend(step& s) noexcept {
        take(s);
        return !attention_ || attend_and_go_on();
    }

    [[gnu::noinline]] std::size_t take_watched_batch() noexcept {
        std::size_t steps = 0;
        bool goes_on = true;
        while (goes_on && !batch_.empty()) {
            ++steps;
            step& s = batch_.pop_front();
            watch::for_each([&](watch& w) { w.step_begins(*this, s); });
            frame* const last = go_on(take(s));
            watch::for_each([&](watch& w) { w.step_ends(*this, last); });
            watch::for_each([&](watch& w) { w.step_is_over(*this); });
            goes_on = !attention_ || attend_and_go_on();
        }
        return steps;
    }

    void take_chosen() noexcept {
        std::size_t count = 0;
        for (step* s = ready_.next(nullptr); s != nullptr; s = ready_.next(s)) ++count;
        if (count == 0) return batch_.splice_back(last_);
        step* chosen = ready_.next(nullptr);
        for (std::size_t n = steering_->choose(count); n > 0; --n) chosen = ready_.next(chosen);
        chosen->unlink();
        batch_.push_back(*chosen);
    }

    /// The one place where anything is resumed.
    frame* take(step& s) noexcept {
        begin_step();
        if (s.turn() == step::kind::resume) [[likely]]
            return resume(&static_cast<frame&>(s));
        return take_other(s);
    }
    [[gnu::noinline]] frame* take_other(step& s) noexcept {
        if (s.turn() == step::kind::put_off) return resume_put_off(static_cast<frame&>(s));
        if (s.turn() == step::kind::unwind)
            unwind_up(&static_cast<frame&>(s));
        else if (s.turn() == step::kind::operand)
            static_cast<operand&>(s).woken();
        else
            answer(static_cast<call&>(s));
        return nullptr;
    }

    frame* resume_put_off(frame& f) noexcept {
        f.set_turn(step::kind::resume);
        return resume(&f);
    }

    void answer(call& c) noexcept {
        const std::unique_ptr<call> guard(&c);
        guarded([&] { c(); }, [&](std::exception_ptr error) { report(std::move(error)); });
    }

    /// The rest of a step that asked for it, and what is to be done after it. False: the round is to be left.
    [[gnu::noinline]] bool attend_and_go_on() noexcept {
        go_on();
        attend();
        if (failures_.empty() && !leaves_) return true;
        leaves_ = true;
        batch_.splice_back(ready_);
        ready_.splice_back(batch_);
        return false;
    }

    /// Cancellations that were put off, failures.
    void attend() noexcept {
        attention_ = false;
        while (pending_ != nullptr) {
            branch& b = *pending_;
            forget(b);
            b.cancel_now(*this);
        }
        if (!unreported_.empty()) tell_handler();
    }

    [[gnu::noinline]] void fire_timers() noexcept {
        const time_point present = now();
        ticks_ = static_cast<std::uint32_t>(
            std::chrono::duration_cast<std::chrono::milliseconds>(present - made_at_).count());
        time_passed_ = false;
        while (!timers_.empty() && timers_.next_deadline() <= present) static_cast<timer&>(timers_.pop()).fire(*this);
    }

    std::unique_ptr<driver> driver_;
    mailbox* box_;
    time_point made_at_;
    bool time_passed_ = false;
    timer_heap<time_point> timers_;
    intrusive_list<step> batch_;  // the rest of the running round
    intrusive_list<step> last_;   // where steps are chosen: what is not to be chosen while there is anything else
    bool leaves_ = false;
    bool is_followed_ = false;  // steps are chosen, or somebody looks on
    steering* steering_ = nullptr;
    std::vector<std::exception_ptr> unreported_;
    std::vector<std::exception_ptr> failures_;  // what no handler took: run and poll throw the first
    std::unique_ptr<error_handler> handler_;
};

inline const time_point& timer::deadline() const noexcept {
    return static_cast<rounds*>(scheduler::current())->timers().deadline_of(*this);
}

inline void timer::withdraw() noexcept {
    if (is_set()) static_cast<rounds*>(scheduler::current())->timers().remove(*this);
    who_ = nullptr;
}

}  // namespace rondo::inline RONDO_ABI::detail
