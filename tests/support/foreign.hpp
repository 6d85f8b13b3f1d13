// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// Awaitables that are not ours: they get a plain coroutine handle and know nothing of cancellation. The test
// resumes them by hand.

#include <coroutine>
#include <utility>

namespace support {

/// Where a task waits until the test calls resume(). One waiter at a time.
class parking {
public:
    parking() = default;
    parking(const parking&) = delete;
    parking& operator=(const parking&) = delete;

    class awaiter {
    public:
        explicit awaiter(parking& place) noexcept : place_(place) {}
        awaiter(const awaiter&) = delete;
        awaiter& operator=(const awaiter&) = delete;

        bool await_ready() const noexcept { return false; }
        void await_suspend(std::coroutine_handle<> waiter) noexcept { place_.waiter_ = waiter; }
        int await_resume() const noexcept { return place_.value_; }

    private:
        parking& place_;
    };

    awaiter operator co_await() noexcept { return awaiter(*this); }

    bool occupied() const noexcept { return waiter_ != nullptr; }

    void resume(int value = 0) {
        value_ = value;
        std::exchange(waiter_, nullptr).resume();
    }

    std::coroutine_handle<> take() noexcept { return std::exchange(waiter_, nullptr); }

private:
    std::coroutine_handle<> waiter_;
    int value_ = 0;
};

/// await_suspend returning bool: suspends or goes on, as the test says; keeps its handle in `place`.
class maybe_suspends {
public:
    explicit maybe_suspends(std::coroutine_handle<>* place) noexcept : place_(place) {}
    maybe_suspends(const maybe_suspends&) = delete;
    maybe_suspends& operator=(const maybe_suspends&) = delete;

    bool await_ready() const noexcept { return false; }
    bool await_suspend(std::coroutine_handle<> waiter) noexcept {
        if (place_ == nullptr) return false;
        *place_ = waiter;
        return true;
    }
    void await_resume() const noexcept {}

private:
    std::coroutine_handle<>* place_;  // null: do not suspend
};

/// await_suspend returning a handle: the awaiting coroutine's own (goes on), or noop (stays suspended).
class returns_handle {
public:
    explicit returns_handle(std::coroutine_handle<>* place) noexcept : place_(place) {}
    returns_handle(const returns_handle&) = delete;
    returns_handle& operator=(const returns_handle&) = delete;

    bool await_ready() const noexcept { return false; }
    std::coroutine_handle<> await_suspend(std::coroutine_handle<> waiter) noexcept {
        if (place_ == nullptr) return waiter;
        *place_ = waiter;
        return std::noop_coroutine();
    }
    void await_resume() const noexcept {}

private:
    std::coroutine_handle<>* place_;  // null: go on at once
};

}  // namespace support
