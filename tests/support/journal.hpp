// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// What happened, in order: tests compare it with what should have happened.

#include <string>
#include <utility>
#include <vector>

namespace support {

using lines = std::vector<std::string>;

/// Adds a line when it is destroyed; put it first into a scope to see when that scope is left.
class note_at_exit {
public:
    note_at_exit(lines& log, std::string text) : log_(&log), text_(std::move(text)) {}
    note_at_exit(note_at_exit&& other) noexcept : log_(std::exchange(other.log_, nullptr)), text_(other.text_) {}
    note_at_exit& operator=(note_at_exit&&) = delete;
    ~note_at_exit() {
        if (log_ != nullptr) log_->push_back(std::move(text_));
    }

private:
    lines* log_;
    std::string text_;
};

/// Calls a function when it is destroyed: for destructors that do something awkward.
template <class F>
class call_at_exit {
public:
    explicit call_at_exit(F function) : function_(std::move(function)) {}
    call_at_exit(const call_at_exit&) = delete;
    call_at_exit& operator=(const call_at_exit&) = delete;
    ~call_at_exit() { function_(); }

private:
    F function_;
};

}  // namespace support
