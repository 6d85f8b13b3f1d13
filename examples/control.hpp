// For programs that show who has control of a thread, which is to say: whose code it runs.
#pragma once

#include "claims.hpp"
#include "stopwatch.hpp"

#include <chrono>
#include <cstddef>
#include <string>
#include <utility>

namespace example {

enum class control : char { own_code = 'c', call = '.', event_loop = '~' };

/// Writes it down, from begin() on.
class control_record {
public:
    void begin() {
        began_ = since_ = clock::now();
        cpu_time_ = example::cpu_time();
        in_calls_ = clock::duration::zero();
        drawing_.clear();
    }

    /// From now on it is `who`. Returns who it has been.
    control hand_to(control who) {
        const auto now = clock::now();
        if (has_it_ == control::call) in_calls_ += now - since_;
        // A letter for each twentieth of a second. Who has it for less than that may get none.
        drawing_.resize(static_cast<std::size_t>((now - began_) * 20 / second), static_cast<char>(has_it_));
        since_ = now;
        return std::exchange(has_it_, who);
    }

    const std::string& drawing() const { return drawing_; }

    // In seconds, from begin() to the last change of hands:
    double length() const { return std::chrono::duration<double>(since_ - began_) / second; }
    double in_calls() const { return std::chrono::duration<double>(in_calls_) / second; }
    double cpu_time() const { return std::chrono::duration<double>(example::cpu_time() - cpu_time_) / second; }

private:
    control has_it_ = control::own_code;
    clock::time_point began_;
    clock::time_point since_;
    clock::duration in_calls_{};
    std::string drawing_;
    double cpu_time_ = 0;
};

/// Of the thread that main runs on.
inline control_record thread_record;

/// While it lives, somebody else has control.
class hand_over {
public:
    explicit hand_over(control to) : from_(thread_record.hand_to(to)) {}
    hand_over(const hand_over&) = delete;
    hand_over& operator=(const hand_over&) = delete;
    ~hand_over() { thread_record.hand_to(from_); }

private:
    control from_;
};

}  // namespace example
