#pragma once

#include <rondo/rondo.hpp>

#include <string>

// What the translation units pass to each other: tasks, a queue that both use, a handle.
using line_queue = rondo::bounded_queue<std::string>;

rondo::task<> produce(line_queue& lines, int count);
rondo::task<int> count_letters(line_queue& lines);
rondo::join_handle<int> start_counting(line_queue& lines);
