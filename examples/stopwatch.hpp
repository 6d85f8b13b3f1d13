// What the programs of this folder share: how long a simulated second lasts, lines that tell the time, and a picture of it.
#pragma once

#include <rondo/debug.hpp>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <optional>
#include <sstream>
#include <string>
#include <thread>
#include <utility>

namespace example {

using clock = std::chrono::steady_clock;

/// How long one "second" of these programs lasts. `--second 50` makes it 50 milliseconds, for the impatient.
inline std::chrono::microseconds second = std::chrono::seconds(1);

/// When begin() was called last.
inline clock::time_point start_time = clock::now();

/// What is done from begin() to the end of the program, or the next begin(); drawn then. Where `--timeline FILE.svg` asks for it, or
/// `--timeline FILE.json`, for ui.perfetto.dev.
class picture {
public:
    picture(std::string file, std::string title) : file_(std::move(file)), title_(std::move(title)) {}
    picture(const picture&) = delete;
    picture& operator=(const picture&) = delete;
    ~picture() {
        std::ofstream file(file_);
        file << (file_.ends_with(".json") ? recording_.trace_json() : recording_.svg(title_));
        if (!file.flush()) std::cerr << "cannot write " << file_ << '\n';
    }
    void note(const std::string& line) {
        if (std::this_thread::get_id() == thread_) recording_.note(line);  // it shows one thread
    }

private:
    std::string file_;
    std::string title_;
    std::thread::id thread_ = std::this_thread::get_id();
    rondo::debug::timeline recording_;
};
inline std::optional<picture> drawn;

/// Prints one line, led by the simulated seconds that have passed since begin().
template <class... Parts>
void say(const Parts&... parts) {
    const auto tenths = (clock::now() - start_time) * 10 / second;
    std::ostringstream line;
    (line << ... << parts);
    std::cout << '[' << tenths / 10 << '.' << tenths % 10 << " s] " << line.str() << std::endl;
    if (drawn) drawn->note(line.str().substr(line.str().find_first_not_of(' ')));
}

/// Reads the options, starts the stopwatch and says so.
inline void begin(int argc, char** argv) {
    drawn.reset();
    std::string timeline;
    for (int i = 1; i < argc; i += 2) {
        const std::string option = argv[i];
        const int milliseconds = option == "--second" && i + 1 < argc ? std::atoi(argv[i + 1]) : 0;
        if (milliseconds > 0) {
            second = std::chrono::milliseconds(milliseconds);
        } else if (option == "--timeline" && i + 1 < argc) {
            timeline = argv[i + 1];
        } else {
            std::cerr << "usage: " << argv[0] << " [--second MILLISECONDS] [--timeline FILE.svg or FILE.json]\n";
            std::exit(2);
        }
    }
    const std::string program = argv[0];
    if (!timeline.empty()) drawn.emplace(timeline, program.substr(program.find_last_of("/\\") + 1));
    start_time = clock::now();
    say("started");
}

}  // namespace example
