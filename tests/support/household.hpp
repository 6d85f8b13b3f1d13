// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// Whether a parent outruns its children.

namespace support {

/// Stands in a parent's frame, and counts children that are still there when it goes.
class household {
public:
    explicit household(int& outrun) noexcept : outrun_(&outrun) {}
    household(const household&) = delete;
    household& operator=(const household&) = delete;
    ~household() { *outrun_ += at_home_; }

    /// Stands in a child's frame.
    class child {
    public:
        explicit child(household& home) noexcept : home_(&home) { ++home_->at_home_; }
        child(const child&) = delete;
        child& operator=(const child&) = delete;
        ~child() { --home_->at_home_; }

    private:
        household* home_;
    };

    int at_home() const noexcept { return at_home_; }

private:
    int* outrun_;
    int at_home_ = 0;
};

}  // namespace support
