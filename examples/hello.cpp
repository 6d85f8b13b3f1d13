// Ten lines that run: three things wait at the same time, on one thread.

// [hello]
#include <rondo/rondo.hpp>

#include <cstdio>

rondo::task<> cook(const char* dish, int ms) {
    co_await rondo::sleep(std::chrono::milliseconds(ms));  // the others go on meanwhile
    std::printf("%s is ready\n", dish);
}

rondo::task<> breakfast() {  // takes 300 ms, not 600
    co_await rondo::when_all(cook("coffee", 300), cook("egg", 200), cook("toast", 100));
}

int main() { rondo::run(breakfast()); }
// [/hello]

// Output:
// toast is ready
// egg is ready
// coffee is ready
