// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// Time for tests: it stands still while anything is ready, and jumps to the next timer when nothing is.

#include <rondo/loop/default_driver.hpp>
#include <rondo/loop/driver.hpp>

#include <optional>

namespace rondo::inline RONDO_ABI::testing {

/// A clock that starts at zero (time_point()) and moves only from timer to timer: an hour of sleep takes
/// microseconds, and two runs take the same steps. With no timer to jump to it waits, in real time, for wake().
class virtual_driver final : public driver {
public:
    virtual_driver() = default;

    time_point now() noexcept override { return now_; }

    void wait(std::optional<time_point> deadline) override {
        if (!deadline)
            real_.wait(std::nullopt);
        else if (*deadline > now_)
            now_ = *deadline;
    }

    void wake() noexcept override { real_.wake(); }

    /// Lets time pass by hand, for loops that are polled.
    void advance(duration length) noexcept { now_ += length; }

private:
    time_point now_{};
    default_driver real_;
};

}  // namespace rondo::inline RONDO_ABI::testing
