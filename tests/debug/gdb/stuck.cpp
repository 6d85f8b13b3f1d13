// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

// A program that is stuck: two tasks of a group wait for each other, so that the main task waits for ever, and somebody sleeps
// for an hour. Says `ready PID` when it is so.

#include <rondo/rondo.hpp>

#include <chrono>
#include <cstdio>

#include <unistd.h>

using namespace std::chrono_literals;

rondo::task<> transfer(rondo::mutex& from, rondo::mutex& to) {
    auto first = co_await from.scoped_lock();
    co_await rondo::yield();
    auto second = co_await to.scoped_lock();  // [transfer]
}

rondo::task<> rest() { co_await rondo::sleep(1h); }  // [rest]

rondo::task<> serve() {
    co_await rondo::sleep(10ms);
    std::printf("ready %ld\n", static_cast<long>(getpid()));
    std::fflush(stdout);
    co_await rest();  // [serve]
}

rondo::task<> bank() {
    rondo::mutex savings, current;
    rondo::spawn(serve(), "server");
    co_await rondo::with_task_group([&](rondo::task_group& group) -> rondo::task<> {  // [bank]
        group.spawn(transfer(savings, current), "deposit");
        group.spawn(transfer(current, savings), "withdrawal");
        co_return;
    });
}

int main() {
    rondo::event_loop loop;
    const rondo::work_guard guard = loop.keep_alive();
    loop.run(bank());
}
