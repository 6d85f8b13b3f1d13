// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

// What does it cost to reach a loop from another thread? A million functions posted as fast as one thread can, and the
// way from a loop to that of another thread and back.

#include "support/bare.hpp"
#include "support/workload.hpp"

#include <rondo/rondo.hpp>

#include <functional>
#include <thread>

namespace {

namespace with_rondo {

using rondo::task;

task<> receive(long n) {
    long count = 0;
    rondo::event all_here;
    const rondo::work_guard waits = rondo::event_loop::current().keep_alive();
    std::thread poster([&, loop = rondo::event_loop::current().handle()] {
        for (long i = 0; i < n; ++i)
            loop.post([&] {
                if (++count == n) all_here.set();
            });
    });
    co_await all_here.wait();
    poster.join();
    bench::expect(count == n);
}

task<> wait_for(rondo::event& event) {
    const rondo::work_guard waits = rondo::event_loop::current().keep_alive();
    co_await event.wait();
}

void post_burst(long n) { rondo::run(receive(n)); }

void post_round_trip(long n) {
    rondo::event_loop here, there;
    rondo::event ends_here, ends_there;
    std::thread other([&] { there.run(wait_for(ends_there)); });
    long back = 0;
    const std::function<void()> go = [&] {
        there.post([&] {
            here.post([&] {
                if (++back == n)
                    ends_here.set();
                else
                    go();
            });
        });
    };
    here.post(std::cref(go));
    here.run(wait_for(ends_here));
    there.post([&] { ends_there.set(); });
    other.join();
    bench::expect(back == n);
}

}  // namespace with_rondo

namespace with_bare {

void post_burst(long n) {
    long count = 0;
    bare::loop loop;
    std::thread poster([&] {
        for (long i = 0; i < n; ++i) loop.post([&] { ++count; });
    });
    loop.run_until([&] { return count == n; });
    poster.join();
}

void post_round_trip(long n) {
    bare::loop here, there;
    bool ends_there = false;
    std::thread other([&] { there.run_until([&] { return ends_there; }); });
    long back = 0;
    const std::function<void()> go = [&] {
        there.post([&] {
            here.post([&] {
                if (++back < n) go();
            });
        });
    };
    here.post(std::cref(go));
    here.run_until([&] { return back == n; });
    there.post([&] { ends_there = true; });
    other.join();
    bench::expect(back == n);
}

}  // namespace with_bare

}  // namespace

int main(int argc, char** argv) {
    using bench::measured;
    return bench::run(argc, argv,
                      {{"post_burst/rondo", with_rondo::post_burst, 1'000'000},
                       {"post_burst/bare", with_bare::post_burst, 1'000'000},
                       {"post_round_trip/rondo", with_rondo::post_round_trip, 10'000, measured::wall_clock},
                       {"post_round_trip/bare", with_bare::post_round_trip, 10'000, measured::wall_clock}});
}
