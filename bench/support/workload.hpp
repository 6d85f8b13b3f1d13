// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// A bench is a program with a list of workloads, each written once for rondo and once for the bare loop, or for a peer:
//
//     int main(int argc, char** argv) {
//         return bench::run(argc, argv, {{"await_child/rondo", await_child, 10'000}, {"await_child/bare", ...}});
//     }
//
//     PROGRAM [--benchmark_...]        Google Benchmark: CPU time of the process per operation, and as counters what an
//                                      operation asks operator new for once memory is recycled
//     PROGRAM --operations NAME N      N operations of one workload and nothing else, for callgrind
//     PROGRAM --resident NAME N        the same; prints the bytes of memory made resident at its peak, per operation
//     PROGRAM --allocated NAME N       the same; prints how many bytes it asked operator new for, per operation
//     PROGRAM --smoke                  each workload with few operations: whether it works
//
// Built without optimisation, Google Benchmark does not run unless --unoptimised comes first.
// Included by one source file of each program, for it replaces operator new.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <new>

namespace bench {

enum class measured { processor_time, wall_clock, memory };

struct workload {
    const char* name;      ///< question/contestant
    void (*work)(long n);  ///< Does n operations, from nothing to nothing, and ends the program if a result is wrong.
    long operations;       ///< How many at once when the time is taken.
    measured by = measured::processor_time;
};

/// Ends the program unless the work has been done.
inline void expect(bool done) {
    if (done) return;
    std::fputs("the work was not done\n", stderr);
    std::abort();
}

namespace detail {

inline std::atomic<bool> counts{false};  // while nobody asks, an allocation costs what it costs elsewhere
inline std::atomic<long> allocations{0};
inline std::atomic<long> bytes{0};

struct allocated {
    double times = 0, bytes = 0;
};

inline allocated allocated_by(const workload& w, long n) {
    allocations = bytes = 0;
    counts = true;
    w.work(n);
    counts = false;
    return {static_cast<double>(allocations), static_cast<double>(bytes)};
}

/// Per operation: what 3n need beyond n, so that what it takes to begin cancels out. Memory that is recycled has been
/// asked for by then.
inline allocated allocated_in_the_long_run(const workload& w) {
    const long n = std::min(w.operations, 10'000L);
    w.work(3 * n);
    const allocated few = allocated_by(w, n);
    const allocated many = allocated_by(w, 3 * n);
    const double operations = static_cast<double>(2 * n);
    return {(many.times - few.times) / operations, (many.bytes - few.bytes) / operations};
}

/// A field of /proc/self/status, in bytes.
inline long status(const char* field) {
    long kibibytes = 0;
    if (std::FILE* const file = std::fopen("/proc/self/status", "r")) {
        char line[256];
        while (std::fgets(line, sizeof line, file))
            if (std::strncmp(line, field, std::strlen(field)) == 0)
                kibibytes = std::atol(line + std::strlen(field) + 1);
        std::fclose(file);
    }
    return kibibytes * 1024;
}

inline int measure_all(int argc, char** argv, std::initializer_list<workload> workloads) {
    for (const workload& w : workloads) {
        if (w.by == measured::memory) continue;
        auto times = [w, counted = allocated{}, has_counted = false](benchmark::State& state) mutable {
            if (!has_counted) counted = allocated_in_the_long_run(w);
            has_counted = true;
            state.counters["allocations"] = counted.times;
            state.counters["bytes"] = counted.bytes;
            while (state.KeepRunningBatch(w.operations)) w.work(w.operations);
        };
        benchmark::internal::Benchmark* const b = benchmark::RegisterBenchmark(w.name, times);
        b->MeasureProcessCPUTime();
        if (w.by == measured::wall_clock) b->UseRealTime();
    }
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
    benchmark::RunSpecifiedBenchmarks();
    benchmark::Shutdown();
    return 0;
}

inline int smoke(std::initializer_list<workload> workloads) {
    for (const workload& w : workloads) {
        std::puts(w.name);
        std::fflush(stdout);
        w.work(std::min(w.operations, 1'000L));
    }
    return 0;
}

}  // namespace detail

inline int run(int argc, char** argv, std::initializer_list<workload> workloads) {
    const auto is = [&](const char* option, int arguments) {
        return argc == 2 + arguments && std::strcmp(argv[1], option) == 0;
    };
    if (is("--smoke", 0)) return detail::smoke(workloads);

    const bool resident = is("--resident", 2), allocated = is("--allocated", 2);
    if (resident || allocated || is("--operations", 2)) {
        const long n = std::atol(argv[3]);
        for (const workload& w : workloads) {
            if (n < 1 || std::strcmp(w.name, argv[2]) != 0) continue;
            if (allocated) return std::printf("%.0f\n", detail::allocated_by(w, n).bytes / static_cast<double>(n)) < 0;
            const long before = detail::status("VmRSS");
            w.work(n);
            if (!resident) return 0;
            return std::printf("%.0f\n",
                               static_cast<double>(detail::status("VmHWM") - before) / static_cast<double>(n)) < 0;
        }
        std::fprintf(stderr, "%s: no workload %s, or not a number of operations: %s\n", argv[0], argv[2], argv[3]);
        return 2;
    }

    const bool unoptimised = argc > 1 && std::strcmp(argv[1], "--unoptimised") == 0;
#if !defined(__OPTIMIZE__) && !(defined(_MSC_VER) && defined(NDEBUG))
    if (!unoptimised) {
        std::fprintf(stderr, "%s was built without optimisation: its times mean nothing. (--unoptimised runs it.)\n",
                     argv[0]);
        return 3;
    }
#endif
    return detail::measure_all(argc - unoptimised, argv + unoptimised, workloads);
}

}  // namespace bench

// What counts allocations. Not inline, as the language wants it, nor inlined, as that of the standard library is not.
[[gnu::noinline]] void* operator new(std::size_t size) {
    if (bench::detail::counts.load(std::memory_order_relaxed)) [[unlikely]] {
        bench::detail::allocations.fetch_add(1, std::memory_order_relaxed);
        bench::detail::bytes.fetch_add(static_cast<long>(size), std::memory_order_relaxed);
    }
    if (void* const memory = std::malloc(size ? size : 1)) return memory;
    throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
