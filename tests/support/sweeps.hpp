// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// A program under each of the library's own sweeps, with the command that repeats a run that fails. (sweep.hpp does without them.)
//
//     RONDO_CANCEL_AT=<steps>      only the run that is cancelled after so many steps
//     RONDO_FAIL_AT=<n>            only the run in which the nth allocation fails
//     RONDO_SEED=<seed>            only this order of steps
//     RONDO_SCHEDULE=<schedule>    only this one, as explore names it

#include <support/repeating.hpp>
#include <support/tally.hpp>

#include <rondo/core/task.hpp>
#include <rondo/testing/allocation_sweep.hpp>
#include <rondo/testing/cancel_sweep.hpp>
#include <rondo/testing/explore.hpp>
#include <rondo/testing/shuffled.hpp>

#include <catch2/catch_message.hpp>
#include <catch2/catch_test_macros.hpp>
#include <catch2/interfaces/catch_interfaces_capture.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

namespace support {

/// `make()` gives the task, and sets up what it works on; `check()` is called when its loop is gone.
class sweeps {
public:
    /// Returns the number of runs that were cancelled. Also for check(steps), zero for the undisturbed run.
    template <class Make, class Check>
    static std::size_t cancel(Make make, Check check) {
        const auto only = number_in("RONDO_CANCEL_AT");
        run_counter at("RONDO_CANCEL_AT", only.value_or(1));
        return counted("cancellations", rondo::testing::cancel_sweep(at.counting(make), check, only.value_or(0)));
    }

    /// Returns the number of runs in which an allocation failed. Also for check(n), zero for the undisturbed run.
    template <class Make, class Check>
    static std::size_t fail_allocations(Make make, Check check) {
        const auto only = number_in("RONDO_FAIL_AT");
        run_counter nth("RONDO_FAIL_AT", only.value_or(1));
        return counted("allocations", rondo::testing::allocation_sweep(nth.counting(make), check, only.value_or(0)));
    }

    /// In so many random orders.
    template <class Make, class Check>
    static void shuffle(Make make, Check check, std::uint64_t seeds = 200) {
        const auto only = number_in("RONDO_SEED");
        for (std::uint64_t seed = only.value_or(0); seed != only.value_or(seeds - 1) + 1; ++seed) {
            INFO(command("RONDO_SEED", std::to_string(seed)));
            {
                rondo::testing::shuffled loop(seed);
                loop.run(make());
            }
            check();
            counted("orders", 1);
        }
    }

    /// In every order, or in so many.
    template <class Make, class Check>
    static rondo::testing::exploration explore(Make make, Check check, std::size_t limit = 10'000) {
        const auto examine = [&](std::string_view schedule) {
            INFO(command("RONDO_SCHEDULE", std::string(schedule)));
            check();
        };
        if (const char* const only = std::getenv("RONDO_SCHEDULE")) {
            rondo::testing::replay(make, examine, only);
            return rondo::testing::exploration(limit, true);  // it stands for all
        }
        try {
            const rondo::testing::exploration tried = rondo::testing::explore(make, examine, limit);
            counted("schedules", tried.schedules);
            return tried;
        } catch (const rondo::testing::schedule_error& error) {
            FAIL(error.what() << '\n' << command("RONDO_SCHEDULE", error.schedule()));
            throw;
        }
    }

    /// All but the last. (The orders of what is larger than a few tasks are too many.)
    template <class Make, class Check>
    static void all(Make make, Check check) {
        cancel(make, check);
        fail_allocations(make, check);
        shuffle(make, check);
    }

private:
    static std::size_t counted(const char* what, std::size_t runs) {
        tally::add(what, runs);
        return runs;
    }

    static std::string command(const char* variable, const std::string& value) {
        const std::string test = Catch::getResultCapture().getCurrentTestName();
        return command_with(std::string(variable) + "='" + value + "'") + " \"" + test + "\"";
    }

    /// Counts the runs of a sweep, and says with each how to repeat it.
    class run_counter {
    public:
        run_counter(const char* variable, std::size_t first) : variable_(variable), next_(first) {}
        run_counter(const run_counter&) = delete;
        run_counter& operator=(const run_counter&) = delete;

        template <class Make>
        auto counting(Make& make) {
            return [this, &make] {
                said_.reset();
                said_.emplace(Catch::MessageBuilder("INFO", CATCH_INTERNAL_LINEINFO, Catch::ResultWas::Info)
                              << command(variable_, std::to_string(next_++)));
                return make();
            };
        }

    private:
        const char* variable_;
        std::size_t next_;
        std::optional<Catch::ScopedMessage> said_;
    };
};

}  // namespace support
