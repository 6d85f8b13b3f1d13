// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// The text of a report on tasks: the trees, outermost first, with the file and line of every co_await, what each waits for, since when,
// and who holds it; and the circles in which they wait for one another.

#include <rondo/core/detail/unwind.hpp>
#include <rondo/loop/detail/census.hpp>
#include <rondo/loop/detail/root.hpp>
#include <rondo/loop/driver.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace rondo::inline RONDO_ABI::detail {

/// A coroutine's name alone, of what compilers show: "f(f()::_Z1fv.Frame*)", "task<> f(int) [with T = int]".
inline std::string_view coroutine_name(const char* function) noexcept {
    std::string_view name(function);
    name = name.substr(0, name.find(" ["));  // [with T = int], or [T = int]
    if (name.ends_with('>')) return name;    // a lambda, named without its call operator
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

/// Whether `f` is a coroutine of the library itself: it has a place in nobody's source.
inline bool is_unseen(const frame& f) noexcept {
    return f.waits_on != nullptr && f.waits_on != &first_step::wait() && f.stands_in();
}

/// And whether there is nothing to say of it: it stands between two of the user's.
inline bool is_skipped(const frame& f) noexcept {
    return is_unseen(f) && std::string_view(f.waits_on->describe().what) == a_task;
}

class reporter {
public:
    reporter(const scheduler& loop, time_point now, root* main, intrusive_list<root>& tasks)
        : loop_(loop), now_(now), alive_(main, tasks) {}

    std::size_t tasks() const noexcept { return alive_.tasks(); }

    /// Every task, with what is below it.
    void tell_all() {
        for (std::size_t i = 0; i < alive_.size(); ++i)
            if (alive_.part(i).parent() == nullptr) tell(static_cast<root&>(alive_.part(i)));
        tell_circles();
    }

    void tell_failure(root& failed) {
        say("  ");
        say_name(failed);
        say(": ");
        read_error(failed.failure(), [&](const char* what) { say(what); });
        say("\n");
    }

    void say(std::string_view s) { text_ += s; }

    std::string take() {
        text_.pop_back();  // the last newline
        return std::move(text_);
    }

private:
    void say_name(const root& r) { say(r.name() != nullptr ? r.name() : "a task"); }
    /// Of a part, or a task that has no name, it says in parentheses which coroutine it is.
    void say_part(std::size_t index) {
        branch& part = alive_.part(index);
        root& task = alive_.task_of(index);
        say_name(task);
        if (&part == &task && task.name() != nullptr) return;
        const frame* f = part.top();
        while (is_skipped(*f) && f->waits_on->next_child(nullptr) != nullptr) f = f->waits_on->next_child(nullptr);
        if (f->waits_on == nullptr || f->waits_on == &first_step::wait() || is_unseen(*f)) return;
        say(" (");
        say(coroutine_name(f->where.function_name()));
        say(")");
    }
    void indent(std::size_t depth) { text_.append(2 * depth, ' '); }

    void say_place(const frame& f) {
        say(f.where.file_name());
        say(":");
        say(std::to_string(f.where.line()));
    }

    void say_seconds(std::int64_t milliseconds) {
        std::string fraction = std::to_string(milliseconds % 1000);
        fraction.insert(0, 3 - fraction.size(), '0');
        say(std::to_string(milliseconds / 1000) + "." + fraction + " s");
    }

    /// The tree of one task.
    void tell(root& task) {
        indent(1);
        say_name(task);
        say("\n");
        frame* const top = task.top();
        for (frame* f = top; f != nullptr; f = next_in_tree(f, *top, f->waits_on != nullptr)) {
            if (is_skipped(*f)) continue;
            std::size_t depth = 2;
            for (frame* up = f; up != top && depth < 32;) {
                up = up->reports_to->parent();
                if (!is_skipped(*up)) ++depth;
            }
            indent(depth);
            if (f->reports_to->is_root() && f != top) {
                say_name(static_cast<root&>(*f->reports_to));
                say(": ");
            }
            tell(*f, depth);
        }
    }

    void tell(const frame& f, std::size_t depth) {
        if (f.waits_on == nullptr) return say("running\n");
        if (f.waits_on == &first_step::wait()) return say("not started\n");
        if (!is_unseen(f)) {
            say_place(f);
            say(": ");
            say(coroutine_name(f.where.function_name()));
            say(" waits for ");
        }
        bool is_first = true;
        for_each_wait(f, [&](const wait_info& info) {
            if (!is_first) indent(depth + 1);
            tell(info);
            if (is_first) tell_state(f);
            is_first = false;
            say("\n");
        });
    }

    void tell_state(const frame& f) {
        if (f.is_linked()) return say(", which has come: ready");
        const bool waits_for_task =
            f.waits_on->next_child(nullptr) != nullptr && !f.waits_on->next_child(nullptr)->reports_to->is_root();
        if (waits_for_task || loop_.ticks() == f.since) return;
        say(", for ");
        say_seconds(loop_.ticks() - f.since);
    }

    void tell(const wait_info& info) {
        say(info.what);
        if (info.due != wait_info::no_deadline) {
            const auto left = time_point(duration(info.due)) - now_;
            say(", due in ");
            say_seconds(left < duration::zero() ? 0 : std::chrono::ceil<std::chrono::milliseconds>(left).count());
        }
        const std::size_t joined = info.object == nullptr ? alive_.size() : alive_.index_of(info.object);
        if (joined != alive_.size()) {
            say(" of ");
            say_part(joined);
        }
        if (info.held != nullptr) tell_holders(*info.held);
    }

    void tell_holders(const holdings& held) {
        holder who[4];
        const std::size_t count = held.holders(who, 4);
        for (std::size_t n = 0; n < count; ++n) {
            say(n == 0 ? ", held by " : n == 3 ? " and others" : " and ");
            if (n == 3) break;
            if (const std::size_t part = alive_.index_of(who[n]); part != alive_.size())
                say_part(part);
            else
                say(who[n].task == 0 ? "somebody" : "a task that has ended");
        }
    }

    /// The first few: a task with a thousand children that want what it holds is in as many.
    void tell_circles() {
        constexpr std::size_t most = 16;
        std::size_t found = 0;
        alive_.for_each_circle([&](const dependency* const* first, const dependency* const* last) {
            if (++found > most) return;
            say("These wait for one another:\n");
            for (; first != last; ++first) {
                const dependency& wait = **first;
                indent(1);
                say_part(wait.from);
                say(" waits for ");
                if (wait.what != nullptr) {
                    say(wait.what);
                    say(", which is held by ");
                }
                say_part(wait.on);
                if (wait.what == nullptr) say(" to end");
                say(" (");
                say_place(*wait.at);
                say(")\n");
            }
        });
        if (found > most) say("and " + std::to_string(found - most) + " more circles\n");
    }

    const scheduler& loop_;
    time_point now_;
    census alive_;
    std::string text_;
};

}  // namespace rondo::inline RONDO_ABI::detail
