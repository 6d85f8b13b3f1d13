// What the programs of this folder share: how long a simulated second lasts, and lines that tell the time.
#pragma once

#include <chrono>
#include <cstdlib>
#include <iostream>
#include <string>

namespace example {

using clock = std::chrono::steady_clock;

/// How long one "second" of these programs lasts. `--second 50` makes it 50 milliseconds, for the impatient.
inline std::chrono::microseconds second = std::chrono::seconds(1);

/// When begin() was called last.
inline clock::time_point start_time = clock::now();

/// Prints one line, led by the simulated seconds that have passed since begin().
template <class... Parts>
void say(const Parts&... parts) {
    const auto tenths = (clock::now() - start_time) * 10 / second;
    std::cout << '[' << tenths / 10 << '.' << tenths % 10 << " s] ";
    (std::cout << ... << parts) << std::endl;
}

/// Reads the options, starts the stopwatch and says so.
inline void begin(int argc, char** argv) {
    for (int i = 1; i < argc; i += 2) {
        const int milliseconds = i + 1 < argc ? std::atoi(argv[i + 1]) : 0;
        if (std::string(argv[i]) != "--second" || milliseconds <= 0) {
            std::cerr << "usage: " << argv[0] << " [--second MILLISECONDS]\n";
            std::exit(2);
        }
        second = std::chrono::milliseconds(milliseconds);
    }
    start_time = clock::now();
    say("started");
}

}  // namespace example
