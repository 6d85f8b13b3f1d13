#include "stages.hpp"

#include <tuple>
#include <variant>

rondo::task<int> pipeline() {
    line_queue lines(2);
    auto counting = start_counting(lines);
    co_await produce(lines, 5);
    const int first = co_await counting;

    line_queue more(1);
    auto results = co_await rondo::when_all(produce(more, 4), count_letters(more));
    co_await rondo::yield();
    co_return first + std::get<1>(results);
}

int main() { return rondo::run(pipeline()) == 0 + 1 + 2 + 3 + 4 + 0 + 1 + 2 + 3 ? 0 : 1; }
