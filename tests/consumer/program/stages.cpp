#include "stages.hpp"

#include <chrono>
#include <string>

rondo::task<> produce(line_queue& lines, int count) {
    for (int n = 0; n < count; ++n) {
        std::string line(static_cast<std::size_t>(n), 'x');
        co_await lines.push(line);
        co_await rondo::sleep(std::chrono::microseconds(1));
    }
    lines.close();
}

rondo::task<int> count_letters(line_queue& lines) {
    int letters = 0;
    for (;;) {
        auto line = co_await lines.pop();
        if (!line) break;
        letters += static_cast<int>(line->size());
    }
    co_return letters;
}

rondo::join_handle<int> start_counting(line_queue& lines) { return rondo::spawn(count_letters(lines), "counting"); }
