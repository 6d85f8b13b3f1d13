// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// What a timeline has recorded: lanes, each with what it did from when to when. Times are since the recording began.

#include <rondo/loop/driver.hpp>

#include <cstddef>
#include <source_location>
#include <string>
#include <unordered_map>
#include <vector>

namespace rondo::inline RONDO_ABI::detail {

inline constexpr std::size_t no_lane = static_cast<std::size_t>(-1);

/// What a lane did for a while.
struct span {
    static constexpr duration never = (duration::max)();

    duration begin{};
    duration end = never;        // never: open; at most the last one of a lane
    const char* wait = nullptr;  // what it waited for; null: it ran
    std::size_t on = no_lane;    // the lane that it waited for; of the thread's: the one that ran
    duration due = never;        // when the wait would have ended by itself
    std::source_location at{};   // where it waited, or went on; line zero: nowhere in the user's source
};

/// A mark.
struct remark {
    duration at;
    std::string text;
};

struct lane {
    std::string name;
    std::size_t ordinal = 0;  // among those of the same name; zero: it is its own
    std::size_t depth = 0;
    duration begin{};
    duration end{};  // of one that is over
    bool is_over = false;
    std::vector<span> spans;
    std::vector<remark> remarks;
};

struct recording {
    std::vector<lane> lanes;                                 // the thread's is the first
    std::unordered_map<std::string, std::size_t> namesakes;  // how often a name was given to a lane that had none
    duration end{};                                          // the last thing that was noted
    bool is_full = false;

    std::string name_of(std::size_t l) const {
        const lane& one = lanes[l];
        if (one.name.empty()) return "a task";
        if (one.ordinal == 0 || namesakes.at(one.name) == 1) return one.name;
        return one.name + ' ' + std::to_string(one.ordinal);
    }
    /// What was done in `s`, a span of lane `l`: "runs", "sleep", "join_handle of alice"; for the thread, who ran.
    std::string name_of(std::size_t l, const span& s) const {
        if (s.wait != nullptr) return s.on == no_lane ? s.wait : s.wait + (" of " + name_of(s.on));
        if (l != 0) return "runs";
        return s.on == no_lane ? "other work" : name_of(s.on);
    }
    duration end_of(const span& s) const noexcept { return s.end == span::never ? end : s.end; }
};

}  // namespace rondo::inline RONDO_ABI::detail
