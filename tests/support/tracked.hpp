// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// A value that knows how many of its kind live, and aborts when it is destroyed twice or was copied bit by bit.
// The leak check expects that none is left when a test ends.

#include <cstdio>
#include <cstdlib>
#include <utility>

namespace support {

class tracked {
public:
    explicit tracked(int number = 0) noexcept : number_(number), self_(this) { ++count(); }
    tracked(const tracked& other) noexcept : number_(other.checked()), self_(this) { ++count(); }
    tracked(tracked&& other) noexcept : number_(std::exchange(other.number_, moved_from)), self_(this) {
        other.checked();
        ++count();
    }
    tracked& operator=(const tracked& other) noexcept {
        number_ = other.checked();
        return *this;
    }
    tracked& operator=(tracked&& other) noexcept {
        number_ = std::exchange(other.number_, moved_from);
        return *this;
    }
    ~tracked() {
        checked();
        self_ = nullptr;
        --count();
    }

    int number() const noexcept { return checked(); }

    /// How many live now, in the whole program (the tests that use it have one thread).
    static int live() noexcept { return count(); }

    static constexpr int moved_from = -1;

private:
    static int& count() noexcept {
        static int number_of_live = 0;
        return number_of_live;
    }

    int checked() const noexcept {
        if (self_ != this) {
            std::fputs("support::tracked: destroyed twice, or copied bit by bit\n", stderr);
            std::abort();
        }
        return number_;
    }

    int number_;
    const tracked* self_;  // this, while it lives
};

/// The same, and move-only.
class move_only_tracked : public tracked {
public:
    using tracked::tracked;
    move_only_tracked(move_only_tracked&&) noexcept = default;
    move_only_tracked& operator=(move_only_tracked&&) noexcept = default;
    ~move_only_tracked() = default;
};

}  // namespace support
