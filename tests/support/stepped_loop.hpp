// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// An event loop on virtual time, taken round by round.

#include <rondo/loop/event_loop.hpp>
#include <rondo/testing/virtual_driver.hpp>

#include <memory>
#include <utility>

namespace support {

class stepped_loop {
public:
    stepped_loop() : stepped_loop(std::make_unique<rondo::testing::virtual_driver>()) {}
    stepped_loop(const stepped_loop&) = delete;
    stepped_loop& operator=(const stepped_loop&) = delete;

    rondo::event_loop& loop() noexcept { return *loop_; }

    /// One round; where nothing is ready, time goes to the next timer before. False when there is nothing left to wait for.
    bool round() {
        const auto next = loop_->next_deadline();
        if (!next) return false;
        if (*next > loop_->now()) driver_->advance(*next - loop_->now());
        loop_->poll();
        return true;
    }
    void rest() {
        while (round()) {
        }
    }

private:
    explicit stepped_loop(std::unique_ptr<rondo::testing::virtual_driver> driver)
        : driver_(driver.get()), loop_(std::make_unique<rondo::event_loop>(std::move(driver))) {}

    rondo::testing::virtual_driver* driver_;
    std::unique_ptr<rondo::event_loop> loop_;
};

}  // namespace support
