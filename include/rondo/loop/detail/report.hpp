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

/// A coroutine's name alone, of what compilers show: "f(f()::_Z1fv.Frame*)", "task<> f(int) [with T = int]".
inline std::string_view coroutine_name(const char* function) noexcept {
    std::string_view name(function);
    name = name.substr(0, name.find(" [with "));
    std::size_t end = name.rfind(')');
    if (end == std::string_view::npos) return name;
    const auto nesting = [&name](std::size_t at) {
        const char c = name[at];
        return c == ')' || c == '>' ? 1 : c == '(' || c == '<' ? -1 : 0;
    };
    for (int depth = 1; depth > 0 && end > 0;) depth += nesting(--end);  // back over the parameters
    std::size_t begin = end;
    for (int depth = 0; begin > 0 && (depth > 0 || name[begin - 1] != ' ');) depth += nesting(--begin);  // and the name
    return begin == end ? name : name.substr(begin, end - begin);
}

/// A coroutine of the library itself, which stands between two of the user's.
inline bool is_unseen(const frame& f) noexcept {
    return f.waits_on != nullptr && f.waits_on != &first_step::wait() && f.stands_in();
}

inline void report_frame(std::string& text, const frame& f, std::size_t depth) {
    text.append(2 * depth, ' ');
    if (f.waits_on == nullptr) {
        text += "running\n";
        return;
    }
    if (f.waits_on == &first_step::wait()) {
        text += "not started\n";
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
    for (frame* f = top; f != nullptr; f = next_in_tree(f, *top, f->waits_on != nullptr)) {
        if (is_unseen(*f)) continue;
        std::size_t depth = 2;
        for (frame* up = f; up != top && depth < 32;) {
            up = up->reports_to->parent();
            if (!is_unseen(*up)) ++depth;
        }
        report_frame(text, *f, depth);
    }
}

inline std::string report_deadlock(root* main, intrusive_list<root>& tasks, intrusive_list<root>& failed) {
    std::string text =
        "rondo: deadlock: nothing is ready, no timer is set, and nothing outside is under way. These tasks wait:\n";
    if (main != nullptr) report_task(text, *main);
    for (root* r = tasks.next(nullptr); r != nullptr; r = tasks.next(r)) report_task(text, *r);
    if (!failed.empty()) text += "These have failed, and nobody has joined them:\n";
    for (root* r = failed.next(nullptr); r != nullptr; r = failed.next(r)) {
        text += "  ";
        text += r->name() != nullptr ? r->name() : "a task";
        text += ": ";
        read_error(r->failure(), [&](const char* what) { text += what; });
        text += '\n';
    }
    text.pop_back();  // the last newline
    return text;
}

}  // namespace rondo::inline RONDO_ABI::detail
