// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// The text of a report on waiting tasks: the tree, outermost first, with the file and line of every co_await.

#include <rondo/core/detail/unwind.hpp>
#include <rondo/loop/detail/root.hpp>

#include <cstddef>
#include <string>
#include <string_view>

namespace rondo::inline RONDO_ABI::detail {

/// A coroutine's name without the frame argument that g++ shows: "f(f()::_Z1fv.Frame*)" is f.
inline std::string_view coroutine_name(const char* function) noexcept {
    std::string_view name(function);
    if (name.ends_with(".Frame*)")) {
        std::size_t open = name.size() - 1;
        for (int depth = 1; depth > 0 && open > 0;) {
            --open;
            depth += name[open] == ')' ? 1 : name[open] == '(' ? -1 : 0;
        }
        name = name.substr(0, open);
        if (name.starts_with("void ")) name.remove_prefix(5);
    }
    return name;
}

inline void report_frame(std::string& text, const frame& f, std::size_t depth) {
    text.append(2 * depth, ' ');
    if (f.waits_on == nullptr) {
        text += f.is_linked() ? "not started\n" : "running\n";
        return;
    }
    text += f.where.file_name();
    text += ':';
    text += std::to_string(f.where.line());
    text += ": ";
    text += coroutine_name(f.where.function_name());
    text += " waits for ";
    text += f.waits_on->describe().what;
    text += '\n';
    wait_info operand("", nullptr);
    for (std::size_t i = 0; f.waits_on->describe_operand(i, operand); ++i) {
        text.append(2 * depth + 2, ' ');
        text += operand.what;
        text += '\n';
    }
}

/// The tree of one task.
inline void report_task(std::string& text, root& task) {
    text += "  ";
    text += task.name() != nullptr ? task.name() : "a task";
    text += '\n';
    frame* const top = task.top();
    for (frame* f = top; f != nullptr; f = next_in_tree(f, *top, true)) {
        std::size_t depth = 2;
        for (frame* up = f; up != top && depth < 32; up = up->reports_to->parent()) ++depth;
        report_frame(text, *f, depth);
    }
}

inline std::string report_deadlock(root* main, intrusive_list<root>& tasks) {
    std::string text =
        "rondo: deadlock: nothing is ready, no timer is set, and nothing outside is under way. These tasks wait:\n";
    if (main != nullptr) report_task(text, *main);
    for (root* r = tasks.next(nullptr); r != nullptr; r = tasks.next(r)) report_task(text, *r);
    return text;
}

}  // namespace rondo::inline RONDO_ABI::detail
