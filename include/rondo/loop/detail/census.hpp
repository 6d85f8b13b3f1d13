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
    dependency(std::size_t other, const frame* where, const char* operation) noexcept
        : on(other), at(where), what(operation) {}

    std::size_t on;    // the index of the other
    const frame* at;   // the frame that waits
    const char* what;  // for what the other holds; null: for its end
};

class census {
public:
    /// Some parts that wait for one another, each with what it waits for.
    using circle = std::vector<std::pair<std::size_t, const dependency*>>;

    census(root* main, intrusive_list<root>& tasks) {
        if (main != nullptr && main->top() != nullptr) add(*main);
        for (root* r = tasks.next(nullptr); r != nullptr; r = tasks.next(r)) add(*r);
        numbers_.sort();
        roots_.sort();
        for (const auto& [f, part] : frames_) find_waits(*f, part);
    }

    /// The number of parts, and of the tasks among them.
    std::size_t size() const noexcept { return parts_.size(); }
    std::size_t tasks() const noexcept { return roots_.entries.size(); }
    branch& part(std::size_t i) const noexcept { return *parts_[i]; }

    /// The index of who holds something: of the part that took it, or of the task, to which it may have passed that on; size() if
    /// that has ended, too.
    std::size_t index_of(const holder& h) const noexcept {
        const std::size_t part = h.part == 0 ? size() : numbers_.find(h.part, size());
        return part != size() || h.task == 0 ? part : numbers_.find(h.task, size());
    }
    /// The index of the task `r`, which may be anything.
    std::size_t index_of(const void* r) const noexcept { return roots_.find(r, size()); }

    /// Every circle once.
    std::vector<circle> circles() const {
        std::vector<circle> found;
        std::vector<bool> seen(size()), on_path(size());
        for (std::size_t start = 0; start < size(); ++start) {
            std::vector<std::pair<std::size_t, std::size_t>>
                path;  // a part, and how many of its waits have been followed
            const auto enter = [&](std::size_t part) {
                if (seen[part]) return;
                seen[part] = on_path[part] = true;
                path.emplace_back(part, 0);
            };
            for (enter(start); !path.empty();) {
                auto& [here, followed] = path.back();
                if (followed == waits_[here].size()) {
                    on_path[here] = false;
                    path.pop_back();
                    continue;
                }
                const std::size_t on = waits_[here][followed++].on;
                if (on_path[on])
                    found.push_back(way_round(path, on));
                else
                    enter(on);
            }
        }
        return found;
    }

private:
    template <class Key>
    class index {
    public:
        void sort() { std::sort(entries.begin(), entries.end()); }
        std::size_t find(Key key, std::size_t none) const noexcept {
            const auto at = std::lower_bound(entries.begin(), entries.end(), std::pair(key, std::size_t{0}));
            return at != entries.end() && at->first == key ? at->second : none;
        }
        std::vector<std::pair<Key, std::size_t>> entries;
    };

    circle way_round(const std::vector<std::pair<std::size_t, std::size_t>>& path, std::size_t first) const {
        std::size_t i = path.size() - 1;
        while (path[i].first != first) --i;
        circle c;
        for (; i < path.size(); ++i) c.emplace_back(path[i].first, &waits_[path[i].first][path[i].second - 1]);
        return c;
    }

    /// A task with its parts, and those of groups in it, which are tasks of their own.
    void add(root& r) {
        std::vector<std::pair<frame*, std::size_t>> above;  // the way down to the frame, and whose each is
        frame* const top = r.top();
        for (frame* f = top; f != nullptr; f = next_in_tree(f, *top, f->waits_on != nullptr)) {
            frame* const parent = f->reports_to->parent();
            while (!above.empty() && above.back().first != parent) above.pop_back();
            if (branch* const b = f->reports_to->as_branch()) {
                if (parent != nullptr) waits_[above.back().second].emplace_back(size(), parent, nullptr);
                if (b->is_root()) roots_.entries.emplace_back(static_cast<root*>(b), size());
                if (b->number() != 0) numbers_.entries.emplace_back(b->number(), size());
                above.emplace_back(f, size());
                parts_.push_back(b);
                waits_.emplace_back();
            } else {
                above.emplace_back(f, above.back().second);
            }
            frames_.push_back(above.back());
        }
    }

    /// Notes that `part` waits for `on`, unless that is known, or there is no such part. Tells the place in the user's source.
    void depend(std::size_t part, std::size_t on, const frame& f, const char* what) {
        if (on == size()) return;
        for (const dependency& d : waits_[part])
            if (d.on == on) return;
        const frame* at = &f;
        while (at->stands_in() && at->reports_to->parent() != nullptr) at = at->reports_to->parent();
        waits_[part].emplace_back(on, at, what);
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

    std::vector<branch*> parts_;
    std::vector<std::vector<dependency>> waits_;          // of each part
    std::vector<std::pair<frame*, std::size_t>> frames_;  // and whose each is
    index<std::uint32_t> numbers_;
    index<const void*> roots_;
};

}  // namespace rondo::inline RONDO_ABI::detail
