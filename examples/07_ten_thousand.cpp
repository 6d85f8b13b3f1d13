// 07: ten thousand downloads at once, from a vector. Still one second and one thread, and what a
// waiting download costs is a few hundred bytes.

#include "stopwatch.hpp"

#include <rondo/rondo.hpp>

#include <fstream>
#include <string>
#include <utility>
#include <vector>

using example::say;

// The memory this process occupies, in bytes; 0 where the system does not tell (it does on Linux).
long resident_bytes() {
    std::ifstream status("/proc/self/status");
    long kilobytes = 0;
    for (std::string word; status >> word;) {
        if (word == "VmRSS:") {
            status >> kilobytes;
        }
    }
    return kilobytes * 1024;
}

// [download]
rondo::task<int> download_page(int n) {
    co_await rondo::sleep(example::second);
    co_return n;
}
// [/download]

// [measure]
rondo::task<> measure(int count, long before) {
    co_await rondo::sleep(example::second / 2);  // by now every download is waiting
    const long bytes = resident_bytes() - before;
    say(count, " downloads wait, in ", bytes / 1024, " KiB: ", bytes / count, " bytes each");
}
// [/measure]

// [many]
rondo::task<> many_pages(int count) {
    rondo::spawn(measure(count, resident_bytes()), "measure");

    std::vector<rondo::task<int>> pages;
    for (int n = 1; n <= count; ++n) {
        pages.push_back(download_page(n));
    }
    const std::vector<int> results = co_await rondo::when_all(std::move(pages));
    say("complete downloads: ", results.size(), ", the last is url_", results.back());
}
// [/many]

int main(int argc, char** argv) {
    example::begin(argc, argv);
    rondo::run(many_pages(10'000));
    say("finished");
    return 0;
}

// Output:
// [0.0 s] started
// [0.5 s] 10000 downloads wait, in ... KiB: ... bytes each
// [1.0 s] complete downloads: 10000, the last is url_10000
// [1.0 s] finished
