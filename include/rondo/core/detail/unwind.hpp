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

/// Whether `top` or a descendant is running right now.
inline bool is_running(frame& top) noexcept {
    for (frame* f = &top; f != nullptr; f = next_in_tree(f, top, !f->is_unwinding()))
        if (f->waits_on == nullptr) return true;
    return false;
}

/// Destroys `f`, a cancelled frame that has nothing below it, and the cancelled ancestors that it kept. Returns
/// the (late) address of the last one.
inline const frame* unwind_up(frame* f) noexcept {
    for (;;) {
        owner* const up = f->reports_to;
        f->destroy();
        frame* const next = up->child_unwound(*f);
        if (next == nullptr) return f;
        f = next;
    }
}

/// Cancels the tree below `top`, no frame of which is running.
inline void unwind(frame& top) noexcept {
    intrusive_list<frame> leaves;
    bool entered = false;
    for (frame* f = &top; f != nullptr; f = next_in_tree(f, top, entered)) {
        entered = !f->is_unwinding();
        if (!entered) continue;
        f->set_unwinding();
        const bool woken = f->is_linked();
        if (woken) f->unlink();
        if (f->waits_on->withdraw(woken) && f->waits_on->next_child(nullptr) == nullptr) leaves.push_back(*f);
    }
    while (!leaves.empty()) unwind_up(&leaves.pop_front());
}

}  // namespace rondo::inline RONDO_ABI::detail
