// Ten lines that run: three things wait at the same time, on one thread.

// [hello]
#include <rondo/rondo.hpp>

#include <chrono>
#include <iostream>

using namespace std::chrono_literals;

rondo::task<> cook(const char* dish, std::chrono::milliseconds time) {
    co_await rondo::sleep(time);  // the others go on meanwhile
    std::cout << dish << " is ready\n";
}

rondo::task<> breakfast() {
    const auto start = std::chrono::steady_clock::now();
    co_await rondo::when_all(cook("coffee", 300ms), cook("egg", 200ms), cook("toast", 100ms));
    std::cout << (std::chrono::steady_clock::now() - start) / 100ms << " tenths of a second\n";  // 3, not 6
}

int main() { rondo::run(breakfast()); }
// [/hello]

// Output:
// toast is ready
// egg is ready
// coffee is ready
// 3 tenths of a second
