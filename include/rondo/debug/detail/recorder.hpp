// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// Looking on at loops and writing down what is done: a lane for the thread, and one for each part of the tree of tasks that ends on its
// own: a task, a child of a combinator.

#include <rondo/debug/detail/place.hpp>
#include <rondo/debug/detail/recording.hpp>
#include <rondo/loop/detail/census.hpp>
#include <rondo/loop/detail/rounds.hpp>
#include <rondo/loop/detail/watch.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <source_location>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace rondo::inline RONDO_ABI::detail {

class recorder final : public watch {
public:
    explicit recorder(std::size_t most) : most_(most), shift_(-clock()) {
        scheduler* const here = scheduler::current();
        made_.lanes.emplace_back().name = "the thread";
        if (here == nullptr) {
            open(0, time());
        } else {
            enters(static_cast<rounds&>(*here));
            static_cast<rounds*>(here)->follow();
        }
    }
    ~recorder() = default;

    const recording& result() const noexcept { return made_; }

    void remark_here(std::string_view text) {
        if (!has_room()) return;
        record([&] {
            frame* const f = here_.loop == nullptr ? nullptr : here_.loop->running();
            const std::size_t l = f == nullptr ? 0 : lane_of(*f);
            made_.lanes[l].remarks.push_back(remark{time(), std::string(text)});
        });
    }

    void enters(rounds& loop) noexcept override {
        const duration t = time();
        close(0, t);
        guarded([&] { outer_.push_back(here_); }, [&](const std::exception_ptr&) { made_.is_full = true; });
        here_ = level();
        here_.loop = &loop;
        shift_ = t - clock();
    }
    void leaves(rounds&) noexcept override {
        const duration t = time();
        close(0, t);
        here_ = level();
        if (!outer_.empty()) {
            here_ = outer_.back();
            outer_.pop_back();
        }
        shift_ = t - clock();
        record([&] { open(0, t).on = here_.lane; });
    }

    void step_begins(rounds& loop, step& s) noexcept override {
        if (here_.loop != &loop) enters(loop);  // this was made while another loop ran inside of it
        here_.began = here_.handed_on = time();
        close(0, here_.began);
        record([&] {
            frame* const f = frame_of(s);
            here_.lane = f == nullptr ? no_lane : lane_of(*f);
            open(0, here_.began).on = here_.lane;
            if (here_.lane == no_lane) return;
            here_.waited = made_.lanes[here_.lane].spans.empty() ? span() : made_.lanes[here_.lane].spans.back();
            close(here_.lane, here_.began);
            open(here_.lane, here_.began).at = place_of(f);
        });
    }
    void step_ends(rounds&, frame* f) noexcept override {
        const duration t = time();
        close(0, t);
        const std::size_t stepped = std::exchange(here_.lane, no_lane);
        if (stepped != no_lane) close(stepped, t);
        record([&] {
            const std::size_t l = f == nullptr ? no_lane : lane_of(*f);
            if (l != no_lane && l != stepped) {  // it went on because another had ended
                close(l, here_.handed_on);
                open(l, here_.handed_on);
                close(l, t);
            }
            if (l != no_lane) look_at(l, t);
            if (stepped == no_lane || stepped == l || made_.lanes[stepped].is_over || here_.waited.wait == nullptr)
                return;
            span& on = open(stepped, t);  // what was done for it did not end its wait
            on = here_.waited;
            on.begin = t;
            on.end = span::never;
        });
    }
    void ends(rounds&, branch& b) noexcept override {
        const auto found = known_.find(address_of(b));
        if (found == known_.end()) return;
        here_.handed_on = time();
        close(found->second, here_.handed_on);
        made_.lanes[found->second].end = here_.handed_on;
        made_.lanes[found->second].is_over = true;
        branches_[found->second] = nullptr;
        known_.erase(found);
    }

private:
    static const void* address_of(const owner& o) noexcept { return &o; }

    /// In loops it is their time that passes, outside of them the steady clock's; one goes on where the other was left.
    /// A recording that is full has come to its end: what still happens is not in it.
    duration time() noexcept {
        const duration t = sum(clock(), shift_);
        if (t > made_.end && !made_.is_full) made_.end = t;
        return t;
    }
    duration clock() const noexcept {
        return here_.loop != nullptr ? here_.loop->now().time_since_epoch()
                                     : std::chrono::steady_clock::now().time_since_epoch();
    }
    /// What is beyond the range of time is at its end.
    static duration sum(duration a, duration b) noexcept {
        if (b > duration::zero() && a > (duration::max)() - b) return (duration::max)();
        if (b < duration::zero() && a < (duration::min)() - b) return (duration::min)();
        return a + b;
    }

    bool has_room() noexcept {
        if (recorded_ < most_) return ++recorded_, true;
        made_.is_full = true;
        return false;
    }
    /// What cannot be recorded for want of memory ends the recording.
    template <class F>
    void record(F&& f) noexcept {
        if (made_.is_full) return;
        guarded(std::forward<F>(f), [&](const std::exception_ptr&) { made_.is_full = true; });
    }

    span& open(std::size_t l, duration at) {
        span& s = has_room() ? made_.lanes[l].spans.emplace_back() : left_out_;
        s.begin = at;
        return s;
    }
    void close(std::size_t l, duration at) noexcept {
        if (made_.lanes[l].spans.empty() || made_.lanes[l].spans.back().end != span::never) return;
        made_.lanes[l].spans.back().end = (std::min)(at, made_.end);
        if (made_.lanes[l].spans.back().begin == at && made_.lanes[l].spans.back().wait != nullptr)
            made_.lanes[l].spans.pop_back();
    }
    std::size_t add(branch& b, std::size_t parent, duration begin) {
        const std::size_t l = made_.lanes.size();
        made_.lanes.emplace_back();  // first, so that whatever fails, an index that is known is one of a lane
        branches_.resize(l + 1);
        known_.emplace(address_of(b), l);
        branches_[l] = &b;
        lane& made = made_.lanes[l];
        made.begin = begin;
        made.depth = parent == no_lane ? 0 : made_.lanes[parent].depth + 1;
        b.set_watched();
        if (const auto waiting = expected_.find(address_of(b)); waiting != expected_.end()) {
            const auto [lane, nth] = waiting->second;
            std::vector<span>& spans = made_.lanes[lane].spans;
            if (nth == spans.size() && nth != 0 && spans.back().end == span::never) spans.back().on = l;
            expected_.erase(waiting);
        }
        return l;
    }

    /// `l` waits for something that may be a task which has no lane yet.
    void expect(const void* object, std::size_t l) {
        if (expected_.size() > 2 * made_.lanes.size() + 64) expected_.clear();
        expected_[object] = {l, made_.lanes[l].spans.size()};
    }

    /// The innermost lane that `f` belongs to, of those that are known; its task's becomes known.
    std::size_t lane_of(frame& f) {
        for (frame* at = &f;; at = at->reports_to->parent()) {
            if (const auto found = known_.find(at->reports_to); found != known_.end()) return found->second;
            if (!at->reports_to->is_root()) continue;
            root& r = static_cast<root&>(*at->reports_to);
            frame* const parent = r.parent();
            const std::size_t l = add(r, parent == nullptr ? no_lane : lane_of(*parent), here_.began);
            if (r.name() != nullptr) made_.lanes[l].name = r.name();
            return l;
        }
    }

    /// Notes what a lane waits for that has just run, and what it has started.
    void look_at(std::size_t l, duration now) {
        frame* f = branches_[l]->top();
        const auto is_awaited = [](frame* child, frame* parent) { return child->reports_to == parent->waits_on; };
        for (frame* child = f; child != nullptr && f->waits_on != nullptr;) {
            name_after(l, *f);
            child = f->waits_on->next_child(nullptr);
            if (child == nullptr || !is_awaited(child, f)) break;
            f = child;
        }
        if (f->waits_on == nullptr) return;  // it runs
        span& s = open(l, now);
        s.at = place_of(f);
        for_each_wait(*f, [&](const wait_info& info) {
            if (s.wait == nullptr) s.wait = info.what;
            // Of a task it is the address of the root, in which the owner lies first.
            if (const auto found = known_.find(info.object); found != known_.end())
                s.on = found->second;
            else if (info.object != nullptr)
                expect(info.object, l);
            if (info.due != wait_info::no_deadline) s.due = (std::min)(s.due, sum(duration(info.due), shift_));
        });
        for (frame* child = f->waits_on->next_child(nullptr); child != nullptr;
             child = f->waits_on->next_child(child)) {
            if (is_awaited(child, f) || known_.contains(child->reports_to) || child->reports_to->is_root()) continue;
            look_at(add(static_cast<branch&>(*child->reports_to), l, here_.began), now);
        }
    }
    /// "fetch", of "(anonymous namespace)::site<int>::fetch".
    static std::string_view unqualified(std::string_view name) noexcept {
        std::size_t begin = name.size();
        for (int depth = 0; begin > 0 && (depth > 0 || name[begin - 1] != ':'); --begin) {
            const char c = name[begin - 1];
            depth += c == ')' || c == '>' ? 1 : c == '(' || c == '<' ? -1 : 0;
        }
        return name.substr(begin);
    }

    /// One without a name is called as its outermost coroutine in the user's source.
    void name_after(std::size_t l, const frame& f) {
        if (!made_.lanes[l].name.empty() || is_unseen(f) || f.waits_on == nullptr || f.waits_on == &first_step::wait())
            return;
        made_.lanes[l].name = std::string(unqualified(coroutine_name(f.where.function_name())));
        made_.lanes[l].ordinal = ++made_.namesakes[made_.lanes[l].name];
    }

    const std::size_t most_;
    std::size_t recorded_ = 0;

    /// The loop that is entered, and its running step: whose lane it is, since when, what that waited for; and when the last lane
    /// ended, on which another went on.
    struct level {
        rounds* loop = nullptr;
        std::size_t lane = no_lane;
        duration began{};
        duration handed_on{};
        span waited{};
    };
    level here_;
    std::vector<level> outer_;  // a loop that runs, or ends, in a step of another
    duration shift_;            // from the clock to recorded time

    recording made_;
    span left_out_;                                                                  // for want of room
    std::vector<branch*> branches_{nullptr};                                         // of each lane that is not over
    std::unordered_map<const void*, std::size_t> known_;                             // by the address of the owner
    std::unordered_map<const void*, std::pair<std::size_t, std::size_t>> expected_;  // who waits for it, in which span
};

}  // namespace rondo::inline RONDO_ABI::detail
