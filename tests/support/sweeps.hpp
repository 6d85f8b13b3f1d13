// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// A program under the library's own sweeps: cancelled wherever it can be, short of memory for each of its frames, in random orders of
// steps, or in every one. What fails says how to repeat the one run, with the test's name and one of these, which also leaves out all other sweeps:
//
//     RONDO_CANCEL_AT=<steps>      cancelled after so many steps
//     RONDO_END_LOOP_AT=<steps>    its loop ends after so many steps
//     RONDO_CANCEL_IN=<n>          it cancels itself in the nth place where it may; in their order of steps, and in one other
//     RONDO_TIME_OUT_AT=<n>        it times out after n - 1 half milliseconds
//     RONDO_LOSE=<task>.<way>.<n>  one of its tasks is cancelled, and the others go on: in the nth such place (way 0: in their
//                                  order of steps, 1 to 3: in others), or by a task (4), n / 4 half milliseconds and n % 4 rounds later
//     RONDO_FAIL_AT=<n>            the nth allocation of a frame fails
//     RONDO_SEED=<seed>            this order of steps
//     RONDO_SCHEDULE=<schedule>    this one, as explore names it

#include <support/household.hpp>
#include <support/last_words.hpp>
#include <support/seeds.hpp>
#include <support/tally.hpp>
#include <support/tracked.hpp>

#include <rondo/core/task.hpp>
#include <rondo/loop/deadlock_error.hpp>
#include <rondo/loop/event_loop.hpp>
#include <rondo/loop/join_handle.hpp>
#include <rondo/loop/sleep.hpp>
#include <rondo/loop/spawn.hpp>
#include <rondo/loop/yield.hpp>
#include <rondo/scope/with_timeout.hpp>
#include <rondo/testing/allocation_sweep.hpp>
#include <rondo/testing/cancel_sweep.hpp>
#include <rondo/testing/explore.hpp>
#include <rondo/testing/run.hpp>
#include <rondo/testing/shuffled.hpp>

#include <catch2/catch_message.hpp>
#include <catch2/catch_test_macros.hpp>
#include <catch2/interfaces/catch_interfaces_capture.hpp>

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace support {

/// What has befallen a run of a program. (loss: of one of its tasks, without which it has come to its end)
enum class disturbance { none, loss, cancellation, no_memory };

/// A program of the size of an example. It is made anew for each run, and outlives the loop that it runs on.
class swept {
public:
    swept() = default;
    swept(const swept&) = delete;
    swept& operator=(const swept&) = delete;
    virtual ~swept() = default;

    virtual rondo::task<> program() = 0;

    /// After the run: that what must hold then, does.
    virtual void check(disturbance by) { (void)by; }

protected:
    /// Whether its steps were taken in their order, not in a random one.
    bool is_in_order() const noexcept { return is_in_order_; }

    /// A place in the middle of a step where the program may cancel itself, or one of those that it may lose.
    void point() {
        if (++points_ == cancelled_in_) cancel();
    }

    /// One of its tasks without which it comes to its end nevertheless.
    void may_lose(rondo::join_handle<> one) {
        if (losable_++ == victim_) victim_handle_ = std::move(one);
    }

    /// Stands first in a coroutine of the program, whose beginning and end are such places.
    class presence {
    public:
        explicit presence(swept& in) : in_(&in) {
            ++in_->present_;
            in_->point();
        }
        presence(const presence&) = delete;
        presence& operator=(const presence&) = delete;
        ~presence() {
            --in_->present_;
            in_->point();
        }

    private:
        swept* in_;
    };

    int outrun = 0;  // for a household

private:
    friend class sweeps;

    void cancel() {
        was_cancelled_ = true;
        was_too_late_ = victim_ < losable_ && victim_handle_.done();
        victim_handle_.cancel();
    }

    rondo::join_handle<> victim_handle_;
    std::size_t victim_ = static_cast<std::size_t>(-1);  // the whole program
    std::size_t losable_ = 0;
    std::size_t points_ = 0;
    std::size_t cancelled_in_ = 0;
    bool was_cancelled_ = false;
    bool was_too_late_ = false;
    bool is_in_order_ = true;
    int present_ = 0;
};

class sweeps {
public:
    /// All but explore (the orders of what is larger than a few tasks are too many). There must be so many runs at least that a cancellation of
    /// any kind has ended, and so many in which an allocation has failed.
    template <std::derived_from<swept> Program>
    static void all(std::size_t cancelled_at_least, std::size_t failed_at_least) {
        all([] { return std::make_unique<Program>(); }, cancelled_at_least, failed_at_least);
    }
    static void all(std::function<std::unique_ptr<swept>()> make, std::size_t cancelled_at_least,
                    std::size_t failed_at_least) {
        subject s(std::move(make));
        all(s, cancelled_at_least, failed_at_least);
    }

    /// For programs whose steps depend on threads: cancelled after each step, ended with the loop, and short of memory.
    template <std::derived_from<swept> Program>
    static void steps(std::size_t cancelled_at_least, std::size_t failed_at_least) {
        subject s([] { return std::make_unique<Program>(); });
        expect(after_steps(s), cancelled_at_least, without_memory(s), failed_at_least);
    }

    /// In so many random orders. `make()` gives the task, and sets up what it works on; `check()` is called when its loop is gone.
    template <class Make, class Check>
    static void shuffle(Make make, Check check, std::uint64_t seeds = 200) {
        if (!is_wanted("RONDO_SEED")) return;
        const auto only = number_in("RONDO_SEED");
        for (std::uint64_t seed = only.value_or(0); seed != only.value_or(seeds - 1) + 1; ++seed) {
            const repeating now("RONDO_SEED", std::to_string(seed));
            run(make, false, seed);
            check();
            tally::add("orders", 1);
        }
    }

    /// In every order, or in so many.
    template <class Make, class Check>
    static rondo::testing::exploration explore(Make make, Check check, std::size_t limit = 10'000) {
        const auto examine = [&](std::string_view schedule) {
            const repeating now("RONDO_SCHEDULE", std::string(schedule));
            check();
        };
        if (const char* const only = std::getenv("RONDO_SCHEDULE")) {
            rondo::testing::replay(make, examine, only);
            return rondo::testing::exploration(limit, true);  // it stands for all
        }
        try {
            const rondo::testing::exploration tried = rondo::testing::explore(make, examine, limit);
            if (tried.is_complete) tally::add("schedules", tried.schedules);
            return tried;
        } catch (const rondo::testing::schedule_error& error) {
            FAIL(error.what() << '\n' << command("RONDO_SCHEDULE", error.schedule()));
            throw;
        }
    }

private:
    /// The program of the present run.
    class subject {
    public:
        explicit subject(std::function<std::unique_ptr<swept>()> make) : make_(std::move(make)) {}
        subject(const subject&) = delete;
        subject& operator=(const subject&) = delete;

        swept& program() noexcept { return *now_; }
        rondo::task<> begin(bool in_order = true) {
            now_ = make_();
            now_->is_in_order_ = in_order;
            return now_->program();
        }
        /// How many there are that it may lose.
        std::size_t members() const noexcept { return members_; }
        void end(disturbance by) {
            members_ = now_->losable_;
            now_->check(by);
            REQUIRE(now_->present_ == 0);
            REQUIRE(now_->outrun == 0);
            now_.reset();
            REQUIRE(tracked::live() == 0);
        }

    private:
        std::function<std::unique_ptr<swept>()> make_;
        std::unique_ptr<swept> now_;
        std::size_t members_ = 0;
    };

    /// A program that has so many steps, or places, has no end.
    static constexpr std::size_t too_many = 2'000;

    /// Says, while it lives, how to repeat the run that it stands for.
    class repeating {
    public:
        repeating(const char* variable, const std::string& value)
            : repeating(command(variable, value), chosen() != nullptr ? 0 : 60) {}
        repeating(const repeating&) = delete;
        repeating& operator=(const repeating&) = delete;

    private:
        repeating(const std::string& text, unsigned seconds)
            : said_(Catch::MessageBuilder("INFO", CATCH_INTERNAL_LINEINFO, Catch::ResultWas::Info) << text),
              last_words_(text.c_str(), seconds) {}

        Catch::ScopedMessage said_;
        last_words last_words_;
    };

    /// Of a sweep with a counter of its own.
    class counting {
    public:
        explicit counting(const char* variable) : variable_(variable), next_(first()) {}
        counting(const counting&) = delete;
        counting& operator=(const counting&) = delete;

        std::optional<std::size_t> only() const { return number_in(variable_); }
        std::size_t first() const { return only().value_or(1); }
        void next() {
            REQUIRE(next_ < too_many);
            now_.reset();
            now_.emplace(variable_, std::to_string(next_++));
        }

    private:
        const char* variable_;
        std::size_t next_;
        std::optional<repeating> now_;
    };

    static void all(subject& s, std::size_t cancelled_at_least, std::size_t failed_at_least) {
        std::size_t cancelled = after_steps(s);
        cancelled += by_itself(s) + by_deadlines(s) + by_losses(s);
        expect(cancelled, cancelled_at_least, without_memory(s), failed_at_least);
        shuffle([&] { return s.begin(false); }, [&] { s.end(disturbance::none); });
    }
    static void expect(std::size_t cancelled, std::size_t cancelled_at_least, std::size_t failed,
                       std::size_t failed_at_least) {
        tally::add("cancellations", cancelled);
        tally::add("allocations", failed);
        if (chosen() != nullptr) return;
        CHECK(cancelled >= cancelled_at_least);
        CHECK(failed >= failed_at_least);
    }

    static std::size_t after_steps(subject& s) {
        const std::size_t ended = after_each_step(s, "RONDO_CANCEL_AT", [&] { return s.begin(); });
        return ended + after_each_step(s, "RONDO_END_LOOP_AT", [&] { return beside(s.begin()); });
    }
    template <class Make>
    static std::size_t after_each_step(subject& s, const char* variable, Make make) {
        if (!is_wanted(variable)) return 0;
        counting at(variable);
        return rondo::testing::cancel_sweep(
            [&] {
                at.next();
                return make();
            },
            [&](std::size_t steps) { s.end(steps == 0 ? disturbance::none : disturbance::cancellation); },
            at.only().value_or(0));
    }
    static rondo::task<> beside(rondo::task<> program) {
        auto handle = rondo::spawn(std::move(program));
        co_await handle;
    }

    static std::size_t without_memory(subject& s) {
        if (!is_wanted("RONDO_FAIL_AT")) return 0;
        counting nth("RONDO_FAIL_AT");
        return rondo::testing::allocation_sweep(
            [&] {
                nth.next();
                return s.begin();
            },
            [&](std::size_t n) { s.end(n == 0 ? disturbance::none : disturbance::no_memory); }, nth.only().value_or(0));
    }

    /// It cancels itself where it stands.
    static std::size_t by_itself(subject& s) {
        if (!is_wanted("RONDO_CANCEL_IN")) return 0;
        counting in("RONDO_CANCEL_IN");
        std::size_t runs = 0;
        std::size_t ended = 0;  // before it waited again
        for (std::size_t k = in.first();; ++k) {
            in.next();
            const std::size_t before = runs;
            for (const bool in_order : {true, false}) {
                run([&] { return cancels_itself(s, k, in_order, ended); }, in_order, k);
                const bool was_cancelled = s.program().was_cancelled_;
                s.end(was_cancelled ? disturbance::cancellation : disturbance::none);
                if (was_cancelled) ++runs;
            }
            if (in.only()) return runs;
            if (runs == before) break;
        }
        CHECK((runs == 0 || ended < runs));
        return runs;
    }
    static rondo::task<> cancels_itself(subject& s, std::size_t in, bool in_order, std::size_t& ended) {
        rondo::task<> program = s.begin(in_order);
        drop_late_failures(s.program());
        s.program().cancelled_in_ = in;
        s.program().victim_handle_ = rondo::spawn(std::move(program));
        const rondo::outcome<> end = co_await s.program().victim_handle_.settled();
        s.program().victim_handle_ = rondo::join_handle<>();
        CHECK((end.has_value() || end.is_cancelled()));
        if (s.program().was_cancelled_ && end.has_value()) ++ended;
    }

    /// One of its tasks is cancelled at any time.
    static std::size_t by_losses(subject& s) {
        if (!is_wanted("RONDO_LOSE")) return 0;
        if (const char* const only = std::getenv("RONDO_LOSE")) {
            unsigned victim = 0, way = 0, n = 0;
            REQUIRE(std::sscanf(only, "%u.%u.%u", &victim, &way, &n) == 3);
            return loses(s, victim, static_cast<int>(way), n) ? 1 : 0;
        }
        std::size_t runs = 0;
        const std::size_t members = s.members();
        for (std::size_t victim = 0; victim < members; ++victim)
            for (int way = 0; way <= last_way; ++way)
                for (std::size_t n = 1; loses(s, victim, way, n); ++n) ++runs;
        return runs;
    }
    // Ways to lose one: in order, in three other orders, and by a task, in order.
    static constexpr int last_way = 4;
    static bool is_ordered(int way) { return way == 0 || way == last_way; }

    /// False: that one had ended by then.
    static bool loses(subject& s, std::size_t victim, int way, std::size_t n) {
        REQUIRE(n < too_many);
        const repeating now("RONDO_LOSE", std::to_string(victim) + '.' + std::to_string(way) + '.' + std::to_string(n));
        run([&] { return loses_one(s, victim, way, n); }, is_ordered(way), 1000 * static_cast<std::size_t>(way) + n);
        const bool was_in_time = s.program().was_cancelled_ && !s.program().was_too_late_;
        s.end(was_in_time ? disturbance::loss : disturbance::none);
        return was_in_time;
    }
    static rondo::task<> loses_one(subject& s, std::size_t victim, int way, std::size_t n) {
        rondo::task<> program = s.begin(is_ordered(way));
        drop_late_failures(s.program());
        s.program().victim_ = victim;
        if (way != last_way) s.program().cancelled_in_ = n;
        rondo::join_handle<> canceller;
        if (way == last_way) canceller = rondo::spawn(cancels_after(s.program(), n));
        co_await std::move(program);
        canceller.cancel();
        s.program().victim_handle_ = rondo::join_handle<>();
    }
    static rondo::task<> cancels_after(swept& program, std::size_t n) {
        co_await rondo::sleep(n / 4 * std::chrono::microseconds(500));
        for (std::size_t i = n % 4; i != 0; --i) co_await rondo::yield();
        program.cancel();
    }

    /// The loop, and others, go on.
    static std::size_t by_deadlines(subject& s) {
        if (!is_wanted("RONDO_TIME_OUT_AT")) return 0;
        counting at("RONDO_TIME_OUT_AT");
        for (std::size_t n = at.first();; ++n) {
            at.next();
            bool is_in_time = false;
            run([&] { return times_out(s, n, is_in_time); }, true, 0);
            s.end(is_in_time ? disturbance::none : disturbance::cancellation);
            if (at.only()) return is_in_time ? 0 : 1;
            if (is_in_time) return n - 1;
        }
    }
    /// In order, or in the order of a seed.
    template <class Make>
    static void run(Make make, bool in_order, std::uint64_t seed) {
        const std::size_t frames = rondo::testing::live_frames();
        if (in_order) {
            rondo::testing::run(make());
        } else {
            rondo::testing::shuffled loop(seed);
            loop.run(make());
            loop.close();
            loop.run();
            // Nothing is left that a loop would wait for.
            REQUIRE_THROWS_AS(loop.run(waits_for_ever()), rondo::deadlock_error);
        }
        REQUIRE(rondo::testing::live_frames() == frames);
    }
    static rondo::task<> waits_for_ever() { co_await rondo::sleep((std::chrono::steady_clock::duration::max)()); }
    /// What fails beside a cancellation fails for nobody.
    static void drop_late_failures(swept& program) {
        rondo::event_loop::current().on_unhandled_exception([&program](std::exception_ptr error) {
            if (!program.was_cancelled_) std::rethrow_exception(error);
        });
    }
    static rondo::task<> times_out(subject& s, std::size_t after, bool& is_in_time) {
        // The first one is out of time at once.
        const std::chrono::microseconds time(500 * static_cast<std::int64_t>(after - 1));
        rondo::task<> program = s.begin();
        drop_late_failures(s.program());
        s.program().was_cancelled_ = true;
        is_in_time = co_await rondo::try_with_timeout(time, std::move(program));
    }

    static std::string command(const char* variable, const std::string& value) {
        return command_for_this_test(std::string(variable) + "='" + value + "'");
    }

    static const char* chosen() {
        for (const char* const variable :
             {"RONDO_CANCEL_AT", "RONDO_END_LOOP_AT", "RONDO_CANCEL_IN", "RONDO_TIME_OUT_AT", "RONDO_LOSE",
              "RONDO_FAIL_AT", "RONDO_SEED", "RONDO_SCHEDULE"})
            if (std::getenv(variable) != nullptr) return variable;
        return nullptr;
    }
    static bool is_wanted(const char* variable) {
        const char* const only = chosen();
        return only == nullptr || std::string_view(only) == variable;
    }
};

}  // namespace support
