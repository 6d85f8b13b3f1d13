// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// An operation that speaks rondo's own awaiter protocol, and that the test completes, withdraws or forgets.

#include <rondo/core/resumer.hpp>
#include <rondo/loop/driver.hpp>

#include <optional>
#include <utility>

namespace support {

/// An operation that nobody completes, and that says what it is.
class described {
public:
    explicit described(const char* what) noexcept : info_(what, this) {}
    described(const char* what, rondo::time_point due) noexcept : described(what) {
        info_.due = due.time_since_epoch().count();
    }
    described(const described&) = delete;
    described& operator=(const described&) = delete;
    bool await_ready() const noexcept { return false; }
    void await_suspend(rondo::resumer) const {}
    void await_resume() const noexcept {}
    bool await_cancel() const noexcept { return true; }
    rondo::wait_info await_describe() const noexcept { return info_; }

private:
    rondo::wait_info info_;
};

class native_operation {
public:
    native_operation() = default;
    native_operation(const native_operation&) = delete;
    native_operation& operator=(const native_operation&) = delete;

    class awaiter {
    public:
        explicit awaiter(native_operation& operation) noexcept : operation_(operation) {}
        awaiter(const awaiter&) = delete;
        awaiter& operator=(const awaiter&) = delete;
        ~awaiter() { ++operation_.destroyed; }

        bool await_ready() const noexcept { return operation_.ready; }
        void await_suspend(rondo::resumer resumer) { operation_.held_.emplace(std::move(resumer)); }
        int await_resume() noexcept {
            ++operation_.resumed;
            return operation_.value;
        }
        bool await_cancel() noexcept {
            ++operation_.cancels;
            if (operation_.withdrawable) operation_.held_.reset();
            return operation_.withdrawable;
        }

    private:
        native_operation& operation_;
    };

    awaiter operator co_await() noexcept { return awaiter(*this); }

    bool waiting() const noexcept { return held_.has_value(); }
    void complete(int result = 0) {
        value = result;
        rondo::resumer resumer = std::move(*held_);
        held_.reset();
        resumer.resume();
    }
    void forget() { held_.reset(); }

    bool ready = false;        // await_ready
    bool withdrawable = true;  // what await_cancel answers
    int value = 0;             // what await_resume gives
    int cancels = 0;           // calls of await_cancel
    int resumed = 0;           // calls of await_resume
    int destroyed = 0;         // awaiters gone

private:
    std::optional<rondo::resumer> held_;
};

}  // namespace support
