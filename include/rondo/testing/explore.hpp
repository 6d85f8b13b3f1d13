// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// Trying every order in which ready steps could run.

#include <rondo/testing/detail/steered_loop.hpp>
#include <rondo/testing/frames.hpp>

#include <charconv>
#include <cstddef>
#include <cstdio>
#include <exception>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace rondo::inline RONDO_ABI::testing {

/// A schedule in which the program threw, or leaked.
class schedule_error : public std::runtime_error {
public:
    schedule_error(const std::string& schedule, const std::string& what)
        : std::runtime_error("rondo: schedule \"" + schedule + "\": " + what), schedule_(schedule) {}
    /// For replay, to run it again.
    const std::string& schedule() const noexcept { return schedule_; }

private:
    std::string schedule_;
};

/// What explore has run.
class exploration {
public:
    exploration(std::size_t n, bool all) noexcept : schedules(n), is_complete(all) {}
    std::size_t schedules;
    bool is_complete;  // whether those were all there are
};

}  // namespace rondo::inline RONDO_ABI::testing

namespace rondo::inline RONDO_ABI::detail {

/// Follows a path of choices, takes the first one where it ends, and remembers how many there were.
class path_steering final : public detail::steering {
public:
    /// "2.0.1": the third of those that were ready where there was a choice first, and so on.
    void follow(std::string_view schedule) {
        path_.clear();
        while (!schedule.empty()) {
            std::size_t choice = 0;
            const auto parsed = std::from_chars(schedule.data(), schedule.data() + schedule.size(), choice);
            if (parsed.ec != std::errc()) raise<std::invalid_argument>("rondo: this is no schedule");
            path_.emplace_back(choice);
            schedule.remove_prefix(static_cast<std::size_t>(parsed.ptr - schedule.data()));
            if (schedule.empty()) break;
            if (schedule.front() != '.' || schedule.size() == 1)
                raise<std::invalid_argument>("rondo: this is no schedule");
            schedule.remove_prefix(1);
        }
    }

    void begin() noexcept { at_ = 0; }
    std::size_t choose(std::size_t count) noexcept override {
        if (count == 1) return 0;
        if (at_ == path_.size()) path_.emplace_back(std::size_t{0});
        fork& here = path_[at_++];
        here.count = count;
        return here.chosen < count ? here.chosen : count - 1;
    }

    /// Turns to the next path, depth first. False: that was the last one.
    bool advance() {
        path_.resize(at_, fork(0));
        while (!path_.empty() && path_.back().chosen + 1 >= path_.back().count) path_.pop_back();
        if (path_.empty()) return false;
        ++path_.back().chosen;
        return true;
    }

    std::string schedule() const {
        std::string text;
        for (std::size_t i = 0; i < at_; ++i) {
            if (i != 0) text += '.';
            text += std::to_string(path_[i].chosen);
        }
        return text;
    }

private:
    class fork {
    public:
        explicit fork(std::size_t choice) noexcept : chosen(choice) {}
        std::size_t chosen;
        std::size_t count = 0;
    };

    std::vector<fork> path_;
    std::size_t at_ = 0;
};

template <class MakeTask, class Check>
void run_schedule(path_steering& steering, MakeTask& make_task, Check& examine) {
    const std::size_t before = testing::live_frames();
    steering.begin();
    std::exception_ptr error;
    {
        steered_loop loop(steering);
        detail::guarded([&] { loop.run(make_task()); }, [&](std::exception_ptr e) { error = std::move(e); });
    }
    const std::string schedule = steering.schedule();
    if (error) {
        std::string text;
        detail::read_error(error, [&](const char* what) { text = what; });
        detail::raise<testing::schedule_error>(schedule, text);
    }
    const auto call_examine = [&] {
        if constexpr (requires { examine(std::string_view(schedule)); })
            examine(std::string_view(schedule));
        else
            examine();
    };
    detail::guarded(call_examine, [&](std::exception_ptr e) {
        std::fputs(("rondo: explore failed: schedule \"" + schedule + "\"; replay runs it alone\n").c_str(), stderr);
        detail::rethrow(std::move(e));
    });
    if (testing::live_frames() > before) detail::raise<testing::schedule_error>(schedule, "frames have leaked");
}

}  // namespace rondo::inline RONDO_ABI::detail

namespace rondo::inline RONDO_ABI::testing {

/// Runs `make_task()`, which gives a task<>, under virtual time, in every order in which ready steps could run, depth first, up to
/// `limit` of them. After each run, when its loop is gone, `examine()` is called (or `examine(schedule)`, with the string that names the order).
/// For small programs: the number of orders grows as the factorial of what is ready at a time.
///
///     auto tried = testing::explore([&] { return two_consumers(); }, [&] { CHECK(taken == 2); });
///
/// Throws: schedule_error when a run throws, or has left frames after examine; what examine throws, and says on stderr in which schedule.
template <class MakeTask, class Check>
exploration explore(MakeTask&& make_task, Check&& examine, std::size_t limit = 10'000) {
    detail::path_steering steering;
    std::size_t count = 0;
    do {
        if (count == limit) return exploration(count, false);
        detail::run_schedule(steering, make_task, examine);
        ++count;
    } while (steering.advance());
    return exploration(count, true);
}

/// Runs the one order that `schedule` names.
/// Throws: also std::invalid_argument for a string that is no schedule.
template <class MakeTask, class Check>
void replay(MakeTask&& make_task, Check&& examine, std::string_view schedule) {
    detail::path_steering steering;
    steering.follow(schedule);
    detail::run_schedule(steering, make_task, examine);
}

}  // namespace rondo::inline RONDO_ABI::testing
