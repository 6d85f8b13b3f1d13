// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// Looking on: who is told of every step that loops take on a thread. While nobody is, it costs nothing: a loop takes watched rounds in
// another function, and a task that is not watched ends as if there were no such thing.

#include <rondo/core/detail/branch.hpp>
#include <rondo/core/resumer.hpp>

namespace rondo::inline RONDO_ABI::detail {

class rounds;

/// Whose step `s` is; null for a posted function.
inline frame* frame_of(step& s) noexcept {
    if (s.turn() == step::kind::call) return nullptr;
    if (s.turn() == step::kind::operand) return static_cast<operand&>(s).parent();
    return &static_cast<frame&>(s);
}

class watch {
public:
    /// From the next round on, of any loop on this thread.
    watch() noexcept : next_(first_) { first_ = this; }
    watch(const watch&) = delete;
    watch& operator=(const watch&) = delete;

    static bool is_any() noexcept { return first_ != nullptr; }
    template <class F>
    static void for_each(F f) noexcept {
        for (watch* w = first_; w != nullptr; w = w->next_) f(*w);
    }

    /// `loop` is entered, and left. In between it takes steps, or waits.
    virtual void enters(rounds& loop) noexcept = 0;
    virtual void leaves(rounds& loop) noexcept = 0;

    /// The frame of the step is still suspended where it waited.
    virtual void step_begins(rounds& loop, step& s) noexcept = 0;
    /// `f`: who ran last, and is suspended now; null where none is.
    virtual void step_ends(rounds& loop, frame* f) noexcept = 0;
    /// All have been told that it has ended: user code may be called, even if it cancels the task that was looked at.
    virtual void step_is_over(rounds&) noexcept {}

    /// `b`, of which set_watched was called, perhaps by another watch, has ended. Possibly in the middle of a step.
    virtual void ends(rounds& loop, branch& b) noexcept = 0;

protected:
    /// On the thread where it was made. Not while it is being told something.
    ~watch() {
        watch** link = &first_;
        while (*link != this) link = &(*link)->next_;
        *link = next_;
    }

private:
    watch* next_;

    static inline thread_local constinit watch* first_ = nullptr;
};

}  // namespace rondo::inline RONDO_ABI::detail
