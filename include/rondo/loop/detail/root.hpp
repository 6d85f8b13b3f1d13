// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// The roots of trees of tasks that run beside others: what event_loop::run was given, and each spawned task;
// and the home that such tasks have, which is the loop itself, or a task group in another task's frame.

#include <rondo/core/detail/branch.hpp>

#include <cstddef>
#include <cstdint>
#include <exception>

namespace rondo::inline RONDO_ABI::detail {

class home;

class root : public branch, public list_node {
public:
    /// What reports call it; null for no name.
    virtual const char* name() const noexcept = 0;

    /// What it has thrown and nobody has taken yet; null for nothing.
    virtual std::exception_ptr failure() const noexcept { return nullptr; }
    /// Somebody has taken the failure.
    virtual void failure_taken() noexcept {}
    /// A cleanup has started it when its home was closed already.
    void set_outlives_close() noexcept { outlives_close_ = true; }
    bool outlives_close() const noexcept { return outlives_close_; }

    /// Whether somebody may still ask for its result.
    virtual bool has_handle() const noexcept { return false; }

    /// Of one that has ended with a failure that nobody has taken: the loop is about to go.
    virtual void loop_ends() noexcept {}

    inline void cancel() noexcept;

    inline frame* child_ended(frame& f) noexcept final;
    inline frame* child_unwound(frame& f) noexcept final;
    inline frame* parent() noexcept final;

protected:
    root(home& h, frame& top) noexcept;
    ~root() = default;

    /// Only until it has ended: its home may be gone after.
    inline scheduler& loop() const noexcept;

    /// `f` has run to its end and is to be destroyed; null: it was cancelled, and is gone. Calls home::is_over. The last call
    /// to the root: it may destroy itself.
    virtual frame* ended(frame* f) noexcept = 0;
    home& where() const noexcept { return *home_; }

private:
    inline frame* end(frame* f) noexcept;
    inline frame* end_of_any(frame* f) noexcept;
    [[gnu::noinline]] frame* end_of_one_watched(frame* f) noexcept { return end_of_any(f); }

    home* home_;
    bool outlives_close_ = false;
};

class home {
public:
    home(const home&) = delete;
    home& operator=(const home&) = delete;

    scheduler& loop() const noexcept { return *loop_; }

    /// The frame that the tasks hold up; null for the loop.
    virtual frame* parent() noexcept = 0;

    /// How a root ended.
    enum class ending { with_value, with_failure, cancelled };

    /// `r` has ended. Returns the frame to go on with in this step, or, where it was cancelled, the frame to be destroyed
    /// next; or null.
    virtual frame* is_over(root& r, ending how) noexcept = 0;

    /// Takes a new root in, whose first step comes with the next round. If it is closed, the task is destroyed unstarted,
    /// unless a cleanup that still runs wants it.
    void adopt(root& r) noexcept {
        tasks_.push_back(r);
        adopted();
        loop_->make_ready_to_start(*r.top());
        if (!closed_) return;
        if (is_wanted_by_cleanup())
            r.set_outlives_close();
        else
            r.cancel();
    }

protected:
    explicit home(scheduler& loop) noexcept : loop_(&loop) {}
    ~home() = default;

    virtual void adopted() noexcept {}

    void cancel_all() noexcept {
        for_all([](root& r) { r.cancel(); });
    }

    /// `f` for each task that is here now, however many come or go on the way. All stay in the list meanwhile, for f may look at the tree.
    template <class F>
    void for_all(F f) noexcept {
        std::size_t count = 0;
        for (root* r = tasks_.next(nullptr); r != nullptr; r = tasks_.next(r)) ++count;
        for (; count > 0 && !tasks_.empty(); --count) {
            root& r = tasks_.pop_front();
            tasks_.push_back(r);
            f(r);
        }
    }

    intrusive_list<root> tasks_;  // those that have not ended
    bool closed_ = false;

private:
    /// Whether the running step is a cleanup's that belongs to a task of this home, or that of a task which such a cleanup has started.
    bool is_wanted_by_cleanup() noexcept {
        bool cleans_up = false;
        for (frame* f = loop_->running(); f != nullptr; f = f->reports_to->parent()) {
            cleans_up = cleans_up || f->is_cancelled() ||
                        (f->reports_to->is_root() && static_cast<root*>(f->reports_to)->outlives_close());
            if (f->reports_to->parent() == parent())
                return cleans_up || (parent() != nullptr && parent()->is_cancelled());
        }
        return false;
    }

    scheduler* loop_;
};

// ---------------------------------------------------------------------------------------------------------

inline root::root(home& h, frame& top) noexcept : branch(&top, true), home_(&h) {}

inline scheduler& root::loop() const noexcept { return home_->loop(); }

[[gnu::noinline]] inline holder find_running_task(scheduler& here) noexcept {
    holder found;
    frame* f = here.running();
    for (int depth = 0; f != nullptr && found.task == 0 && depth < 64; ++depth, f = f->reports_to->parent()) {
        branch* const b = f->reports_to->as_branch();
        if (b == nullptr) continue;
        if (found.part == 0) found.part = b->numbered();
        if (b->is_root()) found.task = b->numbered();
    }
    here.note_running_task(found);
    return found;
}

/// The task that runs on this thread, and the part of it; zeros for none, and for what is nested too deeply to look.
inline holder running_task() noexcept {
    scheduler* const here = scheduler::current();
    if (here == nullptr) return holder();
    if (const holder known = here->running_task(); known.task != 0) return known;
    return find_running_task(*here);
}

inline void root::cancel() noexcept {
    if (top() != nullptr) branch::cancel(loop());
}

inline frame* root::parent() noexcept { return home_->parent(); }
inline frame* root::child_ended(frame& f) noexcept { return end(&f); }
inline frame* root::child_unwound(frame&) noexcept { return end(nullptr); }

inline frame* root::end(frame* f) noexcept {
    if (concerns_somebody()) [[unlikely]]
        return end_of_one_watched(f);
    return end_of_any(f);
}
inline frame* root::end_of_any(frame* f) noexcept {
    detach_top(loop());
    if (is_linked()) unlink();
    return ended(f);
}

}  // namespace rondo::inline RONDO_ABI::detail
