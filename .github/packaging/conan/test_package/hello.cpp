// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

#include <rondo/rondo.hpp>

#include <cstdio>

rondo::task<int> answer() {
    co_await rondo::yield();
    co_return 42;
}

int main() {
    std::printf("rondo %d.%d.%d\n", rondo::version_major, rondo::version_minor, rondo::version_patch);
    return rondo::run(answer()) == 42 ? 0 : 1;
}
