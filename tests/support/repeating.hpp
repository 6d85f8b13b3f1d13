// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// What a test that has many runs reads from its environment, and the command that repeats one of them.

#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <optional>
#include <string>

namespace support {

inline std::optional<std::size_t> number_in(const char* variable) {
    const char* const text = std::getenv(variable);
    if (text == nullptr) return std::nullopt;
    return static_cast<std::size_t>(std::strtoull(text, nullptr, 10));
}

/// What `variable` says; else `usual`, and in a long run (tests/run --deep) `deep`.
inline std::size_t number_in(const char* variable, std::size_t usual, std::size_t deep) {
    return number_in(variable).value_or(std::getenv("RONDO_DEEP") == nullptr ? usual : deep);
}

/// `setting`: such as "RONDO_SEED=7".
inline std::string command_with(const std::string& setting) {
#if defined(__GLIBC__)
    const std::string program = program_invocation_name;
#else
    const std::string program = "<this program>";
#endif
    return "Repeat with: " + setting + ' ' + program;
}

}  // namespace support
