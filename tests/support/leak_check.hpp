// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// Include it in every test file: after each test case it looks for frames and tracked values that are left,
// says which test leaks, and makes the program fail.

#include <support/tracked.hpp>

#include <rondo/testing/frames.hpp>

#include <catch2/catch_test_case_info.hpp>
#include <catch2/reporters/catch_reporter_event_listener.hpp>
#include <catch2/reporters/catch_reporter_registrars.hpp>

#include <cstddef>
#include <cstdio>
#include <cstdlib>

namespace support {

class leak_check : public Catch::EventListenerBase {
public:
    using EventListenerBase::EventListenerBase;

    void testCaseEnded(const Catch::TestCaseStats& stats) override {
        const std::size_t frames = rondo::testing::live_frames();
        const int values = tracked::live();
        if (frames == frames_ && values == values_) return;
        std::printf("LEAK: \"%s\" leaves %ld frames and %d tracked values\n", stats.testInfo->name.c_str(),
                    static_cast<long>(frames) - static_cast<long>(frames_), values - values_);
        frames_ = frames;
        values_ = values;
        if (!failed_) std::atexit([] { std::fflush(nullptr), std::_Exit(EXIT_FAILURE); });
        failed_ = true;
    }

private:
    std::size_t frames_ = 0;  // what earlier tests have left
    int values_ = 0;
    bool failed_ = false;
};

}  // namespace support

CATCH_REGISTER_LISTENER(support::leak_check)
