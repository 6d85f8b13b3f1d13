// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

// The programs of examples/, where they need neither threads nor real time, under every sweep there is: see support/sweeps.hpp. (But those that
// give the library a lambda for a template of its own, which g++ finds odd in a file that is included.)

#include "../../examples/stopwatch.hpp"

#include <support/leak_check.hpp>
#include <support/sweeps.hpp>

#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <catch2/catch_test_macros.hpp>

#include <chrono>
#include <cstddef>
#include <iostream>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>
#include <vector>

// Every program becomes a namespace, in which main() is a function like any other, but that nobody calls it, and it does not return what
// it says. What the programs include stands above already.
#if defined(_MSC_VER)
#pragma warning(disable : 4505 4716)
#else
#pragma GCC diagnostic ignored "-Wreturn-type"
#pragma GCC diagnostic ignored "-Wunused-function"
#endif
namespace {

namespace await_in_sequence {
#include "../../examples/04_await_in_sequence.cpp"
}
namespace spawn_and_join {
#include "../../examples/08_spawn_and_join.cpp"
}
namespace queue {
#include "../../examples/09_queue.cpp"
}
namespace cleanup {
#include "../../examples/cleanup.cpp"
}
namespace failures {
#include "../../examples/failures.cpp"
}
namespace generator {
#include "../../examples/generator.cpp"
}
namespace task_group {
#include "../../examples/task_group.cpp"
}
namespace timeouts {
#include "../../examples/timeouts.cpp"
}
namespace worker_pool {
#include "../../examples/worker_pool.cpp"
}
namespace workers {
#include "../../examples/workers.cpp"
}

using rondo::task;
using support::disturbance;

/// What it prints is kept.
class example_program final : public support::swept {
public:
    example_program(task<> (*main)(), const char* last_words)
        : main_(main), last_words_(last_words), stdout_(std::cout.rdbuf(said_.rdbuf())) {}
    ~example_program() override { std::cout.rdbuf(stdout_); }

    task<> program() override { return main_(); }
    void check(disturbance by) override {
        const std::string text = said_.str();
        INFO(text);
        if (by == disturbance::none) REQUIRE(text.find(last_words_) != std::string::npos);
    }

private:
    task<> (*main_)();
    const char* last_words_;
    std::ostringstream said_;
    std::streambuf* stdout_;
};

/// `last_words`: what it says at its end.
void sweep(task<> (*main)(), const char* last_words) {
    example::second = std::chrono::milliseconds(4);
    support::sweeps::all([=] { return std::make_unique<example_program>(main, last_words); }, 8, 2);
}

}  // namespace

TEST_CASE("example: 04_await_in_sequence") { sweep(await_in_sequence::five_pages, "complete download: url_5"); }

TEST_CASE("example: 08_spawn_and_join") { sweep(spawn_and_join::five_pages, "joined"); }

TEST_CASE("example: 09_queue") { sweep(queue::pipeline, "A has nothing left to do"); }

TEST_CASE("example: cleanup") {
    sweep([] { return cleanup::cancel_after(cleanup::conversation(), example::second * 3 / 2); }, "cancelled");
    sweep([] { return cleanup::cancel_after(cleanup::pay(), example::second / 2); }, "cancelled");
}

TEST_CASE("example: failures") {
    sweep(failures::all_or_nothing, "url_3 is cancelled");
    sweep(failures::each_for_itself, "the text of url_3");
}

TEST_CASE("example: generator") {
    sweep(generator::read, "review 9");
    sweep(generator::read_one, "review 1");
}

TEST_CASE("example: task_group") { sweep(task_group::crawl_twice, "failed: a page that is gone"); }

TEST_CASE("example: timeouts") {
    sweep(timeouts::limits, "here is the answer of quick");
    sweep(timeouts::mirrors, "number 1 was first");
    sweep(timeouts::messages, "told to stop");
}

TEST_CASE("example: worker_pool") { sweep(worker_pool::pool, "rejected: broken.jpg"); }

TEST_CASE("example: workers") { sweep(workers::crawl, "8 pages done"); }
