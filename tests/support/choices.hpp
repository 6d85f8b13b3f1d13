// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// Where a random scenario gets its choices from: a seed, or the bytes that a fuzzer has made up.

#include <cstddef>
#include <cstdint>
#include <random>

namespace support {

class choices {
public:
    /// Endless.
    explicit choices(std::uint_fast32_t seed) : random_(seed) {}
    /// Until the bytes are used up; then they begin anew, and the scenario should wind up. They must outlive this.
    choices(const std::uint8_t* bytes, std::size_t size) noexcept : bytes_(bytes), size_(size), are_bytes_(true) {}

    /// One of 0 ... n - 1.
    std::size_t pick(std::size_t n) {
        if (!are_bytes_) return static_cast<std::size_t>(random_()) % n;
        std::size_t value = 0;
        for (std::size_t range = 1; range < n; range *= 256) value = value * 256 + next_byte();
        return value % n;
    }

    bool are_used_up() const noexcept { return are_bytes_ && used_ >= size_; }

private:
    std::size_t next_byte() noexcept { return size_ == 0 ? 0 : bytes_[used_++ % size_]; }

    std::mt19937 random_;
    const std::uint8_t* bytes_ = nullptr;
    std::size_t size_ = 0;
    std::size_t used_ = 0;
    bool are_bytes_ = false;
};

}  // namespace support
