// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

// Programs made of when_any, with_timeout, uncancellable and finally, cancelled at each of their suspensions, in several ways; run on
// loops that end at each round; and run with each of their frames missing. Whatever happens, no message is lost
// or taken twice, every cleanup and every uncancellable part that has begun comes to its end, and nothing is left.

#include <support/clocks.hpp>
#include <support/journal.hpp>
#include <support/leak_check.hpp>
#include <support/tally.hpp>
#include <support/tasks.hpp>

#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using rondo::bounded_queue;
using rondo::event_loop;
using rondo::finally;
using rondo::task;
using rondo::try_with_timeout;
using rondo::uncancellable;
using rondo::when_all;
using rondo::when_any;
using rondo::with_timeout;
using support::nap;

using duration = support::clock::duration;

/// What a program works on, and what is counted.
class world {
public:
    world() : in(3), out(100) {}

    bounded_queue<int> in;   // 1, 2, 3 ... from the feeder
    bounded_queue<int> out;  // what was moved on
    int fed = 0;             // how many
    std::vector<int> taken;  // by the program
    int alive = 0;           // frames of the program that look at the world
    int bodies = 0;          // that have started
    int cleanups_called = 0;
    int cleanups_ended = 0;
    int commits = 0;  // that have started
    int commits_ended = 0;
    int errors = 0;  // that reached the handler
};

class presence {
public:
    explicit presence(world& w) : world_(&w) { ++w.alive; }
    presence(const presence&) = delete;
    presence& operator=(const presence&) = delete;
    ~presence() { --world_->alive; }

private:
    world* world_;
};

void take(world& w, const std::optional<int>& message) {
    if (message) w.taken.push_back(*message);
}

task<> pops(world& w) {
    const presence here(w);
    take(w, co_await w.in.pop());
    co_await rondo::yield();
}

task<> naps(world& w, duration time) {
    const presence here(w);
    co_await rondo::sleep(time);
}

task<> fails(world& w, duration time) {
    const presence here(w);
    co_await rondo::sleep(time);
    throw std::runtime_error("oops");
}

// Takes a message and moves it on, later: in two steps that belong together.
task<> commit(world& w) {
    const presence here(w);
    ++w.commits;
    const support::call_at_exit ended([&] { ++w.commits_ended; });
    const auto message = co_await try_with_timeout(2ms, w.in.pop());
    const std::size_t before = w.out.size();
    co_await rondo::sleep(1ms);
    if (message) co_await w.out.push(**message);
    CHECK(w.out.size() >= before + (message ? 1 : 0));
}

task<> clean(world& w) {
    const presence here(w);
    co_await rondo::yield();
    auto helper = rondo::spawn(naps(w, 1ms));
    (void)co_await helper.settled();  // cancelled by a loop that ends
    ++w.cleanups_ended;
}

// A cleanup for `finally`, whose body, or caller, counts the body.
auto cleanup(world& w) {
    return [&w] {
        ++w.cleanups_called;
        return clean(w);
    };
}

task<> body(world& w, duration time) {
    const presence here(w);
    ++w.bodies;
    co_await when_any(pops(w), rondo::sleep(time));
}

task<> failing_body(world& w) {
    ++w.bodies;
    co_await fails(w, 1ms);
}

// ---- The programs ----

task<> races(world& w) {
    const presence here(w);
    for (int i = 0; i < 4; ++i) {
        const auto first = co_await when_any(w.in.pop(), rondo::sleep(1500us), w.in.pop());
        if (first.index() == 0) take(w, std::get<0>(first));
        if (first.index() == 2) take(w, std::get<2>(first));
        co_await when_any(naps(w, 1ms), pops(w), naps(w, 1ms));
        co_await when_any(pops(w), rondo::yield(), naps(w, 1ms));
        std::vector<task<>> all;
        for (int n = 0; n < 3; ++n) all.push_back(naps(w, 2ms - n * 1ms));
        const auto winner = co_await when_any(std::move(all));
        CHECK(winner.index == 2);
    }
}

task<> timeouts(world& w) {
    const presence here(w);
    for (int i = 0; i < 4; ++i) {
        const auto message = co_await try_with_timeout(1ms, w.in.pop());
        if (message) take(w, *message);
        const auto at_once = co_await try_with_timeout(0s, w.in.pop());
        if (at_once) take(w, *at_once);
        co_await try_with_timeout(1ms, pops(w));
        co_await try_with_timeout(0s, naps(w, 1ms));
        try {
            co_await with_timeout(1500us, with_timeout(500us * i, naps(w, 1ms)));
        } catch (const rondo::timeout_error&) {
        }
        co_await try_with_timeout(1ms, try_with_timeout(1ms, naps(w, 1ms)));
    }
}

task<> cleanups(world& w) {
    const presence here(w);
    co_await finally(body(w, 3ms), cleanup(w));
    ++w.bodies;
    take(w, co_await finally(w.in.pop(), cleanup(w)));
    ++w.bodies;
    co_await finally(finally(body(w, 1ms), cleanup(w)), cleanup(w));
    try {
        co_await finally(failing_body(w), cleanup(w));
    } catch (const std::runtime_error&) {
    }
}

task<> commits(world& w) {
    const presence here(w);
    for (int i = 0; i < 3; ++i) {
        co_await uncancellable(commit(w));
        co_await rondo::yield();
        co_await try_with_timeout(500us, uncancellable(commit(w)));
        co_await when_any(uncancellable(commit(w)), rondo::sleep(1ms), pops(w));
        co_await when_all(uncancellable(commit(w)), naps(w, 1ms));
    }
}

task<> failures(world& w) {
    const presence here(w);
    for (int i = 0; i < 3; ++i) {
        try {
            co_await when_any(pops(w), fails(w, 1ms), uncancellable(fails(w, 2ms)));
        } catch (const std::runtime_error&) {
        }
        try {
            co_await when_all(uncancellable(commit(w)), try_with_timeout(5ms, fails(w, 1ms)));
        } catch (const std::runtime_error&) {
        }
        try {
            ++w.bodies;
            co_await finally(with_timeout(1ms, when_any(fails(w, 2ms), naps(w, 3ms))), cleanup(w));
        } catch (const rondo::timeout_error&) {
        }
    }
}

task<> inner_child(world& w) {
    const presence here(w);
    ++w.bodies;
    co_await finally(when_any(with_timeout(3ms, pops(w)), uncancellable(commit(w)), naps(w, 4ms)), cleanup(w));
}

task<> everything(world& w) {
    const presence here(w);
    for (int i = 0; i < 2; ++i) {
        auto child = rondo::spawn(inner_child(w));
        try {
            ++w.bodies;
            co_await when_all(
                try_with_timeout(4ms, finally(when_any(pops(w), uncancellable(commit(w)), naps(w, 2ms)), cleanup(w))),
                when_any(try_with_timeout(2ms, uncancellable(commit(w))), when_all(naps(w, 1ms), pops(w)), child),
                uncancellable(try_with_timeout(1ms, when_any(pops(w), naps(w, 3ms)))));
        } catch (const rondo::timeout_error&) {
        }
        child.cancel();
    }
}

using program = task<> (*)(world&);
constexpr program programs[] = {races, timeouts, cleanups, commits, failures, everything};

// ---- The world around them ----

task<> feeds(world& w) {
    for (;;) {
        co_await rondo::sleep(500us);
        co_await w.in.push(w.fed + 1);
        ++w.fed;
    }
}

enum class way { from_outside, posted, by_earlier_timer, by_later_timer, loop_destroyed, loop_closed, last };

task<> cancels_at(support::time_point deadline, std::optional<rondo::join_handle<>>& victim) {
    co_await rondo::sleep_until(deadline);
    if (victim) victim->cancel();
}

class trial {
public:
    explicit trial(bool feeder = true) {
        auto driver = std::make_unique<rondo::testing::virtual_driver>();
        time_ = driver.get();
        loop_.emplace(std::move(driver));
        loop_->on_unhandled_exception([this](std::exception_ptr) { ++w.errors; });
        if (feeder) feeder_.emplace(loop_->spawn(feeds(w)));
    }
    trial(const trial&) = delete;
    trial& operator=(const trial&) = delete;

    event_loop& loop() { return *loop_; }
    bool running() const { return victim && !victim->done(); }

    /// One round, or as much time as it takes until there is one.
    void turn() {
        if (loop_->poll() != 0) return;
        const auto deadline = loop_->next_deadline();
        REQUIRE((deadline || !running()));
        if (deadline) time_->advance(*deadline - time_->now());
    }
    void finish() {
        for (int i = 0; running(); ++i) {
            REQUIRE(i < 10'000);
            turn();
        }
        turn();
    }
    void end_loop() { loop_.reset(); }

    /// Whether all is as it should be, now that the program is gone.
    void check(bool out_of_memory = false) {
        CHECK(w.alive == 0);
        CHECK(w.commits == w.commits_ended);
        if (!out_of_memory) {
            CHECK(w.cleanups_called == w.bodies);
            CHECK(w.cleanups_ended == w.bodies);
        }
        std::vector<int> all = w.taken;
        while (const auto message = w.in.try_pop()) all.push_back(*message);
        while (const auto message = w.out.try_pop()) all.push_back(*message);
        std::sort(all.begin(), all.end());
        CHECK(std::adjacent_find(all.begin(), all.end()) == all.end());
        if (!out_of_memory) CHECK(static_cast<int>(all.size()) >= w.fed);
    }

    world w;
    std::optional<rondo::join_handle<>> victim;

private:
    rondo::testing::virtual_driver* time_ = nullptr;
    std::optional<event_loop> loop_;
    std::optional<rondo::join_handle<>> feeder_;
};

/// Cancels `p` at its kth turn. False: it had ended by then.
bool cancelled_at(program p, way how, int k) {
    trial t;
    const auto deadline = support::time_point() + k * 250us;
    if (how == way::by_earlier_timer) t.loop().spawn(cancels_at(deadline, t.victim));
    t.victim.emplace(t.loop().spawn(p(t.w)));
    if (how == way::by_later_timer) t.loop().spawn(cancels_at(deadline, t.victim));
    const bool timed = how == way::by_earlier_timer || how == way::by_later_timer;
    if (timed) {
        for (int i = 0; i < 10'000 && t.running() && t.loop().now() <= deadline; ++i) t.turn();
        const bool ended = t.loop().now() < deadline;
        t.finish();
        t.end_loop();
        t.check();
        return !ended;
    }
    for (int i = 0; i < k && t.running(); ++i) t.turn();
    const bool was_running = t.running();
    if (how == way::from_outside) {
        t.victim->cancel();
        t.finish();
    } else if (how == way::posted) {
        t.loop().post([&] { t.victim->cancel(); });
        t.finish();
    } else if (how == way::loop_closed) {
        for (int i = 0; !t.loop().close(); ++i) {
            REQUIRE(i < 10'000);
            t.turn();
        }
    }
    t.end_loop();
    CHECK(t.victim->done());
    t.check();
    return was_running;
}

}  // namespace

TEST_CASE("programs that nobody disturbs come to their end, with every cleanup") {
    for (const program p : programs) {
        trial t;
        t.victim.emplace(t.loop().spawn(p(t.w)));
        t.finish();
        t.end_loop();
        t.check();
        CHECK(t.w.bodies + t.w.commits + static_cast<int>(t.w.taken.size()) > 5);
    }
}

TEST_CASE("programs may be cancelled at any suspension, in any way, and their loops be ended") {
    for (const program p : programs) {
        for (way how = way::from_outside; how != way::last; how = static_cast<way>(static_cast<int>(how) + 1)) {
            int k = 0;
            while (k < 2000 && cancelled_at(p, how, k)) ++k;
            CAPTURE(static_cast<int>(how));
            CHECK(k > 5);
            CHECK(k < 2000);
            support::tally::add("cancellations", static_cast<std::size_t>(k));
        }
    }
}

TEST_CASE("programs may be cancelled twice") {
    for (const program p : programs) {
        for (int k = 0;; ++k) {
            trial t;
            t.victim.emplace(t.loop().spawn(p(t.w)));
            for (int i = 0; i < k && t.running(); ++i) t.turn();
            if (!t.running()) break;
            t.victim->cancel();
            for (int i = 0; i < 3 && t.running(); ++i) {
                t.turn();
                t.victim->cancel();
            }
            t.finish();
            t.end_loop();
            t.check();
            support::tally::add("cancellations", 1);
        }
    }
}

TEST_CASE("programs whose frames cannot be allocated fail with std::bad_alloc, and leave nothing") {
    for (const program p : programs) {
        std::size_t n = 1;
        for (bool happened = true; happened && n < 2000; ++n) {
            trial t;
            {
                const rondo::testing::fail_frame_allocation guard(n);
                try {
                    t.victim.emplace(t.loop().spawn(p(t.w)));
                    for (int i = 0; t.running(); ++i) {
                        REQUIRE(i < 10'000);
                        t.turn();
                    }
                } catch (const std::bad_alloc&) {
                    CHECK(!t.victim);  // spawn has thrown
                }
                happened = guard.happened();
            }
            const int before = t.w.errors;
            t.victim.reset();
            t.turn();
            CHECK(t.w.errors <= before + 1);
            t.end_loop();
            t.check(true);
        }
        CHECK(n > 10);
        CHECK(n < 2000);
        support::tally::add("allocations", n - 2);
    }
}
