// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// The part of an event loop that tasks see: the ready list and the trampoline. Knows no time, no thread
// but its own, and no driver; event_loop derives from it.

#include <rondo/core/detail/frame.hpp>

#include <cstdint>
#include <exception>
#include <utility>

namespace rondo::inline RONDO_ABI::detail {

class branch;

/// Something that another thread hands to the loop. It stays alive until arrive() was called.
class mail {
public:
    mail() noexcept = default;
    mail(const mail&) = delete;
    mail& operator=(const mail&) = delete;

    /// Called on the loop's thread, between steps.
    virtual void arrive(scheduler& loop) noexcept = 0;
    /// Called instead when the loop is gone.
    virtual void bounce() noexcept {}

    mail* next_mail = nullptr;

protected:
    ~mail() = default;
};

class scheduler {
public:
    scheduler(const scheduler&) = delete;
    scheduler& operator=(const scheduler&) = delete;

    /// The one whose task, or whose task's destructor, is running on this thread; null outside.
    static scheduler* current() noexcept { return current_; }

    /// Makes `scheduler` current for as long as this lives.
    class scope {
    public:
        explicit scope(scheduler& s) noexcept : before_(std::exchange(current_, &s)) {}
        scope(const scope&) = delete;
        scope& operator=(const scope&) = delete;
        ~scope() { current_ = before_; }

    private:
        scheduler* before_;
    };

    /// Puts `s` behind all that is ready.
    void make_ready(step& s) noexcept {
        if (current_ == this) [[likely]]
            make_ready_here(s);
        else
            make_ready_outside(s);
    }
    /// For a frame that has yet to start.
    void make_ready_to_start(frame& f) noexcept {
        f.waits_on = &first_step::wait();
        make_ready(f);
    }
    /// The same as make_ready for a caller who is a step of this loop.
    void make_ready_here(step& s) noexcept { ready_.push_back(s); }

    /// For what wakes tasks from outside the running loop: lets it know.
    void notify_if_outside() noexcept {
        if (current_ != this && (!ready_.empty() || attention_)) notify(true);
    }

    /// Runs `f` until it, and whatever goes on in the same step because it ended, is suspended. The stack
    /// stays flat: nobody resumes a parent from inside a child, and only a bounded number of children are
    /// started from inside their parents.
    void run(frame* f) noexcept {
        resume(f);
        go_on();
    }

    /// run() in the middle of the running frame's step.
    void run_inside(frame* f) noexcept {
        frame* const outside = running_;
        task_ = holder();
        run(f);
        running_ = outside;
    }

    /// The frame that the running step has resumed, or gone on with; null in a posted function, and outside.
    frame* running() const noexcept { return running_; }

    /// One that no other loop of this thread gives: what belongs to no loop may pass from one to another.
    static std::uint32_t next_number() noexcept { return ++numbers_given_; }

    /// The task and the part of it that running() belongs to, as noted since it runs; zeros: not yet, or nothing runs.
    holder running_task() const noexcept { return task_; }
    void note_running_task(holder task) noexcept { task_ = task; }

    /// The time, in milliseconds since the loop was made, as it was last looked at.
    std::uint32_t ticks() const noexcept { return ticks_; }

    /// Starts `child`, which `parent` awaits, in the same step. True if it ended at once; otherwise the
    /// parent is suspended. Up to max_nesting starts are nested calls (a child that ends at once costs a call
    /// and no suspension); deeper ones go through the trampoline.
    bool start(frame& child) noexcept {
        if (--nesting_ < 0) [[unlikely]] {
            nesting_ = 0;
            go_on_with(child);
            return false;
        }
        child.resume();
        ++nesting_;
        return child.done();
    }

    /// `f`, which is suspended, goes on in this step, when the frame that runs has suspended itself.
    void go_on_with(frame& f) noexcept {
        next_ = &f;
        attention_ = true;
    }

    /// Takes one from what a step may do without waiting. False: this operation is to go through the ready list.
    bool spend() noexcept { return --budget_ >= 0; }

    /// A branch that was cancelled while it ran: cancelled again at the end of the step.
    void cancel_later(branch& b) noexcept;
    void forget(branch& b) noexcept;

    /// An exception that nobody else can be told.
    virtual void report(std::exception_ptr error) noexcept = 0;
    /// `b`, which is watched, ends: it is told before its frame is gone, or just after.
    virtual void watched_ends(branch& b) noexcept = 0;
    /// Thread-safe: hands `m` over to the loop's thread.
    virtual void send(mail& m) noexcept = 0;

    /// Operations under way whose end comes from outside the loop; an idle loop waits for them.
    std::size_t outstanding = 0;

protected:
    scheduler() noexcept = default;
    ~scheduler() = default;

    /// Something becomes ready while the loop is not running. `is_news`: nothing was before.
    virtual void notify(bool is_news) noexcept = 0;

    void begin_step() noexcept { budget_ = budget_of_a_step; }

    /// The first part of run(): calls for attention if there is another. Returns the frame that is suspended now, if one is.
    frame* resume(frame* f) noexcept {
        do {
            running_ = f;
            f->waits_on = nullptr;
            f->resume();
            running_ = nullptr;
            task_ = holder();
            if (!f->done()) break;
            f = f->reports_to->child_ended(*f);
        } while (f != nullptr);
        return f;
    }
    /// The second part: what was left to the trampoline. Returns as resume does, or `f` when nothing was.
    frame* go_on(frame* f = nullptr) noexcept {
        while (next_ != nullptr) f = resume(std::exchange(next_, nullptr));
        return f;
    }

    static constexpr int budget_of_a_step = 128;
    static constexpr int max_nesting = 24;

    intrusive_list<step> ready_;
    int budget_ = budget_of_a_step;
    holder task_;
    bool attention_ = false;  // something is to be done at the end of the step
    branch* pending_ = nullptr;
    frame* running_ = nullptr;
    std::uint32_t ticks_ = 0;

private:
    frame* next_ = nullptr;      // to be resumed by the trampoline
    int nesting_ = max_nesting;  // how many more children may be started from inside their parents

    [[gnu::noinline]] void make_ready_outside(step& s) noexcept {
        notify(ready_.empty());
        make_ready_here(s);
    }

    static inline thread_local constinit scheduler* current_ = nullptr;
    static inline thread_local constinit std::uint32_t numbers_given_ = 0;
};

}  // namespace rondo::inline RONDO_ABI::detail
