// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// Small tasks that many tests need.

#include <support/journal.hpp>

#include <rondo/core/task.hpp>
#include <rondo/loop/sleep.hpp>
#include <rondo/loop/yield.hpp>

#include <chrono>
#include <stdexcept>
#include <string>
#include <utility>

namespace support {

using clock = std::chrono::steady_clock;

/// A wait that nothing ends: no timer is set for it.
inline auto for_ever() { return rondo::sleep((std::chrono::steady_clock::duration::max)()); }

inline rondo::task<> nothing() { co_return; }

template <class T>
rondo::task<T> give(T value) {
    co_return std::move(value);
}

inline rondo::task<> fail(std::string text) {
    throw std::runtime_error(text);
    co_return;
}

inline rondo::task<> nap(clock::duration time) { co_await rondo::sleep(time); }

inline rondo::task<> stuck() { co_await for_ever(); }

inline rondo::task<> yields(int times) {
    for (int i = 0; i < times; ++i) co_await rondo::yield();
}

/// Notes `text` after `time`.
inline rondo::task<> note_after(lines& log, std::string text, clock::duration time) {
    co_await rondo::sleep(time);
    log.push_back(text);
}

/// Notes `text` at once.
inline rondo::task<> note(lines& log, std::string text) {
    log.push_back(text);
    co_return;
}

/// Notes `name` and the round, yielding after each.
inline rondo::task<> rounds(lines& log, std::string name, int times) {
    for (int i = 1; i <= times; ++i) {
        log.push_back(name + std::to_string(i));
        co_await rondo::yield();
    }
}

/// Sleeps for ever; its locals say when they go.
inline rondo::task<> waits_for_ever(lines& log, std::string name) {
    note_at_exit gone(log, name + " gone");
    log.push_back(name + " waits");
    co_await for_ever();
    log.push_back(name + " goes on");
}

}  // namespace support
