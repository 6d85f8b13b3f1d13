// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

// bounded_queue in every order in which the steps of a few pushers and poppers, a cancellation and a close can come.

#include <support/leak_check.hpp>
#include <support/letters.hpp>
#include <support/sweeps.hpp>

#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <catch2/catch_test_macros.hpp>

#include <cstddef>
#include <optional>
#include <vector>

using rondo::join_handle;
using rondo::task;
using support::letters;
using support::sweeps;

namespace {

/// Some pushers with a letter each and some poppers at a queue for one letter, beside others who interfere.
class scene {
public:
    scene() = default;
    scene(const scene&) = delete;
    scene& operator=(const scene&) = delete;

    class cast {
    public:
        cast(int of_pushers, int of_poppers) : pushers(of_pushers), poppers(of_poppers) {}
        int pushers, poppers;
        bool cancels_pusher = false;
        bool cancels_popper = false;
        bool closes = false;
    };

    /// The steps that all of them take interleave freely; when all pushers have ended the queue is closed.
    task<> play(cast who) {
        std::vector<join_handle<>> pushing,
            popping;  // not in the scene: a handle that outlives the loop would count as a leak
        for (int i = 0; i < who.poppers; ++i) popping.push_back(rondo::spawn(post.reads(box)));
        for (int i = 0; i < who.pushers; ++i) pushing.push_back(rondo::spawn(post.sends(box, i)));
        std::vector<join_handle<>> others;
        if (who.cancels_pusher) others.push_back(rondo::spawn(cancels(pushing.front())));
        if (who.cancels_popper) others.push_back(rondo::spawn(cancels(popping.front())));
        if (who.closes) others.push_back(rondo::spawn(closes()));
        for (auto& one : pushing) (void)co_await one.settled();
        for (auto& one : others) co_await one;
        box.close();
        for (auto& one : popping) (void)co_await one.settled();
    }

    support::letter_box box{1};
    letters post;

private:
    static task<> cancels(join_handle<>& victim) {
        victim.cancel();
        co_return;
    }
    task<> closes() {
        box.close();
        co_return;
    }
};

/// Plays it in every order, and checks what holds in all of them; `check(scene)` knows more.
template <class Check>
rondo::testing::exploration play(scene::cast who, std::size_t limit, Check check) {
    std::optional<scene> now;
    return sweeps::explore(
        [&] {
            now.emplace();
            return now->play(who);
        },
        [&] {
            now->post.drain(now->box);
            CHECK(now->post.are_all_there());
            CHECK(now->box.empty());
            check(*now);
            now.reset();
        },
        limit);
}

}  // namespace

TEST_CASE("a pusher and a popper") {
    const auto tried = play({1, 1}, 1'000, [](const scene& s) {
        CHECK(s.post.read == std::vector<int>{0});
        CHECK(s.post.refused == 0);
    });
    CHECK(tried.is_complete);
    CHECK(tried.schedules > 1);
}

TEST_CASE("two pushers and two poppers: the first to ask gets what was pushed first") {
    const auto tried = play({2, 2}, 5'000, [](const scene& s) {
        CHECK(s.post.read == s.post.written);
        CHECK(s.post.kept.empty());
        CHECK(s.post.left.empty());
    });
    CHECK(tried.is_complete);
    CHECK(tried.schedules > 20);
}

TEST_CASE("three pushers and one popper: one letter is read, one fills the queue, and one is left with its sender") {
    // The popper comes first or later; nobody is there for the third letter before the queue closes.
    std::optional<scene> now;
    const auto tried = sweeps::explore(
        [&] {
            now.emplace();
            auto all = [](scene& s) -> task<> {
                rondo::latch all_push(3);
                auto sends = [](scene& w, rondo::latch& begun, int number) -> task<> {
                    begun.count_down();
                    co_await w.post.sends(w.box, number);
                };
                std::vector<join_handle<>> pushing;
                for (int i = 0; i < 3; ++i) pushing.push_back(rondo::spawn(sends(s, all_push, i)));
                auto popper = rondo::spawn(s.post.reads(s.box));
                co_await popper;
                co_await all_push.wait();
                s.box.close();
                for (auto& one : pushing) co_await one;
            };
            return all(*now);
        },
        [&] {
            now->post.drain(now->box);
            CHECK(now->post.are_all_there());
            CHECK(now->post.number_read() == 1);
            CHECK(now->post.read.front() == now->post.written.front());
            CHECK(now->post.left.size() + now->post.kept.size() == 2);
            CHECK(static_cast<std::size_t>(now->post.refused) == now->post.kept.size());
            now.reset();
        },
        5'000);
    CHECK(tried.is_complete);
    CHECK(tried.schedules > 20);
}

TEST_CASE("a pusher that is cancelled has pushed its letter, or has it still") {
    scene::cast who(2, 2);
    who.cancels_pusher = true;
    int kept = 0, sent = 0;
    const auto tried = play(who, 5'000, [&](const scene& s) {
        CHECK(s.post.refused == 0);
        CHECK(s.post.left.empty());
        CHECK(s.post.number_read() == s.post.written.size() - s.post.kept.size());
        CHECK(s.post.number_read() >= 1);
        ++(s.post.number_read() == 2 ? sent : kept);
    });
    CHECK(tried.is_complete);
    CHECK(tried.schedules > 100);
    CHECK(kept > 0);
    CHECK(sent > 0);
}

TEST_CASE("a popper that is cancelled leaves its letter to the next") {
    scene::cast who(2, 2);
    who.cancels_popper = true;
    int fewer = 0;
    const auto tried = play(who, 5'000, [&](const scene& s) {
        // The other popper has got a letter, whichever way the first one went.
        CHECK(s.post.number_read() >= 1);
        CHECK(s.post.number_read() + s.post.kept.size() + s.post.left.size() == 2);
        if (s.post.number_read() == 1) ++fewer;
    });
    CHECK(tried.is_complete);
    CHECK(tried.schedules > 100);
    CHECK(fewer > 0);
}

TEST_CASE("a queue that is closed at any moment: what was given room is read, what was refused is its sender's") {
    scene::cast who(2, 2);
    who.closes = true;
    int refusals = 0;
    const auto tried = play(who, 5'000, [&](const scene& s) {
        CHECK(s.post.left.empty());
        CHECK(static_cast<std::size_t>(s.post.refused) == s.post.kept.size());
        CHECK(s.post.number_read() == 2 - s.post.kept.size());
        refusals += s.post.refused;
    });
    CHECK(tried.is_complete);
    CHECK(tried.schedules > 100);
    CHECK(refusals > 0);
}

TEST_CASE("two pushers, two poppers, a cancelled one of each, and a close") {
    scene::cast who(2, 2);
    who.cancels_pusher = who.cancels_popper = who.closes = true;
    const auto tried = play(who, 200'000, [](const scene& s) {
        CHECK(s.post.number_read() + s.post.kept.size() + s.post.left.size() == s.post.written.size());
    });
    CHECK(tried.is_complete);
    CHECK(tried.schedules > 100'000);
}

TEST_CASE("three of each, in orders drawn at random, where there are too many for all") {
    scene::cast who(3, 3);
    who.cancels_pusher = who.cancels_popper = who.closes = true;
    std::optional<scene> now;
    sweeps::shuffle(
        [&] {
            now.emplace();
            return now->play(who);
        },
        [&] {
            now->post.drain(now->box);
            CHECK(now->post.are_all_there());
            now.reset();
        },
        2'000);
}

TEST_CASE("a queue that goes while others wait at it: who waits unwinds, and keeps his letter") {
    class short_lived {
    public:
        std::optional<support::letter_box> box;
        letters post;
    };
    std::optional<short_lived> now;
    const auto tried = sweeps::explore(
        [&] {
            now.emplace();
            now->box.emplace(std::size_t{1});
            auto all = [](short_lived& s) -> task<> {
                // Each looks whether the queue is still there before it begins.
                auto sends = [](short_lived& w, int number) -> task<> {
                    if (w.box) co_await w.post.sends(*w.box, number);
                };
                auto reads = [](short_lived& w) -> task<> {
                    if (w.box) co_await w.post.reads(*w.box);
                };
                auto goes = [](short_lived& w) -> task<> {
                    w.post.drain(*w.box);
                    w.box.reset();
                    co_return;
                };
                std::vector<join_handle<>> beside;
                for (int i = 0; i < 2; ++i) beside.push_back(rondo::spawn(sends(s, i)));
                beside.push_back(rondo::spawn(reads(s)));
                auto end = rondo::spawn(goes(s));
                co_await end;
                for (int i = 0; i < 3; ++i) co_await rondo::yield();
                for (auto& one : beside) one.cancel();
            };
            return all(*now);
        },
        [&] {
            CHECK(support::tracked::live() == 0);
            now.reset();
        },
        3'000);
    CHECK(tried.is_complete);
    CHECK(tried.schedules > 20);
}

TEST_CASE("a message_queue: each message is acknowledged once, however its receivers come and go") {
    class office {
    public:
        office() : queue(1) {}
        rondo::message_queue<int> queue;
        std::vector<int> done;
    };
    std::optional<office> now;
    const auto tried = sweeps::explore(
        [&] {
            now.emplace();
            auto all = [](office& o) -> task<> {
                auto sends = [](office& w) -> task<> {
                    for (int i = 0; i < 2; ++i) co_await w.queue.push(i);
                    w.queue.close();
                };
                auto works = [](office& w) -> task<> {
                    while (auto d = co_await w.queue.receive()) {
                        co_await rondo::yield();
                        w.done.push_back(**d);
                        d->ack();
                    }
                };
                auto cancels = [](join_handle<>& other) -> task<> {
                    other.cancel();
                    co_return;
                };
                auto sender = rondo::spawn(sends(o));
                auto one = rondo::spawn(works(o));
                auto other = rondo::spawn(works(o));
                auto end = rondo::spawn(cancels(one));
                co_await sender;
                co_await o.queue.join();
                co_await other;
                co_await end;
            };
            return all(*now);
        },
        [&] {
            CHECK(now->done == std::vector<int>{0, 1});
            CHECK(now->queue.in_flight() == 0);
            CHECK(now->queue.empty());
            now.reset();
        },
        5'000);
    CHECK(tried.is_complete);
    CHECK(tried.schedules > 100);
}
