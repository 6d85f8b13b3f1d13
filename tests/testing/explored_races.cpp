// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

// Races and timeouts over queues in every order of steps: what a loser had been granted goes back.

#include <support/leak_check.hpp>
#include <support/letters.hpp>
#include <support/sweeps.hpp>
#include <support/tasks.hpp>

#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <catch2/catch_test_macros.hpp>

#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using rondo::join_handle;
using rondo::task;
using support::letter_box;
using support::letters;
using support::sweeps;

namespace {

class two_boxes {
public:
    two_boxes() = default;
    two_boxes(const two_boxes&) = delete;
    two_boxes& operator=(const two_boxes&) = delete;

    letter_box red{1}, blue{1};
    letters post;
    int won_red = 0, won_blue = 0, late = 0;

    task<> races() {
        auto got = co_await rondo::when_any(red.pop(), blue.pop());
        auto& letter = got.index() == 0 ? std::get<0>(got) : std::get<1>(got);
        ++(got.index() == 0 ? won_red : won_blue);
        if (letter) post.read.push_back(letter->number());
    }
    /// The same with tasks: what a loser has taken dies with it, so it says where to.
    task<> reads_in_time(letter_box& box, support::clock::duration limit) {
        std::optional<std::optional<support::move_only_tracked>> got =
            co_await rondo::try_with_timeout(limit, box.pop());
        if (!got)
            ++late;
        else if (*got)
            post.read.push_back((*got)->number());
    }
    task<> sends_in_time(letter_box& box, int number, support::clock::duration limit) {
        letters::sender own(post, number);
        if (!co_await rondo::try_with_timeout(limit, box.push(std::move(own.letter)))) ++late;
    }
    task<> sends_after(letter_box& box, int number, support::clock::duration time) {
        co_await rondo::sleep(time);
        co_await post.sends(box, number);
    }
    task<> reads_after(letter_box& box, support::clock::duration time) {
        co_await rondo::sleep(time);
        co_await post.reads(box);
    }
};

task<> cancels(join_handle<>& victim) {
    victim.cancel();
    co_return;
}

/// Every letter is somewhere in the end, in every order.
template <class Program, class Check>
rondo::testing::exploration explore(Program program, std::size_t limit, Check check) {
    std::optional<two_boxes> now;
    return sweeps::explore(
        [&] {
            now.emplace();
            return program(*now);
        },
        [&] {
            now->post.drain(now->red);
            now->post.drain(now->blue);
            CHECK(now->post.are_all_there());
            check(*now);
            now.reset();
        },
        limit);
}

}  // namespace

TEST_CASE("a race over two queues takes one letter; the other stays in its queue") {
    int red = 0, blue = 0;
    auto program = [](two_boxes& b) -> task<> {
        auto one = rondo::spawn(b.post.sends(b.red, 0));
        auto other = rondo::spawn(b.post.sends(b.blue, 1));
        auto racer = rondo::spawn(b.races());
        co_await one;
        co_await other;
        co_await racer;
    };
    const auto tried = explore(program, 5'000, [&](const two_boxes& b) {
        CHECK(b.post.number_read() == 1);
        CHECK(b.post.left.size() == 1);
        CHECK(b.won_red + b.won_blue == 1);
        red += b.won_red;
        blue += b.won_blue;
    });
    CHECK(tried.is_complete);
    CHECK(red > 0);
    CHECK(blue > 0);
}

TEST_CASE("two races over the same two queues take both letters, each one") {
    auto program = [](two_boxes& b) -> task<> {
        auto one = rondo::spawn(b.races());
        auto other = rondo::spawn(b.races());
        auto sender = rondo::spawn(b.post.sends(b.red, 0));
        auto sender_too = rondo::spawn(b.post.sends(b.blue, 1));
        co_await one;
        co_await other;
        co_await sender;
        co_await sender_too;
    };
    const auto tried = explore(program, 5'000, [](const two_boxes& b) {
        CHECK(b.post.number_read() == 2);
        CHECK(b.post.left.empty());
    });
    CHECK(tried.is_complete);
    CHECK(tried.schedules > 20);
}

TEST_CASE("a letter that a race gives back goes to a popper who waits, in front of those that come later") {
    auto program = [](two_boxes& b) -> task<> {
        auto racer = rondo::spawn(b.races());
        auto popper = rondo::spawn(b.post.reads(b.red));
        auto one = rondo::spawn(b.post.sends(b.red, 0));
        auto other = rondo::spawn(b.post.sends(b.blue, 1));
        co_await racer;
        co_await one;
        co_await other;
        // A race that was won by red has the only red letter: then another comes for the popper.
        if (!popper.done() && b.red.empty() && b.won_red == 1) co_await b.post.sends(b.red, 2);
        co_await popper;
    };
    const auto tried = explore(program, 5'000, [](const two_boxes& b) { CHECK(b.post.number_read() == 2); });
    CHECK(tried.is_complete);
    CHECK(tried.schedules > 20);
}

TEST_CASE("a race that is cancelled at any moment has taken one letter or none") {
    int none = 0, one_of_them = 0;
    auto program = [](two_boxes& b) -> task<> {
        auto racer = rondo::spawn(b.races());
        auto one = rondo::spawn(b.post.sends(b.red, 0));
        auto other = rondo::spawn(b.post.sends(b.blue, 1));
        auto canceller = rondo::spawn(cancels(racer));
        co_await one;
        co_await other;
        co_await canceller;
        (void)co_await racer.settled();
    };
    const auto tried = explore(program, 5'000, [&](const two_boxes& b) {
        CHECK(b.post.number_read() <= 1);
        CHECK(b.post.left.size() == 2 - b.post.number_read());
        ++(b.post.number_read() == 0 ? none : one_of_them);
    });
    CHECK(tried.is_complete);
    CHECK(tried.schedules > 50);
    CHECK(none > 0);
    CHECK(one_of_them > 0);
}

TEST_CASE("a queue that is closed while a race waits at it") {
    auto program = [](two_boxes& b) -> task<> {
        auto racer = rondo::spawn(b.races());
        auto one = rondo::spawn(b.post.sends(b.red, 0));
        auto closes = [](letter_box& box) -> task<> {
            box.close();
            co_return;
        };
        auto closer = rondo::spawn(closes(b.red));
        auto other = rondo::spawn(closes(b.blue));
        co_await racer;
        co_await one;
        co_await closer;
        co_await other;
    };
    const auto tried = explore(program, 5'000, [](const two_boxes& b) {
        CHECK(b.won_red + b.won_blue == 1);
        CHECK(static_cast<std::size_t>(b.post.refused) == b.post.kept.size());
    });
    CHECK(tried.is_complete);
    CHECK(tried.schedules > 20);
}

TEST_CASE("a race of a push and a pop over one queue does one of them") {
    auto program = [](two_boxes& b) -> task<> {
        auto both = [](two_boxes& w) -> task<> {
            letters::sender own(w.post, 0);
            auto got = co_await rondo::when_any(w.red.push(std::move(own.letter)), w.red.pop());
            if (got.index() == 1 && std::get<1>(got)) w.post.read.push_back(std::get<1>(got)->number());
        };
        auto sender = rondo::spawn(b.post.sends(b.red, 1));
        auto racer = rondo::spawn(both(b));
        co_await racer;
        auto reader = rondo::spawn(b.post.reads(b.red));
        co_await sender;
        if (b.red.empty() && !reader.done()) reader.cancel();
        (void)co_await reader.settled();
    };
    const auto tried = explore(program, 5'000, [](const two_boxes&) {});
    CHECK(tried.is_complete);
    CHECK(tried.schedules > 1);
}

// --- time ---

TEST_CASE("a letter that comes at the instant at which its reader gives up is read, or stays in the queue") {
    int in_time = 0, too_late = 0;
    auto program = [](two_boxes& b) -> task<> {
        auto reader = rondo::spawn(b.reads_in_time(b.red, 1s));
        auto sender = rondo::spawn(b.sends_after(b.red, 0, 1s));
        co_await reader;
        co_await sender;
    };
    const auto tried = explore(program, 5'000, [&](const two_boxes& b) {
        CHECK(b.post.number_read() + static_cast<std::size_t>(b.late) == 1);
        CHECK(b.post.left.size() == static_cast<std::size_t>(b.late));
        ++(b.late == 0 ? in_time : too_late);
    });
    CHECK(tried.is_complete);
    CHECK(tried.schedules > 1);
    CHECK(in_time > 0);
}

TEST_CASE("in a plain loop the letter wins") {
    two_boxes b;
    auto program = [](two_boxes& w) -> task<> {
        auto reader = rondo::spawn(w.reads_in_time(w.red, 1s));
        auto sender = rondo::spawn(w.sends_after(w.red, 0, 1s));
        co_await reader;
        co_await sender;
    };
    rondo::testing::run(program(b));
    CHECK(b.post.read == std::vector<int>{0});
}

TEST_CASE("room that comes at the instant at which a sender gives up is used, or his letter is still his") {
    auto program = [](two_boxes& b) -> task<> {
        co_await b.post.sends(b.red, 0);
        auto sender = rondo::spawn(b.sends_in_time(b.red, 1, 1s));
        auto reader = rondo::spawn(b.reads_after(b.red, 1s));
        co_await sender;
        co_await reader;
    };
    const auto tried = explore(program, 5'000, [](const two_boxes& b) {
        CHECK(b.post.read == std::vector<int>{0});
        CHECK(b.post.kept.size() == static_cast<std::size_t>(b.late));
        CHECK(b.post.left.size() + b.post.kept.size() == 1);
    });
    CHECK(tried.is_complete);
    CHECK(tried.schedules > 1);
}

TEST_CASE("two readers whose time is up with the letter's coming: one of them has it, or nobody") {
    auto program = [](two_boxes& b) -> task<> {
        auto one = rondo::spawn(b.reads_in_time(b.red, 1s));
        auto other = rondo::spawn(b.reads_in_time(b.red, 1s));
        auto sender = rondo::spawn(b.sends_after(b.red, 0, 1s));
        co_await one;
        co_await other;
        co_await sender;
    };
    const auto tried = explore(program, 5'000, [](const two_boxes& b) {
        CHECK(b.late >= 1);
        CHECK(b.post.number_read() + b.post.left.size() == 1);
    });
    CHECK(tried.is_complete);
    CHECK(tried.schedules > 2);
}

TEST_CASE("a timed read that is cancelled at the instant of its deadline and of the letter's coming") {
    auto program = [](two_boxes& b) -> task<> {
        auto cancels_after = [](join_handle<>& other, support::clock::duration time) -> task<> {
            co_await rondo::sleep(time);
            other.cancel();
        };
        auto reader = rondo::spawn(b.reads_in_time(b.red, 1s));
        auto sender = rondo::spawn(b.sends_after(b.red, 0, 1s));
        auto canceller = rondo::spawn(cancels_after(reader, 1s));
        (void)co_await reader.settled();
        co_await sender;
        co_await canceller;
    };
    const auto tried =
        explore(program, 5'000, [](const two_boxes& b) { CHECK(b.post.number_read() + b.post.left.size() == 1); });
    CHECK(tried.is_complete);
    CHECK(tried.schedules > 2);
}

TEST_CASE("trying for no time takes what is there, or nothing") {
    auto program = [](two_boxes& b) -> task<> {
        auto reader = rondo::spawn(b.reads_in_time(b.red, 0s));
        auto sender = rondo::spawn(b.post.sends(b.red, 0));
        auto other = rondo::spawn(b.reads_in_time(b.red, 0s));
        co_await reader;
        co_await other;
        co_await sender;
    };
    const auto tried = explore(program, 5'000, [](const two_boxes& b) {
        CHECK(b.post.number_read() + b.post.left.size() == 1);
        CHECK(b.post.number_read() + static_cast<std::size_t>(b.late) == 2);
    });
    CHECK(tried.is_complete);
    CHECK(tried.schedules > 2);
}

TEST_CASE("locks and permits that a race has not won go on to those who wait") {
    class holdings {
    public:
        rondo::mutex door;
        rondo::semaphore seat{1};
        int inside = 0;
        int visits = 0;
    };
    std::optional<holdings> now;
    const auto tried = sweeps::explore(
        [&] {
            now.emplace();
            auto all = [](holdings& h) -> task<> {
                auto races = [](holdings& w) -> task<> {
                    auto got = co_await rondo::when_any(w.door.scoped_lock(), w.seat.scoped_acquire());
                    ++w.visits;
                    co_await rondo::yield();
                };
                auto wants_both = [](holdings& w) -> task<> {
                    const auto guard = co_await w.door.scoped_lock();
                    const auto permit = co_await w.seat.scoped_acquire();
                    CHECK(++w.inside == 1);
                    co_await rondo::yield();
                    --w.inside;
                    ++w.visits;
                };
                auto one = rondo::spawn(races(h));
                auto other = rondo::spawn(races(h));
                auto third = rondo::spawn(wants_both(h));
                co_await one;
                co_await other;
                co_await third;
            };
            return all(*now);
        },
        [&] {
            CHECK(now->visits == 3);
            CHECK(!now->door.is_locked());
            CHECK(now->seat.available() == 1);
            now.reset();
        },
        5'000);
    CHECK(tried.is_complete);
    CHECK(tried.schedules > 20);
}
