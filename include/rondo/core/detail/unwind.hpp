// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// Cancellation is destruction. A cancelled tree is taken apart in two passes over it, neither of which uses
// the stack for depth: first every leaf's operation is withdrawn, so that nothing is granted any more; then frames are
// destroyed from the leaves up, each parent when its last child is gone. What cannot be withdrawn (an
// operation that is outside the loop, a cleanup) keeps its ancestors; when it ends, unwind_up takes it from there.

#include <rondo/core/detail/frame.hpp>

namespace rondo::inline RONDO_ABI::detail {

/// The next frame of the tree below `top` in preorder, or null. `enter`: whether to go to the children of `f`.
inline frame* next_in_tree(frame* f, const frame& top, bool enter) noexcept {
    if (enter)
        if (frame* const child = f->waits_on->next_child(nullptr)) return child;
    while (f != &top) {
        frame* const parent = f->reports_to->parent();
        if (frame* const sibling = parent->waits_on->next_child(f)) return sibling;
        f = parent;
    }
    return nullptr;
}

/// Whether `is` holds for `top` or a descendant.
template <class Predicate>
bool any_in_tree(frame& top, Predicate is) noexcept {
    for (frame* f = &top; f != nullptr; f = next_in_tree(f, top, f->waits_on != nullptr))
        if (is(*f)) return true;
    return false;
}

/// Whether `top` or a descendant is running right now.
inline bool is_running(frame& top) noexcept {
    return any_in_tree(top, [](const frame& f) { return f.waits_on == nullptr; });
}

/// Destroys `f`, a cancelled frame that has nothing below it, and the cancelled ancestors that it kept. Returns
/// the (late) address of the last one.
inline const frame* unwind_up(frame* f) noexcept {
    for (;;) {
        owner* const up = f->reports_to;
        // What it waited on goes before its locals, whose destructors may look at the tree.
        f->waits_on = &first_step::wait();
        f->destroy();
        frame* const next = up->child_unwound(*f);
        if (next == nullptr) return f;
        f = next;
    }
}

/// What becomes of a result that a cancelled operation has nevertheless.
enum class late_results : unsigned char { dropped, delivered };

/// Cancels the tree below `top`, no frame of which is running.
inline void unwind(frame& top, late_results late) noexcept {
    intrusive_list<frame> leaves;
    bool enters = false;
    for (frame* f = &top; f != nullptr; f = next_in_tree(f, top, enters)) {
        enters = false;
        if (f->is_cancelled()) continue;
        f->set_unwinding();
        const bool woken = f->is_linked();
        if (woken) f->unlink();
        switch (f->waits_on->withdraw(woken)) {
            case withdrawal::done:
                leaves.push_back(*f);
                break;
            case withdrawal::of_children:
                enters = true;
                break;
            case withdrawal::to_follow:
                break;
            case withdrawal::refused:
                if (late == late_results::delivered && f->stands_in()) f->set_asked();
                break;
        }
    }
    while (!leaves.empty()) unwind_up(&leaves.pop_front());
}

}  // namespace rondo::inline RONDO_ABI::detail
