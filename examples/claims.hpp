// For programs that measure what they claim: claims, which are checked, and the CPU time that was used.
#pragma once

#include <ctime>
#include <iostream>
#include <string>

#ifdef _WIN32
#ifndef NOMINMAX
#define NOMINMAX
#endif
#include <windows.h>
#endif

namespace example {

inline bool all_claims_hold = true;

/// Prints a claim, and whether it is borne out by what was measured.
inline void claim(const std::string& text, bool holds) {
    std::cout << (holds ? "true:  " : "FALSE: ") << text << std::endl;
    all_claims_hold = all_claims_hold && holds;
}

/// What main returns: zero if all claims hold.
inline int verdict() { return all_claims_hold ? 0 : 1; }

/// How long processors have worked for this program until now, all its threads together, in seconds.
inline double cpu_time() {
#ifdef _WIN32  // where std::clock tells the time that has passed
    FILETIME begin, end, kernel, user;
    GetProcessTimes(GetCurrentProcess(), &begin, &end, &kernel, &user);
    return 1e-7 *
           (0x1p32 * kernel.dwHighDateTime + kernel.dwLowDateTime + 0x1p32 * user.dwHighDateTime + user.dwLowDateTime);
#else
    return static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
#endif
}

}  // namespace example
