// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// A random program: tasks that wait, fail, spawn, join, cancel and drop one another at random, also from destructors
// and from outside the loop, and, if wanted, under when_all. It checks that a cancelled task is gone when cancel()
// returns, that handles tell how their task has really ended, and that every exception reaches exactly one place.

#include <support/choices.hpp>
#include <support/foreign.hpp>
#include <support/native_operation.hpp>

#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <chrono>
#include <cstddef>
#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace support {

class random_program {
public:
    /// Runs one program of about `turns` turns of the loop; gives back what it found wrong.
    static std::vector<std::string> run(choices c, int turns, bool combinators = false) {
        random_program program(std::move(c), combinators);
        program.drive(turns);
        return std::move(program.violations_);
    }

private:
    enum class end { none, value, error };

    struct root {
        root() = default;
        std::optional<rondo::join_handle<>> handle;
        bool cancel_requested = false;
        int in_foreign = 0;  // frames that cannot be withdrawn
        end ended = end::none;
    };

    class oops : public std::runtime_error {
    public:
        explicit oops(std::size_t id) : std::runtime_error("oops"), id_(id) {}
        std::size_t id() const { return id_; }

    private:
        std::size_t id_;
    };

    /// Lives in each task's frame.
    class presence {
    public:
        explicit presence(random_program& program) : program_(program) { ++program_.present_; }
        presence(const presence&) = delete;
        presence& operator=(const presence&) = delete;
        ~presence() {
            --program_.present_;
            if (program_.chance(8)) program_.act_in_destructor();
        }

    private:
        random_program& program_;
    };

    class foreign_mark {
    public:
        explicit foreign_mark(root& r) : root_(r) { ++root_.in_foreign; }
        foreign_mark(const foreign_mark&) = delete;
        foreign_mark& operator=(const foreign_mark&) = delete;
        ~foreign_mark() { --root_.in_foreign; }

    private:
        root& root_;
    };

    random_program(choices c, bool combinators)
        : choices_(std::move(c)), combinators_(combinators), loop_(make_driver()) {
        loop_->on_unhandled_exception([this](std::exception_ptr error) { delivered(error); });
    }

    std::unique_ptr<rondo::event_loop> make_driver() {
        auto driver = std::make_unique<rondo::testing::virtual_driver>();
        driver_ = driver.get();
        return std::make_unique<rondo::event_loop>(std::move(driver));
    }

    // --- chance ---

    std::size_t below(std::size_t n) { return choices_.pick(n); }
    bool chance(std::size_t one_in) { return below(one_in) == 0; }

    void violation(std::string text) { violations_.push_back(std::move(text)); }

    // --- what happens ---

    void spawn(int depth) {
        if (roots_.size() > 5'000) return;
        const std::size_t id = roots_.size();
        roots_.push_back(std::make_unique<root>());
        auto handle = loop_->spawn(top(*this, id, depth));
        if (!chance(4)) roots_[id]->handle.emplace(std::move(handle));
    }

    root* pick() { return roots_.empty() ? nullptr : roots_[below(roots_.size())].get(); }
    /// One of the youngest, which are the likeliest to be alive.
    root* pick_young() {
        if (roots_.empty()) return nullptr;
        const std::size_t young = roots_.size() < 20 ? roots_.size() : 20;
        return roots_[roots_.size() - 1 - below(young)].get();
    }

    void cancel_one(const root* running, bool in_destructor) {
        root* const victim = pick_young();
        if (victim == nullptr || !victim->handle) return;
        if (!victim->handle->done()) victim->cancel_requested = true;
        victim->handle->cancel();
        if (in_destructor || victim == running || victim->in_foreign != 0) return;
        if (victim->handle && !victim->handle->done()) violation("not done after cancel()");
    }

    void drop_one() {
        if (root* const one = pick()) one->handle.reset();
    }

    void act_in_destructor() {
        switch (below(4)) {
            case 0:
                cancel_one(nullptr, true);
                break;
            case 1:
                drop_one();
                break;
            case 2:
                spawn(2);
                break;
            default:
                resume_one();
                break;
        }
    }

    void resume_one() {
        if (parked_.empty()) return;
        const std::size_t which = below(parked_.size());
        const auto handle = parked_[which];
        parked_.erase(parked_.begin() + static_cast<std::ptrdiff_t>(which));
        handle.resume();
    }

    void complete_one() {
        if (operations_.empty()) return;
        native_operation& one = *operations_[below(operations_.size())];
        if (one.waiting()) one.complete();
    }

    [[noreturn]] void fail() {
        thrown_.push_back(0);
        throw oops(thrown_.size() - 1);
    }

    void delivered(const std::exception_ptr& error) {
        try {
            std::rethrow_exception(error);
        } catch (const oops& known) {
            ++thrown_[known.id()];
        } catch (const rondo::cancelled&) {
        } catch (const std::logic_error&) {
        }
    }

    // --- tasks ---

    class park {
    public:
        explicit park(random_program& program) : program_(program) {}
        park(const park&) = delete;
        park& operator=(const park&) = delete;
        bool await_ready() const noexcept { return false; }
        void await_suspend(std::coroutine_handle<> waiter) { program_.parked_.push_back(waiter); }
        void await_resume() const noexcept {}

    private:
        random_program& program_;
    };

    static rondo::task<> top(random_program& program, std::size_t id, int depth) {
        std::exception_ptr failure;
        try {
            co_await body(program, id, depth);
        } catch (...) {
            failure = std::current_exception();
        }
        program.roots_[id]->ended = failure ? end::error : end::value;
        if (failure) std::rethrow_exception(failure);
    }

    static rondo::task<> body(random_program& program, std::size_t id, int depth) {
        const presence here(program);
        root& own = *program.roots_[id];
        for (std::size_t i = program.below(6); i > 0; --i) {
            switch (program.below(program.combinators_ ? 18 : 15)) {
                case 0:
                case 1:
                    co_await rondo::yield();
                    break;
                case 2:
                case 3:
                    co_await rondo::sleep(std::chrono::milliseconds(program.below(4)));
                    break;
                case 4:
                    if (depth < 4) co_await body(program, id, depth + 1);
                    break;
                case 5:
                    if (depth < 4) co_await catches(program, id, depth + 1);
                    break;
                case 6:
                    program.spawn(depth);
                    break;
                case 7:
                    program.cancel_one(&own, false);
                    break;
                case 8:
                    program.drop_one();
                    break;
                case 9:
                    co_await joins(program, program.chance(2));
                    break;
                case 10: {
                    foreign_mark mark(own);
                    co_await park(program);
                    break;
                }
                case 11: {
                    auto operation = std::make_unique<native_operation>();
                    native_operation& one = *operation;
                    one.withdrawable = program.chance(2);
                    std::optional<foreign_mark> mark;
                    if (!one.withdrawable) mark.emplace(own);
                    program.operations_.push_back(std::move(operation));
                    co_await one;
                    break;
                }
                case 12:
                    program.resume_one();
                    break;
                case 13:
                    if (root* const other = program.pick_young(); other != nullptr && other->handle && other != &own) {
                        (void)rondo::spawn(holds(program, std::move(*std::exchange(other->handle, std::nullopt))));
                    }
                    break;
                case 15:
                    if (depth < 3) co_await rondo::when_all(body(program, id, depth + 1), body(program, id, depth + 1));
                    break;
                case 16:
                    if (depth < 3) co_await all_of_three(program, id, depth + 1);
                    break;
                case 17:
                    if (depth < 3) co_await settles_two(program, id, depth + 1);
                    break;
                default:
                    if (program.chance(4)) program.fail();
                    program.loop_->post([&program] { program.cancel_one(nullptr, false); });
                    break;
            }
        }
    }

    static rondo::task<> catches(random_program& program, std::size_t id, int depth) {
        try {
            co_await body(program, id, depth);
        } catch (const oops& error) {
            ++program.thrown_[error.id()];
        }
    }

    static rondo::task<> all_of_three(random_program& program, std::size_t id, int depth) {
        std::vector<rondo::task<>> three;
        for (int i = 0; i < 3; ++i) three.push_back(body(program, id, depth));
        co_await rondo::when_all(std::move(three));
    }

    static rondo::task<> settles_two(random_program& program, std::size_t id, int depth) {
        const auto both = co_await rondo::when_all_settled(body(program, id, depth), body(program, id, depth));
        for (const rondo::outcome<>* one : {&std::get<0>(both), &std::get<1>(both)}) {
            if (one->error() != nullptr) program.delivered(one->error());
        }
    }

    /// Keeps the handle of another task in its frame for a while, and joins it, or not.
    static rondo::task<> holds(random_program& program, rondo::join_handle<> other) {
        const presence here(program);
        co_await rondo::sleep(std::chrono::milliseconds(program.below(3)));
        if (program.chance(2)) co_return;
        const rondo::outcome<> end = co_await other.settled();
        if (end.error() != nullptr) program.delivered(end.error());
    }

    static rondo::task<> joins(random_program& program, bool settled) {
        root* const other = program.pick_young();
        if (other == nullptr || !other->handle) co_return;
        try {
            if (settled) {
                const rondo::outcome<> outcome = co_await other->handle->settled();
                if (outcome.error() != nullptr) program.delivered(outcome.error());
                if (outcome.has_value() != (other->ended == end::value)) program.violation("settled: not a value");
                if (outcome.is_cancelled() && other->ended != end::none) program.violation("settled: not cancelled");
            } else {
                co_await *other->handle;
                if (other->ended != end::value) program.violation("joined a value that is none");
            }
        } catch (const oops& error) {
            ++program.thrown_[error.id()];
            if (other->ended != end::error) program.violation("joined an error that is none");
        } catch (const rondo::cancelled&) {
            if (!other->cancel_requested && !program.closing_) program.violation("cancelled by nobody");
        } catch (const std::logic_error&) {
            // a second joiner, or its own task
        }
    }

    // --- the world outside ---

    void drive(int turns) {
        for (int i = 0; i < 10; ++i) spawn(0);
        for (int turn = 0; turn < turns && !choices_.are_used_up(); ++turn) {
            if (loop_->poll() == 0) driver_->advance(std::chrono::milliseconds(1));
            switch (below(10)) {
                case 0:
                    cancel_one(nullptr, false);
                    break;
                case 1:
                    drop_one();
                    break;
                case 2:
                    spawn(0);
                    break;
                case 3:
                case 4:
                    resume_one();
                    break;
                case 5:
                    complete_one();
                    break;
                default:
                    break;
            }
        }
        closing_ = true;
        if (chance(2)) {
            for (auto& one : roots_) one->handle.reset();
        }
        while (!loop_->close()) {
            while (!parked_.empty()) resume_one();
            for (std::size_t i = 0; i < operations_.size(); ++i) {
                if (operations_[i]->waiting()) operations_[i]->complete();
            }
            loop_->poll();
        }
        loop_.reset();
        for (auto& one : roots_) {
            if (one->handle && !one->handle->done()) violation("not done after the loop");
            one->handle.reset();
        }
        if (present_ != 0) violation("frames are left: " + std::to_string(present_));
        for (const int times : thrown_) {
            if (times != 1) violation("an exception was delivered " + std::to_string(times) + " times");
        }
    }

    choices choices_;
    bool combinators_;
    rondo::testing::virtual_driver* driver_ = nullptr;
    std::unique_ptr<rondo::event_loop> loop_;
    std::vector<std::unique_ptr<root>> roots_;
    std::vector<std::coroutine_handle<>> parked_;
    std::vector<std::unique_ptr<native_operation>> operations_;
    std::vector<int> thrown_;  // how often each exception was delivered
    std::vector<std::string> violations_;
    int present_ = 0;
    bool closing_ = false;
};

}  // namespace support
