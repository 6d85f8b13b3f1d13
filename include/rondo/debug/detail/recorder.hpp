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
    explicit recorder(std::size_t most) : most_(most), shift_(-steady()) {
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
        frame* const f = loop_ == nullptr ? nullptr : loop_->running();
        made_.lanes[f == nullptr ? 0 : lane_of(*f)].remarks.push_back(remark{time(), std::string(text)});
    }

    void enters(rounds& loop) noexcept override {
        const duration t = time();
        close(0, t);
        loop_ = &loop;
        shift_ = t - loop.now().time_since_epoch();
    }
    void leaves(rounds&) noexcept override {
        const duration t = time();
        loop_ = nullptr;
        shift_ = t - steady();
        record([&] { open(0, t); });
    }

    void step_begins(rounds&, step& s) noexcept override {
        began_ = handed_on_ = time();
        close(0, began_);
        record([&] {
            frame* const f = frame_of(s);
            stepping_ = f == nullptr ? no_lane : lane_of(*f);
            open(0, began_).on = stepping_;
            if (stepping_ == no_lane) return;
            waited_ = made_.lanes[stepping_].spans.empty() ? span() : made_.lanes[stepping_].spans.back();
            close(stepping_, began_);
            open(stepping_, began_).at = place_of(f);
        });
    }
    void step_ends(rounds&, frame* f) noexcept override {
        const duration t = time();
        close(0, t);
        const std::size_t stepped = std::exchange(stepping_, no_lane);
        if (stepped != no_lane) close(stepped, t);
        record([&] {
            const std::size_t l = f == nullptr ? no_lane : lane_of(*f);
            if (l != no_lane && l != stepped) {  // it went on because another had ended
                close(l, handed_on_);
                open(l, handed_on_);
                close(l, t);
            }
            if (l != no_lane) look_at(l, t);
            if (stepped == no_lane || stepped == l || made_.lanes[stepped].is_over || waited_.wait == nullptr) return;
            open(stepped, t) = waited_;  // what was done for it did not end its wait
            made_.lanes[stepped].spans.back().begin = t;
            made_.lanes[stepped].spans.back().end = span::never;
        });
    }
    void ends(rounds&, branch& b) noexcept override {
        const auto found = known_.find(address_of(b));
        if (found == known_.end()) return;
        handed_on_ = time();
        close(found->second, handed_on_);
        made_.lanes[found->second].end = handed_on_;
        made_.lanes[found->second].is_over = true;
        branches_[found->second] = nullptr;
        known_.erase(found);
    }

private:
    static const void* address_of(const owner& o) noexcept { return &o; }
    static duration steady() noexcept { return std::chrono::steady_clock::now().time_since_epoch(); }

    /// In loops it is their time that passes, outside of them the steady clock's; one goes on where the other was left.
    duration time() noexcept {
        const duration t = (loop_ != nullptr ? loop_->now().time_since_epoch() : steady()) + shift_;
        if (t > made_.end) made_.end = t;
        return t;
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
        made_.lanes[l].spans.back().end = at;
        if (made_.lanes[l].spans.back().begin == at && made_.lanes[l].spans.back().wait != nullptr)
            made_.lanes[l].spans.pop_back();
    }
    std::size_t add(branch& b, std::size_t parent, duration begin) {
        const std::size_t l = made_.lanes.size();
        branches_.resize(l + 1);
        known_.emplace(address_of(b), l);
        lane& made = made_.lanes.emplace_back();
        branches_[l] = &b;
        made.begin = begin;
        made.depth = parent == no_lane ? 0 : made_.lanes[parent].depth + 1;
        b.set_watched();
        if (const auto waiting = expected_.find(address_of(b)); waiting != expected_.end()) {
            span& last = made_.lanes[waiting->second].spans.back();
            if (last.end == span::never && last.wait != nullptr) last.on = l;
            expected_.erase(waiting);
        }
        return l;
    }

    /// `l` waits for something that may be a task which has no lane yet.
    void expect(const void* object, std::size_t l) {
        if (expected_.size() > 2 * made_.lanes.size() + 64) expected_.clear();
        expected_[object] = l;
    }

    /// The innermost lane that `f` belongs to, of those that are known; its task's becomes known.
    std::size_t lane_of(frame& f) {
        for (frame* at = &f;; at = at->reports_to->parent()) {
            if (const auto found = known_.find(at->reports_to); found != known_.end()) return found->second;
            if (!at->reports_to->is_root()) continue;
            root& r = static_cast<root&>(*at->reports_to);
            frame* const parent = r.parent();
            const std::size_t l = add(r, parent == nullptr ? no_lane : lane_of(*parent), began_);
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
            if (info.due != wait_info::no_deadline) s.due = (std::min)(s.due, duration(info.due) + shift_);
        });
        for (frame* child = f->waits_on->next_child(nullptr); child != nullptr;
             child = f->waits_on->next_child(child)) {
            if (is_awaited(child, f) || known_.contains(child->reports_to) || child->reports_to->is_root()) continue;
            look_at(add(static_cast<branch&>(*child->reports_to), l, began_), now);
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

    rounds* loop_ = nullptr;  // the one that is entered
    duration shift_;          // from its clock, or else the steady one, to recorded time

    recording made_;
    span left_out_;                                       // for want of room
    std::vector<branch*> branches_{nullptr};              // of each lane that is not over
    std::unordered_map<const void*, std::size_t> known_;  // by the address of the owner
    std::unordered_map<const void*, std::size_t> expected_;

    // The running step: the lane to which it belongs, since when, what that waited for; and when the last lane ended, on which another went on.
    std::size_t stepping_ = no_lane;
    duration began_{};
    span waited_{};
    duration handed_on_{};
};

}  // namespace rondo::inline RONDO_ABI::detail
