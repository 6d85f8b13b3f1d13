// The numbered programs, one after another, and a table of what each took: from 5 s to 1 s.
//
//     walkthrough [--second MILLISECONDS] [--timeline FILE.svg or FILE.json]
//
// Draws one timeline for each, into FILE_1.svg to FILE_9.svg.

#include "stopwatch.hpp"

#include <rondo/debug.hpp>
#include <rondo/rondo.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

// Every program becomes a namespace, in which main() is a function like any other. What the programs
// include stands above already, so that their own #include lines add nothing here.
namespace step_1 {
#include "01_blocking.cpp"
}
namespace step_2 {
#include "02_lazy_task.cpp"
}
namespace step_3 {
#include "03_blocking_in_coroutine.cpp"
}
namespace step_4 {
#include "04_await_in_sequence.cpp"
}
namespace step_5 {
#include "05_run.cpp"
}
namespace step_6 {
#include "06_when_all.cpp"
}
namespace step_7 {
#include "07_ten_thousand.cpp"
}
namespace step_8 {
#include "08_spawn_and_join.cpp"
}
namespace step_9 {
#include "09_queue.cpp"
}

struct step {
    const char* name;
    int downloads;  // how many the program makes
    int (*main)(int argc, char** argv);
    double seconds = 0;  // how long it took
};

/// What step `number` is given of what the walkthrough was given: its own name, and a file of its own for its timeline.
std::vector<std::string> arguments_for(const step& each, int number, int argc, char** argv) {
    std::vector<std::string> arguments{each.name};
    for (int i = 1; i < argc; ++i) {
        arguments.emplace_back(argv[i]);
        if (std::string(argv[i - 1]) == "--timeline") {
            std::string& file = arguments.back();
            const std::size_t dot = file.rfind('.');
            file.insert(dot == std::string::npos ? file.size() : dot, "_" + std::to_string(number));
        }
    }
    return arguments;
}

void print_time(const char* what) {
    const std::time_t now = std::time(nullptr);
    std::array<char, 16> text{};
    std::strftime(text.data(), text.size(), "%H:%M:%S", std::localtime(&now));
    std::printf("%s %s\n", what, text.data());
    std::fflush(stdout);
}

int main(int argc, char** argv) {
    std::array<step, 9> steps{{{"blocking", 5, step_1::main},
                               {"a lazy task", 1, step_2::main},
                               {"blocking in a coroutine", 5, step_3::main},
                               {"await in sequence", 5, step_4::main},
                               {"run", 2, step_5::main},
                               {"when_all", 5, step_6::main},
                               {"ten thousand", 10'000, step_7::main},
                               {"spawn and join", 5, step_8::main},
                               {"a queue, two consumers", 6, step_9::main}}};

    int number = 0;
    for (step& each : steps) {
        std::printf("\n--- step %d: %s\n", ++number, each.name);
        print_time("start ");
        const auto start = std::chrono::steady_clock::now();
        std::vector<std::string> arguments = arguments_for(each, number, argc, argv);
        std::vector<char*> pointers;
        for (std::string& argument : arguments) {
            pointers.push_back(argument.data());
        }
        each.main(argc, pointers.data());
        each.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
        print_time("finish");
    }

    // Speed-up: how long the blocking program would take for as many downloads, over what this one took.
    const double blocking = steps[0].seconds / steps[0].downloads;
    std::printf("\n%-29s %9s %10s %9s\n", "step", "downloads", "wall time", "speed-up");
    number = 0;
    for (const step& each : steps) {
        const double speed_up = blocking * each.downloads / each.seconds;
        std::printf("%d. %-26s %9d %8.3f s %8.1fx\n", ++number, each.name, each.downloads, each.seconds, speed_up);
    }
}

// Output, after that of the nine programs (times differ from machine to machine):
// step                          downloads  wall time  speed-up
// 1. blocking                           5    5.001 s      1.0x
// 2. a lazy task                        1    1.000 s      1.0x
// 3. blocking in a coroutine            5    5.003 s      1.0x
// 4. await in sequence                  5    5.001 s      1.0x
// 5. run                                2    2.001 s      1.0x
// 6. when_all                           5    1.000 s      5.0x
// 7. ten thousand                   10000    1.003 s   9969.9x
// 8. spawn and join                     5    1.000 s      5.0x
// 9. a queue, two consumers             6    3.001 s      2.0x
