// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// What ends the program, seen from outside: runs a function in a child process and says how that ended.

#include <rondo/base/config.hpp>

#if defined(__unix__) || defined(__APPLE__)
#define SUPPORT_HAS_FORK 1
#include <sys/wait.h>
#include <unistd.h>
#else
#define SUPPORT_HAS_FORK 0
#endif

#include <cstdlib>
#include <cstring>
#include <exception>
#include <string>

namespace support {

#if SUPPORT_HAS_FORK

struct ending {
    ending() = default;
    bool fatal = false;       // the fatal hook was called
    bool terminated = false;  // std::terminate was called
    int code = -1;            // of an ordinary exit; 0 when the function returned
    std::string text;         // what the hook was told
};

namespace detail {
inline int report_to = -1;
inline void hook(const char* text) noexcept {
    if (::write(report_to, text, std::strlen(text)) < 0) std::_Exit(5);
}
[[noreturn]] inline void terminate() { std::_Exit(4); }
}  // namespace detail

/// Runs `body()` in a child process. A child that terminates exits with 4, quietly; the hook only takes notes.
template <class F>
ending in_child(F body) {
    int ends[2];
    if (::pipe(ends) != 0) std::abort();
    const ::pid_t child = ::fork();
    if (child == 0) {
        ::close(ends[0]);
        detail::report_to = ends[1];
        std::set_terminate(detail::terminate);
        rondo::set_fatal_handler(detail::hook);
        body();
        std::_Exit(0);
    }
    ::close(ends[1]);
    ending result;
    char buffer[512];
    for (;;) {
        const auto count = ::read(ends[0], buffer, sizeof buffer);
        if (count <= 0) break;
        result.text.append(buffer, static_cast<std::size_t>(count));
    }
    ::close(ends[0]);
    int status = 0;
    ::waitpid(child, &status, 0);
    if (WIFEXITED(status)) result.code = WEXITSTATUS(status);
    result.fatal = !result.text.empty();
    result.terminated = result.code == 4;
    return result;
}

#endif

}  // namespace support
