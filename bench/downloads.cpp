// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

// rondo_bench_downloads MODE N [LATENCY_MS]
//
// N downloads at once, each of which waits so long (100 ms) for a server and does nothing else. MODE: `blocking` (one thread, one
// after another), `thread_each`, `pool` (64 threads), `rondo` (one thread, all at once). A download that blocks sleeps its thread,
// one that does not awaits rondo::sleep. Prints one line of name=value: the time that passes, that of the processor, the
// peak of memory beyond what the program had when it had done a single download, the threads that there were. Where the system
// refuses a thread, the line says so. --smoke: a little of everything; --about: how this was built.
// Exit status: 0, also when refused; 1 when a download is missing; 2 for wrong arguments.

#include <rondo/rondo.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace {

using clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr long pool_size = 64;

struct result {
    long done = 0;     ///< downloads
    long threads = 1;  ///< that of main() and those that were started
    std::error_code refusal = {};
};

// ---- Blocking ----

void download(milliseconds latency) { std::this_thread::sleep_for(latency); }

result one_thread(long n, milliseconds latency) {
    result r;
    for (; r.done < n; ++r.done) download(latency);
    return r;
}

/// As many threads as there are to be, or as the system lets start, each running `work`.
template <class Work>
result in_threads(long count, const Work& work, const std::atomic<long>& done) {
    result r;
    std::vector<std::thread> threads;
    threads.reserve(static_cast<std::size_t>(count));
    try {
        for (long i = 0; i < count; ++i) threads.emplace_back(work);
    } catch (const std::system_error& e) {
        r.refusal = e.code();
    }
    for (std::thread& t : threads) t.join();
    r.threads += static_cast<long>(threads.size());
    r.done = done;
    return r;
}

result thread_each(long n, milliseconds latency) {
    std::atomic<long> done = 0;
    const auto work = [&] {
        download(latency);
        ++done;
    };
    return in_threads(n, work, done);
}

result thread_pool(long n, milliseconds latency, long size) {
    std::atomic<long> next = 0;
    std::atomic<long> done = 0;
    const auto work = [&] {
        while (next++ < n) {
            download(latency);
            ++done;
        }
    };
    return in_threads(size, work, done);
}

// ---- Non-blocking ----

rondo::task<> download(milliseconds latency, long& done) {
    co_await rondo::sleep(latency);
    ++done;
}

rondo::task<> all(long n, milliseconds latency, long& done) {
    std::vector<rondo::task<>> downloads;
    downloads.reserve(static_cast<std::size_t>(n));
    for (long i = 0; i < n; ++i) downloads.push_back(download(latency, done));
    co_await rondo::when_all(std::move(downloads));
}

result tasks(long n, milliseconds latency) {
    result r;
    rondo::run(all(n, latency, r.done));
    return r;
}

// ---- Figures ----

struct mode {
    const char* name;
    result (*work)(long n, milliseconds latency);
    result (*once)(milliseconds latency);  ///< a single download, in the same manner
};

constexpr mode modes[] = {
    {"blocking", one_thread, [](milliseconds latency) { return one_thread(1, latency); }},
    {"thread_each", thread_each, [](milliseconds latency) { return thread_each(1, latency); }},
    {"pool", [](long n, milliseconds latency) { return thread_pool(n, latency, pool_size); },
     [](milliseconds latency) { return thread_pool(1, latency, 1); }},
    {"rondo", tasks, [](milliseconds latency) { return tasks(1, latency); }},
};

/// A field of /proc/self/status, in KiB; 0 where there is none.
long status(const char* field) {
    long kibibytes = 0;
    if (std::FILE* const file = std::fopen("/proc/self/status", "r")) {
        char line[256];
        const std::size_t length = std::strlen(field);
        while (std::fgets(line, sizeof line, file))
            if (std::strncmp(line, field, length) == 0) std::sscanf(line + length, ": %ld", &kibibytes);
        std::fclose(file);
    }
    return kibibytes;
}

/// So that VmHWM is the peak from here on, not that of the program's start.
void forget_peak() {
    if (std::FILE* const file = std::fopen("/proc/self/clear_refs", "w")) {
        std::fputs("5", file);
        std::fclose(file);
    }
}

bool measure(const mode& m, long n, milliseconds latency) {
    m.once(milliseconds(1));  // what is paged in and set up once is the program's, not that of the downloads
    status("VmRSS");
    forget_peak();
    const long memory = status("VmRSS");
    const std::clock_t cpu = std::clock();
    const clock::time_point start = clock::now();

    const result r = m.work(n, latency);

    const std::chrono::duration<double, std::milli> wall = clock::now() - start;
    const double cpu_ms = 1e3 * static_cast<double>(std::clock() - cpu) / CLOCKS_PER_SEC;
    const long peak = status("VmHWM") - memory;
    std::printf(
        "mode=%s downloads=%ld latency_ms=%ld wall_ms=%.3f cpu_ms=%.3f memory_kib=%ld threads=%ld status=%s%s%s\n",
        m.name, n, static_cast<long>(latency.count()), wall.count(), cpu_ms, peak > 0 ? peak : 0, r.threads,
        r.refusal ? "refused" : "done", r.refusal ? " why=" : "", r.refusal ? r.refusal.message().c_str() : "");
    std::fflush(stdout);
    if (r.done == n || r.refusal) return true;
    std::fprintf(stderr, "%ld of %ld downloads were done\n", r.done, n);
    return false;
}

bool smoke() {
    bool good = true;
    for (const mode& m : modes)
        for (const long n : {0L, 1L, 100L}) good = measure(m, n, milliseconds(1)) && good;
    return good;
}

void about() {
#ifdef __OPTIMIZE__
    const int optimised = 1;
#else
    const int optimised = 0;
#endif
#if defined(__clang__)
    std::printf("optimised=%d compiler=clang++ version=%d.%d.%d\n", optimised, __clang_major__, __clang_minor__,
                __clang_patchlevel__);
#elif defined(__GNUC__)
    std::printf("optimised=%d compiler=g++ version=%d.%d.%d\n", optimised, __GNUC__, __GNUC_MINOR__,
                __GNUC_PATCHLEVEL__);
#else
    std::printf("optimised=%d compiler=unknown version=unknown\n", optimised);
#endif
}

/// A number of at least 0; -1 for anything else.
long number(const char* text) {
    char* end = nullptr;
    const long n = std::strtol(text, &end, 10);
    return end != text && *end == '\0' && n >= 0 ? n : -1;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc == 2 && std::strcmp(argv[1], "--smoke") == 0) return smoke() ? 0 : 1;
    if (argc == 2 && std::strcmp(argv[1], "--about") == 0) return about(), 0;
    if (argc == 3 || argc == 4) {
        const long n = number(argv[2]);
        const long latency = argc == 4 ? number(argv[3]) : 100;
        for (const mode& m : modes)
            if (std::strcmp(m.name, argv[1]) == 0 && n >= 0 && latency >= 0)
                return measure(m, n, milliseconds(latency)) ? 0 : 1;
    }
    std::fprintf(stderr, "%s blocking|thread_each|pool|rondo N [LATENCY_MS], or --smoke, or --about\n", argv[0]);
    return 2;
}
