// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// Who is alive in a loop, and who waits for whom: which part every frame belongs to, a task or a child of a combinator, and what
// a part waits for that another one holds or is. Made for reports, when a program is stuck or somebody asks.

#include <rondo/core/detail/unwind.hpp>
#include <rondo/loop/detail/root.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace rondo::inline RONDO_ABI::detail {

/// `visit(info)` for what `f`, which is suspended, waits for, and for each of its operands.
template <class Visit>
void for_each_wait(const frame& f, Visit&& visit) {
    visit(f.waits_on->describe());
    wait_info operand("", nullptr);
    for (std::size_t i = 0; f.waits_on->describe_operand(i, operand); ++i) visit(operand);
}

/// That a part waits for another.
class dependency {
public:
    dependency(std::size_t part, std::size_t other, const frame* where, const char* operation) noexcept
        : from(part), on(other), at(where), what(operation) {}

    std::size_t from;  // the index of who waits
    std::size_t on;    // and of the other
    const frame* at;   // the frame that waits
    const char* what;  // for what the other holds; null: for its end
};

class census {
public:
    census(root* main, intrusive_list<root>& tasks) {
        if (main != nullptr && main->top() != nullptr) add(*main);
        for (root* r = tasks.next(nullptr); r != nullptr; r = tasks.next(r)) add(*r);
        numbers_.sort();
        tasks_.sort();
        for (const auto& [f, part] : frames_) find_waits(*f, part);
    }

    /// The number of parts, and of the tasks among them.
    std::size_t size() const noexcept { return parts_.size(); }
    std::size_t tasks() const noexcept { return tasks_.entries.size(); }
    branch& part(std::size_t i) const noexcept { return *parts_[i].top; }
    root& task_of(std::size_t i) const noexcept { return *parts_[i].task; }

    /// The index of who holds something: of the part that took it, or of the task, to which it may have passed that on; size() if
    /// that has ended, too.
    std::size_t index_of(const holder& h) const noexcept {
        const std::size_t part = h.part == 0 ? size() : numbers_.find(h.part, size());
        return part != size() || h.task == 0 ? part : numbers_.find(h.task, size());
    }
    /// The index of the task `r`, which may be anything.
    std::size_t index_of(const void* r) const noexcept {
        return tasks_.find(reinterpret_cast<std::uintptr_t>(r), size());
    }

    /// `visit(first, last)` for every circle of parts that wait for one another, once: pointers to dependencies.
    template <class Visit>
    void for_each_circle(Visit&& visit) {
        std::vector<const dependency*> path;
        for (node& start : parts_) {
            for (node* here = start.followed == 0 ? &start : nullptr; here != nullptr;) {
                if (here->followed == here->waits.size()) {
                    here->is_on_path = false;
                    here = path.empty() ? nullptr : &parts_[path.back()->from];
                    if (here != nullptr) path.pop_back();
                    continue;
                }
                here->is_on_path = true;
                const dependency& next = here->waits[here->followed++];
                node& on = parts_[next.on];
                if (!on.is_on_path && on.followed != 0) continue;
                path.push_back(&next);
                if (on.is_on_path) {
                    std::size_t first = path.size() - 1;
                    while (path[first]->from != next.on) --first;
                    visit(path.data() + first, path.data() + path.size());
                    path.pop_back();
                } else {
                    here = &on;
                }
            }
        }
    }

private:
    /// A part, by its top; what it waits for, and how much of that has been looked at.
    struct node {
        node(branch* b, root* of) noexcept : top(b), task(of) {}
        branch* top;
        root* task;
        std::vector<dependency> waits;
        std::size_t followed = 0;
        bool is_on_path = false;
    };

    /// Parts by a number, or an address.
    class index {
    public:
        void add(std::uintptr_t key, std::size_t part) { entries.emplace_back(key, part); }
        void sort() { std::sort(entries.begin(), entries.end()); }
        std::size_t find(std::uintptr_t key, std::size_t none) const noexcept {
            const auto at = std::lower_bound(entries.begin(), entries.end(), std::pair(key, std::size_t{0}));
            return at != entries.end() && at->first == key ? at->second : none;
        }
        std::vector<std::pair<std::uintptr_t, std::size_t>> entries;
    };

    /// A task with its parts, and those of groups in it, which are tasks of their own.
    void add(root& r) {
        std::vector<std::pair<frame*, std::size_t>> above;  // the way down to the frame, and whose each is
        frame* const top = r.top();
        for (frame* f = top; f != nullptr; f = next_in_tree(f, *top, f->waits_on != nullptr)) {
            frame* const parent = f->reports_to->parent();
            while (!above.empty() && above.back().first != parent) above.pop_back();
            if (branch* const b = f->reports_to->as_branch()) {
                if (parent != nullptr) {
                    const std::size_t upper = above.back().second;
                    parts_[upper].waits.emplace_back(upper, size(), in_source(parent), nullptr);
                }
                root* const task = b->is_root() ? static_cast<root*>(b) : parts_[above.back().second].task;
                if (b->is_root()) tasks_.add(reinterpret_cast<std::uintptr_t>(task), size());
                if (b->number() != 0) numbers_.add(b->number(), size());
                above.emplace_back(f, size());
                parts_.emplace_back(b, task);
            } else {
                above.emplace_back(f, above.back().second);
            }
            frames_.push_back(above.back());
        }
    }

    /// Where a frame of the library's own is in the user's source: the one that it stands in for.
    static const frame* in_source(const frame* f) noexcept {
        while (f->stands_in() && f->reports_to->parent() != nullptr) f = f->reports_to->parent();
        return f;
    }

    /// Notes that `part` waits for `on`, unless that is known, or there is no such part.
    void depend(std::size_t part, std::size_t on, const frame& f, const char* what) {
        if (on == size()) return;
        for (const dependency& d : parts_[part].waits)
            if (d.on == on) return;
        parts_[part].waits.emplace_back(part, on, in_source(&f), what);
    }

    void find_waits(const frame& f, std::size_t part) {
        if (f.waits_on == nullptr || f.is_linked()) return;
        for_each_wait(f, [&](const wait_info& info) {
            holder who[16];
            const std::size_t count = info.held == nullptr ? 0 : info.held->holders(who, 16);
            for (std::size_t n = 0; n < count; ++n) depend(part, index_of(who[n]), f, info.what);
            depend(part, index_of(info.object), f, nullptr);
        });
    }

    std::vector<node> parts_;
    std::vector<std::pair<frame*, std::size_t>> frames_;  // and whose each is
    index numbers_;                                       // of those that have one
    index tasks_;
};

}  // namespace rondo::inline RONDO_ABI::detail
