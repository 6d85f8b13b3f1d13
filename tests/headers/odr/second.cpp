// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

#include "unit.hpp"

int first();

int main() {
    // 10 of numbers, 5 letters, 6 of a stream, a timeout, a thread.
    constexpr int expected = 10 + 5 + 6 + 1 + 1;
    return first() == expected && rondo::run(everything()) == expected ? 0 : 1;
}
