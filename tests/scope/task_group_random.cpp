// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

// Random programs of nested groups, whose tasks wait, spawn into any group above them, fail, cancel one another, cancel groups, and do
// some of it from destructors and cleanups. Every exception reaches exactly one place, and no parent outruns a child.

#include <support/foreign.hpp>
#include <support/household.hpp>
#include <support/journal.hpp>
#include <support/leak_check.hpp>
#include <support/seeds.hpp>
#include <support/stepped_loop.hpp>
#include <support/tasks.hpp>
#include <support/tracked.hpp>

#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <catch2/catch_test_macros.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <random>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace {

using rondo::join_handle;
using rondo::task;
using rondo::task_group;
using support::call_at_exit;
using support::household;
using support::stepped_loop;
using support::tracked;

class oops : public std::runtime_error {
public:
    explicit oops(std::size_t id) : std::runtime_error("oops"), id_(id) {}
    std::size_t id() const { return id_; }

private:
    std::size_t id_;
};

class random_groups {
public:
    /// What went wrong; empty for nothing.
    static std::string run(unsigned seed) {
        random_groups program(seed);
        program.drive();
        if (program.outrun_ != 0) return "a parent has outrun a child";
        for (const int times : program.told_)
            if (times != 1) return "an exception was told " + std::to_string(times) + " times";
        return program.problem_;
    }

private:
    explicit random_groups(unsigned seed) : random_(seed) {}

    /// The groups that a task may spawn into: its own and those around it.
    class scope {
    public:
        scope(task_group& g, household& h, const scope* u) : group(&g), home(&h), outer(u) {}
        task_group* group;
        household* home;
        const scope* outer;
    };

    std::size_t below(std::size_t n) { return random_() % n; }
    bool chance(std::size_t one_in) { return below(one_in) == 0; }
    std::chrono::milliseconds some_time() { return std::chrono::milliseconds(below(4)); }

    [[noreturn]] void fail() {
        told_.push_back(0);
        throw oops(told_.size() - 1);
    }
    void tell(const std::exception_ptr& error) {
        try {
            std::rethrow_exception(error);
        } catch (const oops& known) {
            ++told_[known.id()];
        } catch (const std::exception& other) {
            problem_ = other.what();
        }
    }

    const scope& some_scope(const scope& from) {
        const scope* s = &from;
        while (s->outer != nullptr && chance(2)) s = s->outer;
        return *s;
    }

    void spawn(const scope& at, int depth) {
        if (spawned_ > 300) return;
        ++spawned_;
        const scope& s = some_scope(at);
        auto handle = s.group->spawn(child(*this, s, depth));
        if (chance(2)) handles_.push_back(std::move(handle));
    }
    void cancel_one() {
        if (handles_.empty()) return;
        const std::size_t which = below(handles_.size());
        handles_[which].cancel();
    }
    void act(const scope& s, int depth) {
        switch (below(5)) {
            case 0:
                return cancel_one();
            case 1:
                if (chance(6)) some_scope(s).group->cancel();
                return;
            case 2:
                if (chance(8)) root_.cancel();
                return;
            default:
                return spawn(s, depth);
        }
    }

    static task<> wait(random_groups& p) {
        switch (p.below(5)) {
            case 0:
                co_await rondo::yield();
                break;
            case 1:
                if (p.chance(4)) co_await support::for_ever();
                break;
            case 2:
                co_await rondo::try_with_timeout(p.some_time(), support::for_ever());
                break;
            default:
                co_await rondo::sleep(p.some_time());
        }
    }

    static task<> clean(random_groups& p, const scope& s) {
        const household::child here(*s.home);
        if (p.chance(2)) p.act(s, 1);
        co_await rondo::sleep(p.some_time());
        if (p.chance(10)) p.fail();
        if (p.chance(2)) p.act(s, 1);
    }

    // `s` is a part of the frame of the caller of the group, which outlives this task.
    static task<> child(random_groups& p, const scope& s, int depth) {
        const household::child here(*s.home);
        const tracked local(depth);
        const call_at_exit last([&p, &s] {
            if (p.chance(6)) p.act(s, 1);
        });
        for (std::size_t i = p.below(4); i > 0; --i) {
            if (p.chance(2)) p.act(s, depth - 1);
            switch (p.below(depth > 0 ? 6 : 3)) {
                case 0:
                    co_await rondo::uncancellable(rondo::sleep(p.some_time()));
                    break;
                case 1: {
                    auto cleanup = [&p, &s] { return clean(p, s); };
                    co_await rondo::finally(wait(p), cleanup);
                    break;
                }
                case 2:
                    co_await wait(p);
                    break;
                case 3:
                    co_await rondo::when_any(nested(p, &s, depth - 1), wait(p));
                    break;
                case 4:
                    co_await rondo::when_all(nested(p, &s, depth - 1), wait(p));
                    break;
                default:
                    co_await nested(p, &s, depth - 1);
            }
            if (p.chance(15)) p.fail();
        }
    }

    static task<> nested(random_groups& p, const scope* outer, int depth) {
        household home(p.outrun_);
        std::vector<scope> place;  // of the group, once there is one
        std::exception_ptr error;
        try {
            co_await rondo::with_task_group([&p, &home, &place, outer, depth](task_group& group) -> task<> {
                const household::child here(home);
                const scope& s = place.emplace_back(group, home, outer);
                for (std::size_t i = p.below(5); i > 0; --i) {
                    p.spawn(s, depth);
                    if (p.chance(2)) co_await wait(p);
                    if (p.chance(20)) p.fail();
                    if (p.chance(20)) group.cancel();
                }
            });
        } catch (const oops&) {
            error = std::current_exception();
        }
        if (home.at_home() != 0) p.problem_ = "with_task_group has returned before its children";
        if (!error) co_return;
        if (p.chance(2)) std::rethrow_exception(error);
        p.tell(error);
    }

    static task<> top(random_groups& p) {
        std::exception_ptr error;
        try {
            co_await nested(p, nullptr, 4);
        } catch (const oops&) {
            error = std::current_exception();
        }
        if (error) p.tell(error);
    }

    void drive() {
        {
            stepped_loop l;
            l.loop().on_unhandled_exception([this](std::exception_ptr error) { tell(error); });
            root_ = l.loop().spawn(top(*this));
            const std::size_t rounds = chance(2) ? 1'000'000 : below(30);
            for (std::size_t i = 0; i != rounds && l.round(); ++i) {
                if (chance(40)) cancel_one();
                if (chance(100)) root_.cancel();
            }
        }
        if (!root_.done()) problem_ = "a task has outlived its loop";
        handles_.clear();
    }

    std::mt19937 random_;
    std::vector<int> told_;
    std::vector<join_handle<>> handles_;
    join_handle<> root_;
    std::size_t spawned_ = 0;
    int outrun_ = 0;
    std::string problem_;
};

}  // namespace

TEST_CASE("random groups end in order, and tell of each exception once") {
    support::for_seeds(0, 3000, [](unsigned seed) {
        const std::string problem = random_groups::run(seed);
        REQUIRE(problem == "");
        REQUIRE(rondo::testing::live_frames() == 0);
        REQUIRE(tracked::live() == 0);
    });
}
