// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// An API with callbacks, which the test answers by hand, and tasks that ask it.

#include <support/journal.hpp>

#include <rondo/bridge/from_callback.hpp>
#include <rondo/core/task.hpp>
#include <rondo/loop/sleep.hpp>

#include <chrono>
#include <string>
#include <utility>
#include <vector>

namespace support {

/// Keeps what it is to call until the test answers.
template <class T>
class legacy {
public:
    legacy() = default;
    legacy(const legacy&) = delete;
    legacy& operator=(const legacy&) = delete;

    void ask(rondo::callback<T> done) {
        ++asked;
        waiting.push_back(std::move(done));
    }
    /// Takes the oldest question out, and answers it.
    template <class... Args>
    void answer(Args&&... args) {
        take()(std::forward<Args>(args)...);
    }
    rondo::callback<T> take() {
        rondo::callback<T> oldest = std::move(waiting.front());
        waiting.erase(waiting.begin());
        return oldest;
    }

    std::vector<rondo::callback<T>> waiting;
    int asked = 0;
    int withdrawn = 0;
};

/// The awaitable: asks `api`; where it is cancelled, that is noted and the question stays.
template <class T>
auto ask(legacy<T>& api) {
    return rondo::from_callback<T>([&api](rondo::callback<T> done) { api.ask(std::move(done)); },
                                   [&api] { ++api.withdrawn; });
}

template <class T>
rondo::task<T> asks(legacy<T>& api) {
    co_return co_await ask(api);
}

inline rondo::task<> asks_and_notes(legacy<int>& api, lines& log, std::string name = {}) {
    note_at_exit gone(log, name + "gone");
    log.push_back(name + "asks");
    const int value = co_await ask(api);
    log.push_back(name + "got " + std::to_string(value));
}

inline rondo::task<> answer_after(legacy<int>& api, int value, std::chrono::steady_clock::duration time) {
    co_await rondo::sleep(time);
    api.answer(value);
}

}  // namespace support
