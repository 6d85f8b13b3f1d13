// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

// Task groups that are cancelled: by cancel(), with their caller, with their loop; and what destructors and cleanups do on the way.

#include <support/clocks.hpp>
#include <support/foreign.hpp>
#include <support/journal.hpp>
#include <support/leak_check.hpp>
#include <support/native_operation.hpp>
#include <support/stepped_loop.hpp>
#include <support/sweeps.hpp>
#include <support/tasks.hpp>
#include <support/tracked.hpp>

#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <algorithm>
#include <cstddef>
#include <exception>
#include <functional>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using rondo::join_handle;
using rondo::task;
using rondo::task_group;
using rondo::with_task_group;
using support::call_at_exit;
using support::household;
using support::lines;
using support::nap;
using support::note_at_exit;
using support::sweeps;
using support::swept;
using support::tracked;
using support::waits_for_ever;

using duration = support::clock::duration;

auto now() { return rondo::event_loop::current().now(); }

std::ptrdiff_t place(const lines& log, const std::string& line) {
    return std::find(log.begin(), log.end(), line) - log.begin();
}

std::string text_of(const std::exception_ptr& error) {
    try {
        std::rethrow_exception(error);
    } catch (const std::exception& e) {
        return e.what();
    }
}

/// Runs `main` on virtual time; gives back what went to on_unhandled_exception.
lines run_and_collect(task<> main) {
    lines unhandled;
    rondo::event_loop loop(support::virtual_time());
    loop.on_unhandled_exception([&](std::exception_ptr error) { unhandled.push_back(text_of(error)); });
    loop.run(std::move(main));
    return unhandled;
}

task<> fail_after(std::string text, duration time) {
    co_await rondo::sleep(time);
    throw std::runtime_error(text);
}

}  // namespace

// ---- cancel() ----

TEST_CASE("cancel() cancels the children and not the body, whose value is the result") {
    lines log;
    const auto main = [&]() -> task<> {
        const int value = co_await with_task_group([&](task_group& group) -> task<int> {
            auto one = group.spawn(waits_for_ever(log, "one"));
            auto two = group.spawn(waits_for_ever(log, "two"));
            co_await rondo::sleep(1ms);
            group.cancel();
            CHECK(one.done());
            CHECK(two.done());
            CHECK(group.size() == 0);
            log.push_back("cancelled");
            co_await rondo::sleep(1ms);
            const rondo::outcome<> ended = co_await one.settled();
            CHECK(ended.is_cancelled());
            co_return 4;
        });
        CHECK(value == 4);
        CHECK(now() == support::time_point(2ms));
    };
    CHECK(run_and_collect(main()).empty());
    REQUIRE(log.size() == 5);
    CHECK(log.back() == "cancelled");
}

TEST_CASE("cancel() before children have started destroys them unstarted") {
    const auto main = []() -> task<> {
        co_await with_task_group([](task_group& group) -> task<> {
            lines log;
            auto handle = group.spawn(
                [](lines& to, tracked) -> task<> {
                    to.push_back("started");
                    co_return;
                },
                std::ref(log), tracked(1));
            group.cancel();
            CHECK(handle.done());
            CHECK(tracked::live() == 0);
            co_await rondo::sleep(1ms);
            CHECK(log.empty());
        });
    };
    rondo::testing::run(main());
}

TEST_CASE("cancel() closes the group: what is spawned then is destroyed unstarted, its handle cancelled") {
    lines log;
    const auto main = [&]() -> task<> {
        join_handle<int> late;
        co_await with_task_group([&](task_group& group) -> task<> {
            group.cancel();
            late = group.spawn(support::give(3));
            CHECK(late.done());
            auto named = group.spawn(support::note(log, "started"), "named");
            CHECK(named.done());
            auto callable = group.spawn(
                [](lines& to, tracked) -> task<> {
                    to.push_back("started");
                    co_return;
                },
                std::ref(log), tracked(1));
            CHECK(callable.done());
            CHECK(tracked::live() == 0);
            CHECK(group.size() == 0);
            co_await rondo::sleep(1ms);
            group.spawn(support::note(log, "started"));
        });
        const rondo::outcome<int> ended = co_await late.settled();
        CHECK(ended.is_cancelled());
    };
    CHECK(run_and_collect(main()).empty());
    CHECK(log.empty());
}

TEST_CASE("cancel() again, and of an empty group, does nothing") {
    const auto main = []() -> task<> {
        const int value = co_await with_task_group([](task_group& group) -> task<int> {
            group.cancel();
            group.cancel();
            co_await rondo::yield();
            group.cancel();
            co_return 1;
        });
        CHECK(value == 1);
    };
    rondo::testing::run(main());
}

TEST_CASE("cancel() from a child takes effect on that child at its next suspension, on the others at once") {
    lines log;
    SECTION("which comes") {
        const auto main = [&]() -> task<> {
            co_await with_task_group([&](task_group& group) -> task<> {
                group.spawn(waits_for_ever(log, "sibling"));
                group.spawn(
                    [](lines& to, task_group& in) -> task<> {
                        const note_at_exit gone(to, "canceller gone");
                        co_await rondo::yield();
                        in.cancel();
                        to.push_back("canceller goes on");
                        CHECK(in.size() == 1);
                        auto refused = in.spawn(support::note(to, "never"));
                        CHECK(refused.done());
                        co_await rondo::yield();
                        to.push_back("never");
                    },
                    std::ref(log), std::ref(group));
                co_return;
            });
            log.push_back("caller");
        };
        rondo::testing::run(main());
        CHECK(log == lines{"sibling waits", "sibling gone", "canceller goes on", "canceller gone", "caller"});
    }
    SECTION("which does not come: it has ended, and has its result") {
        const auto main = [&]() -> task<> {
            co_await with_task_group([&](task_group& group) -> task<> {
                auto child = group.spawn(
                    [](task_group& in) -> task<int> {
                        in.cancel();
                        co_return 6;
                    },
                    std::ref(group));
                const int result = co_await child;
                CHECK(result == 6);
            });
        };
        rondo::testing::run(main());
    }
    SECTION("which does not come: it fails, and so does the group") {
        const auto main = [&]() -> task<> {
            co_await with_task_group([&](task_group& group) -> task<> {
                group.spawn(
                    [](task_group& in) -> task<> {
                        in.cancel();
                        throw std::runtime_error("boom");
                        co_return;
                    },
                    std::ref(group));
                co_return;
            });
        };
        CHECK_THROWS_AS(rondo::testing::run(main()), std::runtime_error);
    }
}

TEST_CASE("cancel() from outside of the group lets its caller go on") {
    lines log;
    const auto main = [&]() -> task<> {
        task_group* group_of_other = nullptr;
        const auto other = [&]() -> task<> {
            co_await with_task_group([&](task_group& group) -> task<> {
                group_of_other = &group;
                group.spawn(waits_for_ever(log, "child"));
                co_return;
            });
            log.push_back("caller goes on");
        };
        auto handle = rondo::spawn(other());
        co_await rondo::sleep(1ms);
        REQUIRE(group_of_other != nullptr);
        group_of_other->cancel();
        log.push_back("cancelled");
        CHECK(!handle.done());
        co_await handle;
    };
    rondo::testing::run(main());
    CHECK(log == lines{"child waits", "child gone", "cancelled", "caller goes on"});
}

TEST_CASE("a group that was cancelled waits for children that cannot be withdrawn") {
    lines log;
    support::parking parked;
    support::native_operation operation;
    operation.withdrawable = false;
    const auto main = [&]() -> task<> {
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn(
                [](lines& to) -> task<> {
                    const note_at_exit gone(to, "uncancellable gone");
                    co_await rondo::uncancellable(nap(3ms));
                },
                std::ref(log));
            group.spawn(
                [](lines& to, support::parking& at) -> task<> {
                    const note_at_exit gone(to, "foreign gone");
                    co_await at;
                },
                std::ref(log), std::ref(parked));
            group.spawn(
                [](lines& to, support::native_operation& on) -> task<> {
                    const note_at_exit gone(to, "native gone");
                    co_await on;
                },
                std::ref(log), std::ref(operation));
            group.spawn(waits_for_ever(log, "ordinary"));
            co_await rondo::sleep(1ms);
            group.cancel();
            CHECK(group.size() == 3);
            co_await rondo::sleep(4ms);
            CHECK(group.size() == 2);
            parked.resume();
            co_await rondo::sleep(1ms);
            CHECK(group.size() == 1);
            rondo::spawn(
                [](support::native_operation& on) -> task<> {
                    co_await rondo::sleep(5ms);
                    on.complete();
                },
                std::ref(operation));
        });
        log.push_back("after");
        CHECK(now() == support::time_point(11ms));
    };
    rondo::testing::run(main());
    CHECK(log ==
          lines{"ordinary waits", "ordinary gone", "uncancellable gone", "foreign gone", "native gone", "after"});
}

TEST_CASE("a failure of a child while the group is being cancelled is the group's") {
    const auto main = []() -> task<> {
        std::string text;
        try {
            co_await with_task_group([](task_group& group) -> task<> {
                group.spawn([]() -> task<> {
                    auto cleanup = []() -> task<> { co_await rondo::yield(); };
                    co_await rondo::finally(support::stuck(), cleanup);
                });
                group.spawn(
                    [](task_group& in) -> task<> {
                        co_await rondo::yield();
                        in.cancel();
                        throw std::runtime_error("boom");
                    },
                    std::ref(group));
                co_return;
            });
        } catch (const std::runtime_error& error) {
            text = error.what();
        }
        CHECK(text == "boom");
    };
    CHECK(run_and_collect(main()).empty());
}

TEST_CASE("the exception of a cancelled child's uncancellable operation goes to on_unhandled_exception") {
    lines unhandled;
    const auto main = []() -> task<> {
        const int value = co_await with_task_group([](task_group& group) -> task<int> {
            group.spawn([]() -> task<> { co_await rondo::uncancellable(fail_after("late", 2ms)); });
            co_await rondo::sleep(1ms);
            group.cancel();
            co_return 3;
        });
        CHECK(value == 3);
    };
    unhandled = run_and_collect(main());
    CHECK(unhandled == lines{"late"});
}

// ---- The caller is cancelled ----

TEST_CASE("a cancelled caller takes body and children along, each before it, and before cancel() returns") {
    lines log;
    const auto main = [&]() -> task<> {
        const auto caller = [&]() -> task<> {
            const note_at_exit gone(log, "caller gone");
            co_await with_task_group([&](task_group& group) -> task<> {
                const note_at_exit body(log, "body gone");
                group.spawn(waits_for_ever(log, "a"));
                group.spawn(
                    [](lines& to) -> task<> {
                        const note_at_exit outer(to, "outer gone");
                        co_await with_task_group([&](task_group& inner) -> task<> {
                            inner.spawn(waits_for_ever(to, "b"));
                            co_return;
                        });
                    },
                    std::ref(log));
                co_await support::for_ever();
            });
            log.push_back("never");
        };
        auto victim = rondo::spawn(caller());
        co_await rondo::sleep(1ms);
        log.clear();
        victim.cancel();
        CHECK(victim.done());
        CHECK(log.size() == 5);
        const rondo::outcome<> ended = co_await victim.settled();
        CHECK(ended.is_cancelled());
    };
    CHECK(run_and_collect(main()).empty());
    REQUIRE(log.size() == 5);
    CHECK(log.back() == "caller gone");
    CHECK(place(log, "b gone") < place(log, "outer gone"));
}

TEST_CASE("a caller cancelled before it started runs nothing; when only children are left, it goes with them") {
    lines log;
    const auto main = [&]() -> task<> {
        const auto caller = [&]() -> task<> {
            co_await with_task_group([&](task_group& group) -> task<> {
                group.spawn(waits_for_ever(log, "child"));
                log.push_back("body ends");
                co_return;
            });
        };
        auto unstarted = rondo::spawn(caller());
        unstarted.cancel();
        CHECK(unstarted.done());
        CHECK(log.empty());
        auto waiting = rondo::spawn(caller());
        co_await rondo::sleep(1ms);
        waiting.cancel();
        CHECK(waiting.done());
    };
    rondo::testing::run(main());
    CHECK(log == lines{"body ends", "child waits", "child gone"});
}

TEST_CASE("a caller cancelled in the round in which it would go on is not resumed") {
    lines log;
    const auto main = [&]() -> task<> {
        std::optional<join_handle<>> child;
        const auto caller = [&]() -> task<> {
            const note_at_exit gone(log, "caller gone");
            co_await with_task_group([&](task_group& group) -> task<> {
                child.emplace(group.spawn(waits_for_ever(log, "child")));
                co_return;
            });
            log.push_back("never");
        };
        auto victim = rondo::spawn(caller());
        co_await rondo::sleep(1ms);
        child->cancel();  // makes the caller ready
        CHECK(!victim.done());
        victim.cancel();
        CHECK(victim.done());
    };
    rondo::testing::run(main());
    CHECK(log == lines{"child waits", "child gone", "caller gone"});
}

TEST_CASE("a child that cancels its group's caller goes on to its next suspension, and everything goes then") {
    lines log;
    std::optional<join_handle<>> victim;
    const auto main = [&]() -> task<> {
        const auto caller = [&]() -> task<> {
            const note_at_exit gone(log, "caller gone");
            co_await with_task_group([&](task_group& group) -> task<> {
                const note_at_exit body(log, "body gone");
                group.spawn(
                    [](lines& to, std::optional<join_handle<>>& all) -> task<> {
                        const note_at_exit child(to, "child gone");
                        co_await rondo::yield();
                        all->cancel();
                        to.push_back("child goes on");
                        co_await rondo::yield();
                        to.push_back("never");
                    },
                    std::ref(log), std::ref(victim));
                co_await support::for_ever();
            });
        };
        victim.emplace(rondo::spawn(caller()));
        co_await rondo::sleep(1ms);
        CHECK(victim->done());
    };
    rondo::testing::run(main());
    REQUIRE(log.size() == 4);
    CHECK(log.front() == "child goes on");
    CHECK(log.back() == "caller gone");
}

TEST_CASE("the failure of a group whose caller was cancelled goes to on_unhandled_exception") {
    lines log;
    const auto main = [&]() -> task<> {
        const auto caller = [&]() -> task<> {
            const note_at_exit gone(log, "caller gone");
            co_await with_task_group([](task_group& group) -> task<> {
                group.spawn(fail_after("boom", 1ms));
                co_await rondo::uncancellable(nap(5ms));
            });
        };
        auto victim = rondo::spawn(caller());
        co_await rondo::sleep(2ms);
        victim.cancel();
        CHECK(!victim.done());
        co_await rondo::sleep(10ms);
        CHECK(victim.done());
    };
    CHECK(run_and_collect(main()) == lines{"boom"});
    CHECK(log == lines{"caller gone"});
}

TEST_CASE("a losing or late group is gone before the race or the timeout returns") {
    lines log;
    const auto body = [&](task_group& group) -> task<> {
        group.spawn(
            [](lines& to) -> task<> {
                const note_at_exit gone(to, "child gone");
                co_await support::for_ever();
            },
            std::ref(log));
        co_await support::for_ever();
    };
    const auto main = [&]() -> task<> {
        const auto winner = co_await rondo::when_any(with_task_group(body), nap(1ms));
        CHECK(winner.index() == 1);
        CHECK(log.size() == 1);
        bool timed_out = false;
        try {
            co_await rondo::with_timeout(1ms, with_task_group(body));
        } catch (const rondo::timeout_error&) {
            timed_out = true;
        }
        CHECK(timed_out);
        CHECK(log.size() == 2);
        const auto settled = co_await rondo::when_all_settled(with_task_group([&](task_group& group) -> task<> {
            group.spawn(fail_after("boom", 1ms));
            co_await support::for_ever();
        }));
        CHECK(std::get<0>(settled).error() != nullptr);
    };
    CHECK(run_and_collect(main()).empty());
}

// ---- Destructors on the way ----

TEST_CASE("what destructors of cancelled children spawn is destroyed unstarted, its handle cancelled") {
    lines log;
    std::vector<join_handle<>> spawned;
    const auto child = [](lines& to, task_group& in, std::vector<join_handle<>>& handles) -> task<> {
        const call_at_exit last([&] { handles.push_back(in.spawn(support::note(to, "started"))); });
        co_await support::for_ever();
    };
    const auto body = [&](task_group& group) -> task<> {
        for (int i = 0; i < 3; ++i) group.spawn(child(log, group, spawned));
        const call_at_exit last([&] { spawned.push_back(group.spawn(support::note(log, "started"))); });
        co_await support::for_ever();
    };
    std::size_t expected = 0;
    SECTION("cancel()") {
        const auto main = [&]() -> task<> {
            co_await with_task_group([&](task_group& group) -> task<> {
                for (int i = 0; i < 3; ++i) group.spawn(child(log, group, spawned));
                co_await rondo::sleep(1ms);
                group.cancel();
                CHECK(group.size() == 0);
            });
            expected = 3;
        };
        rondo::testing::run(main());
    }
    SECTION("a cancelled caller") {
        const auto main = [&]() -> task<> {
            const auto caller = [&]() -> task<> { co_await with_task_group(body); };
            auto victim = rondo::spawn(caller());
            co_await rondo::sleep(1ms);
            victim.cancel();
            CHECK(victim.done());
            expected = 4;
        };
        rondo::testing::run(main());
    }
    SECTION("a failure") {
        const auto main = [&]() -> task<> {
            try {
                co_await with_task_group([&](task_group& group) -> task<> {
                    for (int i = 0; i < 3; ++i) group.spawn(child(log, group, spawned));
                    group.spawn(fail_after("boom", 1ms));
                    const call_at_exit last([&] { spawned.push_back(group.spawn(support::note(log, "started"))); });
                    co_await support::for_ever();
                });
            } catch (const std::runtime_error&) {
            }
            expected = 4;
        };
        rondo::testing::run(main());
    }
    SECTION("a loop that goes") {
        const auto caller = [&]() -> task<> { co_await with_task_group(body); };
        support::stepped_loop stepped;
        stepped.loop().spawn(caller());
        stepped.rest();
        expected = 4;
    }
    CHECK(log.empty());
    CHECK(spawned.size() == expected);
    for (const join_handle<>& handle : spawned) CHECK(handle.done());
}

TEST_CASE("destructors of cancelled children may cancel and drop siblings, and cancel the group") {
    lines log;
    std::vector<join_handle<>> handles;
    const auto main = [&]() -> task<> {
        co_await with_task_group([&](task_group& group) -> task<> {
            for (int i = 0; i < 5; ++i) {
                handles.push_back(group.spawn(
                    [](lines& to, task_group& in, std::vector<join_handle<>>& all) -> task<> {
                        const call_at_exit last([&] {
                            for (auto& handle : all) handle.cancel();
                            in.cancel();
                            to.push_back("gone");
                        });
                        co_await support::for_ever();
                    },
                    std::ref(log), std::ref(group), std::ref(handles)));
            }
            co_await rondo::sleep(1ms);
            handles[2].cancel();
            CHECK(group.size() == 0);
        });
    };
    rondo::testing::run(main());
    CHECK(log == lines(5, "gone"));
    handles.clear();
}

TEST_CASE("a destructor that cancels the caller while the group is being cancelled from outside ends it all") {
    lines log;
    std::optional<join_handle<>> victim;
    task_group* in = nullptr;
    const auto main = [&]() -> task<> {
        const auto caller = [&]() -> task<> {
            const note_at_exit gone(log, "caller gone");
            co_await with_task_group([&](task_group& group) -> task<> {
                const note_at_exit body(log, "body gone");
                in = &group;
                group.spawn(
                    [](std::optional<join_handle<>>& all) -> task<> {
                        const call_at_exit last([&] { all->cancel(); });
                        co_await support::for_ever();
                    },
                    std::ref(victim));
                for (const char* name : {"b", "c"}) group.spawn(waits_for_ever(log, name));
                co_await support::for_ever();
            });
            log.push_back("never");
        };
        victim.emplace(rondo::spawn(caller()));
        co_await rondo::sleep(1ms);
        log.clear();
        in->cancel();
        co_await rondo::yield();
        CHECK(victim->done());
    };
    rondo::testing::run(main());
    REQUIRE(log.size() == 4);
    CHECK(log.back() == "caller gone");
}

TEST_CASE("a destructor's cancel of the caller waits for the child that runs right now") {
    lines log;
    std::optional<join_handle<>> victim;
    const auto main = [&]() -> task<> {
        const auto caller = [&]() -> task<> {
            const note_at_exit gone(log, "caller gone");
            co_await with_task_group([&](task_group& group) -> task<> {
                const note_at_exit body(log, "body gone");
                group.spawn(
                    [](std::optional<join_handle<>>& all) -> task<> {
                        const call_at_exit last([&] { all->cancel(); });
                        co_await support::for_ever();
                    },
                    std::ref(victim));
                group.spawn(
                    [](lines& to, task_group& all) -> task<> {
                        const note_at_exit child(to, "child gone");
                        co_await rondo::sleep(1ms);
                        all.cancel();  // whose first victim cancels the caller
                        to.push_back("child goes on");
                        co_await rondo::yield();
                        to.push_back("never");
                    },
                    std::ref(log), std::ref(group));
                co_await support::for_ever();
            });
        };
        victim.emplace(rondo::spawn(caller()));
        co_await rondo::sleep(2ms);
        CHECK(victim->done());
    };
    rondo::testing::run(main());
    REQUIRE(log.size() == 4);
    CHECK(log.front() == "child goes on");
    CHECK(log.back() == "caller gone");
}

TEST_CASE("a destructor may spawn and cancel while its own frame, which waited for others, is being destroyed") {
    enum class waits { in_a_race, for_a_range, for_a_group };
    const waits kind = GENERATE(waits::in_a_race, waits::for_a_range, waits::for_a_group);
    lines log;
    std::optional<join_handle<>> all;
    const auto loser = [&](task_group& group) -> task<> {
        const call_at_exit last([&] {
            CHECK(group.spawn(support::note(log, "never")).done());
            all->cancel();
            log.push_back("loser gone");
        });
        if (kind == waits::in_a_race) {
            co_await rondo::when_any(waits_for_ever(log, "a"), waits_for_ever(log, "b"));
        } else if (kind == waits::for_a_range) {
            std::vector<task<>> tasks;
            for (const char* name : {"a", "b"}) tasks.push_back(waits_for_ever(log, name));
            co_await rondo::when_all(std::move(tasks));
        } else {
            co_await with_task_group([&](task_group& inner) -> task<> {
                inner.spawn(waits_for_ever(log, "a"));
                co_await waits_for_ever(log, "b");
            });
        }
    };
    const auto main = [&]() -> task<> {
        const auto caller = [&]() -> task<> {
            const note_at_exit gone(log, "caller gone");
            co_await with_task_group([&](task_group& group) -> task<> {
                group.spawn(
                    [](task_group& in, auto& lose) -> task<> {
                        co_await rondo::when_any(lose(in), nap(1ms));
                        co_await support::for_ever();
                    },
                    std::ref(group), std::ref(loser));
                co_await rondo::yield();
                co_await rondo::yield();
                group.cancel();
                co_await support::for_ever();
            });
        };
        all.emplace(rondo::spawn(caller()));
        co_await rondo::sleep(5ms);
        CHECK(all->done());
    };
    rondo::testing::run(main());
    CHECK(std::count(log.begin(), log.end(), "loser gone") == 1);
    CHECK(std::count(log.begin(), log.end(), "never") == 0);
    CHECK(log.back() == "caller gone");
}

// ---- Cleanups ----

namespace {

/// A child whose cleanup spawns on the group that ends, and joins.
task<> cleans_up_with_help(lines& log, task_group& group, std::string name) {
    auto cleanup = [&]() -> task<> {
        log.push_back(name + " cleans up");
        auto helper = group.spawn(
            [](lines& to, task_group& in, std::string of) -> task<int> {
                co_await rondo::sleep(1ms);
                // What a cleanup has started is part of it.
                auto second = in.spawn(support::give(7));
                const int number = co_await second;
                to.push_back("helper of " + of);
                co_return number;
            },
            std::ref(log), std::ref(group), name);
        CHECK(!helper.done());
        const rondo::outcome<int> ended = co_await helper.settled();
        CHECK(ended.has_value());
        log.push_back(name + " clean");
    };
    co_await rondo::finally(support::stuck(), cleanup);
    log.push_back("never");
}

}  // namespace

TEST_CASE("the cleanup of a cancelled child may spawn on its group and join") {
    lines log;
    SECTION("after cancel()") {
        const auto main = [&]() -> task<> {
            co_await with_task_group([&](task_group& group) -> task<> {
                group.spawn(cleans_up_with_help(log, group, "child"));
                co_await rondo::yield();
                co_await rondo::yield();
                group.cancel();
                CHECK(group.size() == 1);
                auto refused = group.spawn(support::note(log, "never"));
                CHECK(refused.done());
                co_await rondo::sleep(5ms);
                CHECK(group.size() == 0);
            });
        };
        rondo::testing::run(main());
    }
    SECTION("after a failure") {
        const auto main = [&]() -> task<> {
            co_await with_task_group([&](task_group& group) -> task<> {
                group.spawn(cleans_up_with_help(log, group, "child"));
                co_await rondo::sleep(1ms);
                throw std::runtime_error("boom");
            });
        };
        CHECK_THROWS_AS(run_and_collect(main()), std::runtime_error);
    }
    SECTION("when the caller is cancelled") {
        const auto main = [&]() -> task<> {
            const auto caller = [&]() -> task<> {
                co_await with_task_group([&](task_group& group) -> task<> {
                    group.spawn(cleans_up_with_help(log, group, "child"));
                    co_await support::for_ever();
                });
            };
            auto victim = rondo::spawn(caller());
            co_await rondo::sleep(1ms);
            victim.cancel();
            CHECK(!victim.done());
            co_await rondo::sleep(5ms);
            CHECK(victim.done());
        };
        rondo::testing::run(main());
    }
    SECTION("when the loop goes") {
        const auto caller = [&]() -> task<> {
            co_await with_task_group([&](task_group& group) -> task<> {
                group.spawn(cleans_up_with_help(log, group, "child"));
                co_await support::for_ever();
            });
        };
        support::stepped_loop stepped;
        stepped.loop().spawn(caller());
        stepped.rest();
    }
    CHECK(log == lines{"child cleans up", "helper of child", "child clean"});
}

TEST_CASE("the cleanup of a cancelled body may spawn on its group and join") {
    lines log;
    SECTION("after a child's failure") {
        const auto main = [&]() -> task<> {
            co_await with_task_group([&](task_group& group) -> task<> {
                group.spawn(fail_after("boom", 1ms));
                co_await cleans_up_with_help(log, group, "body");
            });
        };
        CHECK_THROWS_AS(run_and_collect(main()), std::runtime_error);
    }
    SECTION("when the caller is cancelled") {
        const auto main = [&]() -> task<> {
            const auto caller = [&]() -> task<> {
                co_await with_task_group(
                    [&](task_group& group) -> task<> { co_await cleans_up_with_help(log, group, "body"); });
            };
            auto victim = rondo::spawn(caller());
            co_await rondo::sleep(1ms);
            victim.cancel();
            co_await rondo::sleep(5ms);
            CHECK(victim.done());
        };
        rondo::testing::run(main());
    }
    CHECK(log == lines{"body cleans up", "helper of body", "body clean"});
}

TEST_CASE("a cleanup may use a group of its own") {
    lines log;
    const auto main = [&]() -> task<> {
        const auto caller = [&]() -> task<> {
            auto cleanup = [&]() -> task<> {
                co_await with_task_group([&](task_group& group) -> task<> {
                    for (const char* name : {"a", "b"}) group.spawn(support::note_after(log, name, 1ms));
                    co_return;
                });
                log.push_back("clean");
            };
            co_await rondo::finally(with_task_group([&](task_group& group) -> task<> {
                                        group.spawn(waits_for_ever(log, "child"));
                                        co_return;
                                    }),
                                    cleanup);
        };
        auto victim = rondo::spawn(caller());
        co_await rondo::sleep(1ms);
        victim.cancel();
        co_await rondo::sleep(5ms);
        CHECK(victim.done());
    };
    rondo::testing::run(main());
    CHECK(log == lines{"child waits", "child gone", "a", "b", "clean"});
}

TEST_CASE("a helper that a cleanup has spawned and not joined is waited for") {
    lines log;
    const auto main = [&]() -> task<> {
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn(
                [](lines& to, task_group& in) -> task<> {
                    auto cleanup = [&]() -> task<> {
                        in.spawn(support::note_after(to, "helper", 5ms));
                        co_return;
                    };
                    co_await rondo::finally(support::stuck(), cleanup);
                },
                std::ref(log), std::ref(group));
            co_await rondo::sleep(1ms);
            group.cancel();
        });
        log.push_back("after");
    };
    rondo::testing::run(main());
    CHECK(log == lines{"helper", "after"});
}

// ---- Sweeps ----

namespace {

class everything final : public swept {
public:
    task<> program() override {
        household home(outrun);
        point();
        co_await with_task_group([&](task_group& group) -> task<> {
            auto joined = group.spawn(leaf(home, tracked(1), 2ms), "joined");
            group.spawn(spawner(home, group, 3));
            group.spawn(careful(home, group));
            auto doomed = group.spawn(leaf(home, tracked(2), 1h));
            co_await joined;
            point();
            co_await with_task_group([&](task_group& inner) -> task<> {
                household nested(outrun);
                inner.spawn(leaf(home, tracked(5), 3ms));
                group.spawn(leaf(home, tracked(6), 5ms));
                const auto winner =
                    co_await rondo::when_any(leaf(nested, tracked(7), 1ms), leaf(nested, tracked(8), 2ms));
                if (winner.index() != 0) throw std::logic_error("the first is the quickest");
                point();
            });
            doomed.cancel();
            co_await rondo::try_with_timeout(1ms, leaf(home, tracked(9), 1h));
            try {
                co_await with_task_group([&](task_group& failing) -> task<> {
                    failing.spawn(leaf(home, tracked(10), 1h));
                    failing.spawn(fail_after("boom", 1ms));
                    co_await rondo::uncancellable(leaf(home, tracked(11), 2ms));
                });
            } catch (const std::runtime_error&) {
                point();
            }
        });
        point();
    }

private:
    task<int> leaf(household& home, tracked, duration time) {
        const household::child here(home);
        co_await rondo::yield();
        point();
        co_await rondo::sleep(time);
        point();
        co_return 1;
    }

    task<> spawner(household& home, task_group& group, int depth) {
        const household::child here(home);
        const tracked local(depth);
        const call_at_exit late([&] {
            try {
                group.spawn(leaf(home, tracked(9), 1ms));
            } catch (const std::bad_alloc&) {
            }
        });
        if (depth > 0) group.spawn(spawner(home, group, depth - 1));
        point();
        co_await rondo::sleep(1ms);
        point();
    }

    task<> careful(household& home, task_group& group) {
        const household::child here(home);
        auto cleanup = [&]() -> task<> {
            const tracked local(1);
            point();
            auto helper = group.spawn(leaf(home, tracked(2), 1ms));
            const rondo::outcome<int> ended = co_await helper.settled();
            if (!ended.has_value()) co_await rondo::sleep(1ms);
            point();
        };
        co_await rondo::finally(leaf(home, tracked(3), 4ms), cleanup);
        co_await rondo::uncancellable(leaf(home, tracked(4), 1ms));
    }
};

}  // namespace

TEST_CASE("a program of groups is right under every sweep") { sweeps::all<everything>(140, 30); }
