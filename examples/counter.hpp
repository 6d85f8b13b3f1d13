// The scene of the counter_ programs: a kitchen that needs a second for a burger, and a customer who
// has a book with him. Nothing of rondo is in it. All that the customer calls writes down who has
// control of his thread.
#pragma once

#include "claims.hpp"
#include "control.hpp"
#include "stopwatch.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <future>
#include <iomanip>
#include <iostream>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

namespace counter {

using example::clock;
using example::control;
using example::hand_over;

/// Begins, with seconds that can be told from the moments for which a busy machine does something else.
inline void open(int argc, char** argv) {
    example::begin(argc, argv);
    example::second = std::max<std::chrono::microseconds>(example::second, std::chrono::milliseconds(200));
}

/// A line of the timeline: on the left what the customer's thread does, on the right the kitchen's. From any thread.
inline void tell(std::size_t column, const std::string& what) {
    static std::mutex one_at_a_time;
    const std::lock_guard<std::mutex> lock(one_at_a_time);
    const auto tenths = (clock::now() - example::start_time) * 10 / example::second;
    std::cout << '[' << tenths / 10 << '.' << tenths % 10 << " s] " << std::string(column, ' ') << what << std::endl;
}
inline void customer(const std::string& does) { tell(0, "customer " + does); }

/// Has a thread of its own.
class kitchen {
public:
    kitchen() = default;
    kitchen(const kitchen&) = delete;
    kitchen& operator=(const kitchen&) = delete;
    ~kitchen() {
        if (thread_.joinable()) thread_.join();
    }

    /// Takes an order, and returns at once. When the burger is ready, the kitchen calls `ring`, if it was given one.
    void order(std::function<void()> ring = nullptr) {
        example::thread_record.begin();
        tell(40, "kitchen begins a burger");
        thread_ = std::thread([this, ring = std::move(ring)] {
            std::this_thread::sleep_for(example::second);
            tell(40, "kitchen has it ready");
            is_ready_ = true;
            is_ready_.notify_all();
            if (ring) {
                ++rung_;
                ring();
            }
        });
    }

    /// Is it ready? Returns at once.
    bool is_ready() {
        const hand_over asking(control::call);
        ++asked_;
        return is_ready_;
    }

    /// Is it ready? Returns when it is.
    void wait_until_ready() {
        const hand_over asking(control::call);
        ++asked_;
        is_ready_.wait(false);
    }

    int asked() const { return asked_; }
    int rung() const { return rung_; }

private:
    std::thread thread_;
    std::atomic<bool> is_ready_{false};
    int asked_ = 0;
    int rung_ = 0;
};

/// What the kitchen rings, and the customer can stare at.
class buzzer {
public:
    void ring() { rung_.set_value(); }

    /// Returns when it rings.
    void wait() {
        const hand_over staring(control::call);
        rung_.get_future().wait();
    }

private:
    std::promise<void> rung_;
};

inline int pages = 0;
constexpr double seconds_per_page = 0.3;

/// Work, for which the customer needs his thread.
inline void read_a_page() {
    const hand_over reading(control::own_code);
    customer("reads a page");
    for (const auto end = clock::now() + example::second * seconds_per_page; clock::now() < end;) {
    }
    ++pages;
}

// What was measured from the order to the meal, in seconds.
struct wait {
    double length;
    double in_calls;  // for how long a call had the thread
    double cpu_time;  // how long a processor worked
};

/// The end of the wait.
inline wait eat(const kitchen& burgers) {
    example::control_record& record = example::thread_record;
    record.hand_to(control::own_code);
    const wait was{record.length(), record.in_calls(), record.cpu_time()};
    customer("eats");
    std::cout << "\ncontrol    " << record.drawing() << "    c own code   . a call   ~ the event loop\n"
              << std::fixed << std::setprecision(1) << "asked " << burgers.asked() << ", rung " << burgers.rung()
              << ", pages " << pages << ", in calls " << was.in_calls << " s, CPU time " << was.cpu_time << " s\n";
    return was;
}

}  // namespace counter
