// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// Drivers for tests: virtual time, and a clock that stands where the test has put it.

#include <rondo/loop/driver.hpp>
#include <rondo/testing/virtual_driver.hpp>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <optional>

namespace support {

using time_point = std::chrono::steady_clock::time_point;

/// For `rondo::event_loop loop(support::virtual_time());`
inline std::unique_ptr<rondo::driver> virtual_time() { return std::make_unique<rondo::testing::virtual_driver>(); }

/// A clock that only the test moves, and what the loop has asked of it. Outlives the driver made from it.
class manual_clock {
public:
    manual_clock() = default;
    manual_clock(const manual_clock&) = delete;
    manual_clock& operator=(const manual_clock&) = delete;

    std::unique_ptr<rondo::driver> driver() { return std::make_unique<manual_driver>(*this); }

    time_point now = time_point(std::chrono::hours(1));
    std::chrono::nanoseconds tick{0};  // how far the clock moves whenever it is read
    int reads = 0;
    int waits = 0;
    int wakes = 0;
    std::optional<time_point> deadline;  // of the last wait
    std::function<void()> on_wait;       // what happens in the world while the loop waits

private:
    class manual_driver final : public rondo::driver {
    public:
        explicit manual_driver(manual_clock& clock) : clock_(clock) {}

        time_point now() noexcept override {
            ++clock_.reads;
            return clock_.now += clock_.tick;
        }

        // Goes to the deadline at once, unless the world has something to say first.
        void wait(std::optional<time_point> until) override {
            ++clock_.waits;
            clock_.deadline = until;
            if (clock_.on_wait) {
                clock_.on_wait();
            } else if (until) {
                if (*until > clock_.now) clock_.now = *until;
            } else if (clock_.waits - clock_.wakes > 10'000) {
                std::fputs("support::manual_clock: the loop waits for what nobody will do\n", stderr);
                std::abort();
            }
        }

        void wake() noexcept override { ++clock_.wakes; }

    private:
        manual_clock& clock_;
    };
};

}  // namespace support
