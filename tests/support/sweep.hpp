// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// The same program again and again: cancelled by itself at its first, second, third ... point; destroyed with its loop
// after each round; in a random order of steps. (What testing::cancel_sweep and allocation_sweep do comes on top of it.)

#include <rondo/loop/event_loop.hpp>
#include <rondo/testing/frames.hpp>
#include <rondo/testing/shuffled.hpp>
#include <rondo/testing/virtual_driver.hpp>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <utility>

namespace support {

/// An event loop on virtual time, taken round by round.
class stepped_loop {
public:
    stepped_loop() : stepped_loop(std::make_unique<rondo::testing::virtual_driver>()) {}
    stepped_loop(const stepped_loop&) = delete;
    stepped_loop& operator=(const stepped_loop&) = delete;

    rondo::event_loop& loop() noexcept { return *loop_; }

    /// One round; where nothing is ready, time goes to the next timer before. False when there is nothing left to wait for.
    bool round() {
        const auto next = loop_->next_deadline();
        if (!next) return false;
        if (*next > loop_->now()) driver_->advance(*next - loop_->now());
        loop_->poll();
        return true;
    }
    void rest() {
        while (round()) {
        }
    }

private:
    explicit stepped_loop(std::unique_ptr<rondo::testing::virtual_driver> driver)
        : driver_(driver.get()), loop_(std::make_unique<rondo::event_loop>(std::move(driver))) {}

    rondo::testing::virtual_driver* driver_;
    std::unique_ptr<rondo::event_loop> loop_;
};

/// What a swept program is given: it calls point() wherever it wants to be cancelled by itself.
class sweep {
public:
    sweep() = default;
    sweep(const sweep&) = delete;
    sweep& operator=(const sweep&) = delete;

    void point() {
        if (++points_ == cancelled_at_) handle_->cancel();
    }

    /// What a sweep has seen.
    class tally {
    public:
        tally() = default;
        std::size_t runs = 0;  // the last one undisturbed
        std::size_t completed = 0;
        std::size_t failed = 0;
        std::size_t cancelled = 0;
        std::size_t stuck = 0;       // not done when nothing was left to do
        std::size_t unhandled = 0;   // exceptions that went to on_unhandled_exception
        std::size_t left_early = 0;  // frames alive when the program was done
        bool is_clean() const noexcept { return stuck == 0 && left_early == 0; }
    };

    /// `make(sweep&)` gives the task; `check()` is called when its loop is gone.
    template <class Make, class Check>
    static tally cancel_at_each_point(Make make, Check check) {
        tally t;
        for (bool reached = true; reached;) {
            {
                sweep s;
                s.cancelled_at_ = ++t.runs;
                stepped_loop l;
                l.loop().on_unhandled_exception([&](std::exception_ptr) { ++t.unhandled; });
                s.handle_.emplace(l.loop().spawn(make(s)));
                l.rest();
                reached = s.points_ >= s.cancelled_at_;
                if (!s.handle_->done())
                    ++t.stuck;
                else
                    l.loop().run(look(*s.handle_, t));
                s.handle_.reset();
                t.left_early += rondo::testing::live_frames();
            }
            check();
        }
        return t;
    }
    /// The loop goes with the program in it.
    template <class Make, class Check>
    static std::size_t destroy_after_each_round(Make make, Check check) {
        for (std::size_t k = 0;; ++k) {
            bool done = true;
            {
                sweep s;
                {
                    stepped_loop l;
                    l.loop().on_unhandled_exception([](std::exception_ptr) {});
                    s.handle_.emplace(l.loop().spawn(make(s)));
                    for (std::size_t i = 0; i != k; ++i) l.round();
                    done = s.handle_->done();
                }
                if (!s.handle_->done()) return 0;
            }
            check();
            if (done) return k;
        }
    }
    /// In a random order of steps, for each of so many seeds.
    template <class Make, class Check>
    static void shuffle(Make make, Check check, std::uint64_t seeds) {
        for (std::uint64_t seed = 0; seed != seeds; ++seed) {
            {
                sweep s;
                rondo::testing::shuffled loop(seed);
                loop.run(make(s));
            }
            check();
        }
    }

private:
    static rondo::task<> look(rondo::join_handle<>& handle, tally& t) {
        const rondo::outcome<> ended = co_await handle.settled();
        ++(ended.has_value() ? t.completed : ended.is_cancelled() ? t.cancelled : t.failed);
    }

    std::optional<rondo::join_handle<>> handle_;
    std::size_t points_ = 0;
    std::size_t cancelled_at_ = 0;
};

/// Stands in a parent's frame, and counts children that are still there when it goes.
class household {
public:
    explicit household(int& outrun) noexcept : outrun_(&outrun) {}
    household(const household&) = delete;
    household& operator=(const household&) = delete;
    ~household() { *outrun_ += at_home_; }

    /// Stands in a child's frame.
    class child {
    public:
        explicit child(household& home) noexcept : home_(&home) { ++home_->at_home_; }
        child(const child&) = delete;
        child& operator=(const child&) = delete;
        ~child() { --home_->at_home_; }

    private:
        household* home_;
    };

    int at_home() const noexcept { return at_home_; }

private:
    int* outrun_;
    int at_home_ = 0;
};

}  // namespace support
