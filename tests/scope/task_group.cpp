// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

// with_task_group: results, starts, handles, failures. What cancellation does is in task_group_cancel.cpp.

#include <support/allocations.hpp>
#include <support/clocks.hpp>
#include <support/foreign.hpp>
#include <support/journal.hpp>
#include <support/leak_check.hpp>
#include <support/tasks.hpp>
#include <support/tracked.hpp>

#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using rondo::join_handle;
using rondo::task;
using rondo::task_group;
using rondo::with_task_group;
using support::call_at_exit;
using support::fail;
using support::lines;
using support::move_only_tracked;
using support::nap;
using support::note_at_exit;
using support::nothing;
using support::tracked;

using duration = support::clock::duration;

auto now() { return rondo::event_loop::current().now(); }

std::string text_of(const std::exception_ptr& error) {
    try {
        if (error) std::rethrow_exception(error);
    } catch (const std::exception& e) {
        return e.what();
    } catch (...) {
        return "?";
    }
    return "none";
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

template <class T>
task<T> give_after(T value, duration time) {
    co_await rondo::sleep(time);
    co_return std::move(value);
}

task<> notes_its_end(lines& log, std::string name, duration time) {
    const note_at_exit gone(log, name + " gone");
    co_await rondo::sleep(time);
    log.push_back(name + " ends");
}

/// Cannot be cancelled, and fails.
task<> fails_late(lines& log, std::string text, duration time) {
    co_await rondo::uncancellable(fail_after(text, time));
    log.push_back("never");
}

// ---- Shapes ----

template <class R>
using body_of = task<R> (*)(task_group&);
template <class R>
using result_of = rondo::await_result_t<decltype(with_task_group(std::declval<body_of<R>>()))>;

class no_default {
public:
    explicit no_default(int n) : number(n) {}
    int number;
};

static_assert(std::is_void_v<result_of<void>>);
static_assert(std::is_same_v<result_of<int>, int>);
static_assert(std::is_same_v<result_of<int&>, int&>);
static_assert(std::is_same_v<result_of<std::unique_ptr<int>>, std::unique_ptr<int>>);
static_assert(std::is_same_v<result_of<no_default>, no_default>);
static_assert(!std::is_copy_constructible_v<task_group> && !std::is_move_constructible_v<task_group>);
static_assert(std::is_same_v<decltype(std::declval<task_group&>().spawn(std::declval<task<int>>())), join_handle<int>>);
static_assert(std::is_same_v<decltype(std::declval<const task_group&>().size()), std::size_t>);

}  // namespace

TEST_CASE("with_task_group gives the result of its body, whatever its type") {
    int target = 5;
    const auto main = [&]() -> task<> {
        const int value = co_await with_task_group([](task_group& group) -> task<int> {
            group.spawn(nap(2ms));
            co_return 7;
        });
        CHECK(value == 7);
        int& same = co_await with_task_group([&](task_group& group) -> task<int&> {
            group.spawn(nap(2ms));
            co_await rondo::yield();
            co_return target;
        });
        CHECK(&same == &target);
        const std::unique_ptr<int> owned =
            co_await with_task_group([](task_group& group) -> task<std::unique_ptr<int>> {
                group.spawn(nap(2ms));
                co_return std::make_unique<int>(8);
            });
        CHECK(*owned == 8);
        const no_default other =
            co_await with_task_group([](task_group&) -> task<no_default> { co_return no_default(9); });
        CHECK(other.number == 9);
        const move_only_tracked kept = co_await with_task_group([](task_group& group) -> task<move_only_tracked> {
            group.spawn(nap(2ms));
            co_return move_only_tracked(10);
        });
        CHECK(kept.number() == 10);
        CHECK(tracked::live() == 1);
        co_await with_task_group([](task_group&) -> task<> { co_return; });
    };
    rondo::testing::run(main());
}

TEST_CASE("with_task_group returns when body and all children have ended") {
    lines log;
    const auto main = [&]() -> task<> {
        const auto start = now();
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn(notes_its_end(log, "slow", 5s));
            group.spawn(notes_its_end(log, "quick", 1s));
            co_await rondo::sleep(3s);
            log.push_back("body ends");
        });
        CHECK(now() - start == 5s);
        log.push_back("after");
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn(nap(1s));
            co_await rondo::sleep(4s);
        });
        CHECK(now() - start == 9s);
    };
    rondo::testing::run(main());
    CHECK(log == lines{"quick ends", "quick gone", "body ends", "slow ends", "slow gone", "after"});
}

TEST_CASE("a group whose body ends at once without children does not suspend its caller") {
    lines log;
    const auto main = [&]() -> task<> {
        rondo::spawn(support::note(log, "other"));
        const int value = co_await with_task_group([](task_group& group) -> task<int> {
            CHECK(group.size() == 0);
            co_return 3;
        });
        CHECK(value == 3);
        log.push_back("after");
        co_await rondo::yield();
    };
    rondo::testing::run(main());
    CHECK(log == lines{"after", "other"});
}

TEST_CASE("what a body spawns before it fails at once is never started") {
    lines log;
    const auto main = [&]() -> task<> {
        try {
            co_await with_task_group([&](task_group& group) -> task<> {
                group.spawn(support::note(log, "child"));
                throw std::runtime_error("boom");
                co_return;
            });
        } catch (const std::runtime_error&) {
            log.push_back("caught");
        }
        co_await rondo::sleep(1ms);
    };
    rondo::testing::run(main());
    CHECK(log == lines{"caught"});
}

TEST_CASE("the caller goes on in the step in which the last child, or the body, ends") {
    lines log;
    SECTION("a child") {
        const auto main = [&]() -> task<> {
            co_await with_task_group([&](task_group& group) -> task<> {
                group.spawn(support::note_after(log, "last child", 1ms));
                rondo::spawn(support::note_after(log, "other", 1ms));
                co_return;
            });
            log.push_back("caller");
            co_await rondo::sleep(1ms);
        };
        rondo::testing::run(main());
        CHECK(log == lines{"last child", "caller", "other"});
    }
    SECTION("the body") {
        const auto main = [&]() -> task<> {
            co_await with_task_group([&](task_group& group) -> task<> {
                group.spawn(nothing());
                rondo::spawn(support::note_after(log, "other", 1ms));
                co_await rondo::sleep(1ms);
                log.push_back("body");
            });
            log.push_back("caller");
            co_await rondo::sleep(1ms);
        };
        rondo::testing::run(main());
        CHECK(log == lines{"body", "caller", "other"});
    }
}

TEST_CASE("when the last child ends by cancellation the caller is resumed by the loop, not inside cancel()") {
    lines log;
    const auto main = [&]() -> task<> {
        std::optional<join_handle<>> child;
        const auto canceller = [&]() -> task<> {
            co_await rondo::sleep(1ms);
            child->cancel();
            CHECK(child->done());
            log.push_back("cancelled");
        };
        rondo::spawn(canceller());
        co_await with_task_group([&](task_group& group) -> task<> {
            child.emplace(group.spawn(support::waits_for_ever(log, "child")));
            co_return;
        });
        log.push_back("caller");
    };
    rondo::testing::run(main());
    CHECK(log == lines{"child waits", "child gone", "cancelled", "caller"});
}

// ---- Starts ----

TEST_CASE("spawn starts a child on the next round, and children in the order of their spawning") {
    lines log;
    const auto main = [&]() -> task<> {
        rondo::spawn(support::note(log, "before"));
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn(support::rounds(log, "a", 2));
            rondo::spawn(support::note(log, "between"));
            group.spawn(support::rounds(log, "b", 2));
            log.push_back("body");
            co_await rondo::yield();
            log.push_back("body again");
        });
    };
    rondo::testing::run(main());
    CHECK(log == lines{"body", "before", "a1", "between", "b1", "body again", "a2", "b2"});
}

TEST_CASE("a group takes callables with their arguments, and keeps both as long as the child runs") {
    const auto main = []() -> task<> {
        int by_reference = 0;
        const int sum = co_await with_task_group([&](task_group& group) -> task<int> {
            join_handle<int> first;
            {
                const tracked captured(20);
                first = group.spawn(
                    [captured](tracked argument, int& target) -> task<int> {
                        co_await rondo::sleep(1ms);
                        target = 1;
                        co_return captured.number() + argument.number();
                    },
                    tracked(2), std::ref(by_reference));
            }
            CHECK(tracked::live() == 2);
            const int result = co_await first;
            CHECK(tracked::live() == 0);
            co_return result;
        });
        CHECK(sum == 22);
        CHECK(by_reference == 1);
    };
    rondo::testing::run(main());
}

TEST_CASE("the body's callable is kept until the group has ended") {
    const auto main = []() -> task<> {
        const tracked captured(4);
        auto body = [captured](task_group& group) -> task<int> {
            group.spawn([&captured]() -> task<> {
                co_await rondo::sleep(2ms);
                CHECK(captured.number() == 4);
            });
            co_await rondo::sleep(1ms);
            co_return captured.number();
        };
        auto group = with_task_group(std::move(body));
        CHECK(tracked::live() >= 2);
        const int number = co_await std::move(group);
        CHECK(number == 4);
    };
    rondo::testing::run(main());
}

TEST_CASE("a group that is never awaited calls nothing") {
    bool called = false;
    {
        auto unused = with_task_group([&](task_group&) -> task<> {
            called = true;
            co_return;
        });
        static_cast<void>(unused);
    }
    CHECK(!called);
}

TEST_CASE("children may spawn siblings, also while the group only waits for them") {
    lines log;
    const auto main = [&]() -> task<> {
        const auto start = now();
        co_await with_task_group([&](task_group& group) -> task<> {
            const auto parent = [](lines& to, task_group& in) -> task<> {
                co_await rondo::sleep(1ms);
                to.push_back("child of an ended body");
                in.spawn(support::note_after(to, "grandchild", 1ms));
                in.spawn(
                    [](lines& too, task_group& inner) -> task<> {
                        co_await rondo::sleep(2ms);
                        inner.spawn(support::note_after(too, "great-grandchild", 1ms));
                    },
                    std::ref(to), std::ref(in));
            };
            group.spawn(parent(log, group));
            log.push_back("body ends");
            co_return;
        });
        CHECK(now() - start == 4ms);
        log.push_back("after");
    };
    rondo::testing::run(main());
    CHECK(log == lines{"body ends", "child of an ended body", "grandchild", "great-grandchild", "after"});
}

TEST_CASE("the last child may spawn another in its last step") {
    lines log;
    const auto main = [&]() -> task<> {
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn(
                [](lines& to, task_group& in) -> task<> {
                    in.spawn(support::note(to, "successor"));
                    to.push_back("first");
                    co_return;
                },
                std::ref(log), std::ref(group));
            co_return;
        });
        log.push_back("after");
    };
    rondo::testing::run(main());
    CHECK(log == lines{"first", "successor", "after"});
}

TEST_CASE("a destructor of a child that ends may spawn another") {
    lines log;
    const auto main = [&]() -> task<> {
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn(
                [](lines& to, task_group& in) -> task<> {
                    const call_at_exit last([&] { in.spawn(support::note(to, "successor")); });
                    co_await rondo::yield();
                },
                std::ref(log), std::ref(group));
            co_return;
        });
        log.push_back("after");
    };
    rondo::testing::run(main());
    CHECK(log == lines{"successor", "after"});
}

TEST_CASE("a task outside of the group may spawn into it as long as it runs") {
    lines log;
    const auto main = [&]() -> task<> {
        task_group* place = nullptr;
        const auto outsider = [&]() -> task<> {
            co_await rondo::sleep(1ms);
            REQUIRE(place != nullptr);
            place->spawn(notes_its_end(log, "guest", 5ms));
        };
        auto handle = rondo::spawn(outsider());
        co_await with_task_group([&](task_group& group) -> task<> {
            place = &group;
            co_await rondo::sleep(2ms);
            CHECK(group.size() == 1);
        });
        log.push_back("after");
        co_await handle;
    };
    rondo::testing::run(main());
    CHECK(log == lines{"guest ends", "guest gone", "after"});
}

TEST_CASE("a body that is a plain function may spawn before it returns its task") {
    lines log;
    const auto main = [&]() -> task<> {
        const int value = co_await with_task_group([&](task_group& group) -> task<int> {
            const auto plain = [&](task_group& g) {
                g.spawn(notes_its_end(log, "inner", 1ms));
                return support::give(5);
            };
            const int inner = co_await with_task_group(plain);
            log.push_back("after inner");
            group.spawn(notes_its_end(log, "outer", 1ms));
            co_return inner;
        });
        CHECK(value == 5);
        log.push_back("after");
    };
    rondo::testing::run(main());
    CHECK(log == lines{"inner ends", "inner gone", "after inner", "outer ends", "outer gone", "after"});
}

TEST_CASE("a body's callable that throws by itself leaves nothing behind") {
    lines log;
    SECTION("at once") {
        const auto main = []() -> task<> {
            const auto plain = [](task_group&) -> task<> {
                if (tracked::live() == 0) throw std::runtime_error("no body");
                return nothing();
            };
            co_await with_task_group(plain);
        };
        CHECK_THROWS_AS(rondo::testing::run(main()), std::runtime_error);
    }
    SECTION("when it has spawned") {
        const auto main = [&]() -> task<> {
            join_handle<> child;
            const auto plain = [&](task_group& group) -> task<> {
                child = group.spawn(support::note(log, "child"));
                if (tracked::live() == 0) throw std::runtime_error("no body");
                return nothing();
            };
            try {
                co_await with_task_group(plain);
            } catch (const std::runtime_error&) {
                log.push_back("caught");
            }
            CHECK(child.done());
            co_await rondo::sleep(1ms);
        };
        rondo::testing::run(main());
        CHECK(log == lines{"caught"});
    }
}

TEST_CASE("a body that returns an empty task throws std::logic_error") {
    const auto main = []() -> task<> {
        const auto empty = [](task_group&) {
            task<> taken = nothing();
            const task<> owner = std::move(taken);
            return taken;
        };
        co_await with_task_group(empty);
    };
    CHECK_THROWS_AS(rondo::testing::run(main()), std::logic_error);
}

TEST_CASE("spawning an empty task throws std::logic_error and leaves the group as it was") {
    const auto main = []() -> task<> {
        co_await with_task_group([](task_group& group) -> task<> {
            task<> consumed = nothing();
            co_await std::move(consumed);
            group.spawn(nap(1ms));
            CHECK_THROWS_AS(group.spawn(std::move(consumed)), std::logic_error);
            CHECK(group.size() == 1);
        });
    };
    rondo::testing::run(main());
}

TEST_CASE("size counts the children that have not ended, and not the body") {
    const auto main = []() -> task<> {
        co_await with_task_group([](task_group& group) -> task<> {
            CHECK(group.size() == 0);
            group.spawn(nap(1ms));
            CHECK(group.size() == 1);
            auto second = group.spawn(nap(3ms));
            auto third = group.spawn(support::stuck());
            CHECK(group.size() == 3);
            co_await rondo::sleep(2ms);
            CHECK(group.size() == 2);
            third.cancel();
            CHECK(group.size() == 1);
            co_await second;
            CHECK(group.size() == 0);
        });
    };
    rondo::testing::run(main());
}

TEST_CASE("a child sees itself in the size of its group") {
    const auto main = []() -> task<> {
        std::size_t inside = 0;
        co_await with_task_group([&](task_group& group) -> task<> {
            const auto child = [](task_group& in, std::size_t& size) -> task<> {
                size = in.size();
                co_return;
            };
            group.spawn(child(group, inside));
            co_return;
        });
        CHECK(inside == 1);
    };
    rondo::testing::run(main());
}

// ---- Handles ----

TEST_CASE("handles of a group are joined in it, by body and siblings") {
    const auto main = []() -> task<> {
        const int sum = co_await with_task_group([](task_group& group) -> task<int> {
            auto one = group.spawn(give_after(1, 2ms), "one");
            auto sibling = group.spawn(
                [](join_handle<int> other) -> task<int> {
                    const int number = co_await other;
                    co_return number + 10;
                },
                std::move(one));
            auto text = group.spawn(give_after(std::make_unique<int>(100), 1ms));
            const int from_sibling = co_await sibling;
            const auto owned = co_await text;
            co_return from_sibling + *owned;
        });
        CHECK(sum == 111);
    };
    rondo::testing::run(main());
}

TEST_CASE("handles of a group are joined outside of it, while it runs and when it is long gone") {
    const auto main = []() -> task<> {
        join_handle<int> first;
        join_handle<tracked> second;
        join_handle<int> third;
        const auto outsider = [&]() -> task<int> {
            co_await rondo::yield();
            const int number = co_await first;
            co_return number;
        };
        auto joiner = rondo::spawn(outsider());
        co_await with_task_group([&](task_group& group) -> task<> {
            first = group.spawn(give_after(1, 2ms));
            second = group.spawn(give_after(tracked(2), 1ms));
            third = group.spawn(give_after(3, 1h));
            co_await rondo::sleep(5ms);
            third.cancel();
        });
        const int one = co_await joiner;
        CHECK(one == 1);
        CHECK(second.done());
        second.cancel();
        const tracked two = co_await second;
        CHECK(two.number() == 2);
        const rondo::outcome<int> three = co_await third.settled();
        CHECK(three.is_cancelled());
        third.cancel();
    };
    rondo::testing::run(main());
}

TEST_CASE("a handle may outlive the group and its loop") {
    join_handle<std::string> handle;
    join_handle<> failed;
    const auto main = [&]() -> task<> {
        try {
            co_await with_task_group([&](task_group& group) -> task<> {
                handle = group.spawn(give_after(std::string("kept"), 1ms));
                failed = group.spawn(fail_after("boom", 2ms));
                co_return;
            });
        } catch (const std::runtime_error&) {
        }
    };
    CHECK(run_and_collect(main()).empty());
    CHECK(handle.done());
    const auto later = [&]() -> task<> {
        const std::string text = co_await handle;
        CHECK(text == "kept");
        const rondo::outcome<> ended = co_await failed.settled();
        CHECK(text_of(ended.error()) == "boom");
    };
    rondo::testing::run(later());
}

TEST_CASE("the group waits for children whose handles were dropped") {
    lines log;
    const auto main = [&]() -> task<> {
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn(notes_its_end(log, "a", 1ms));
            auto handle = group.spawn(notes_its_end(log, "b", 2ms));
            handle = join_handle<>();
            co_return;
        });
        log.push_back("after");
    };
    rondo::testing::run(main());
    CHECK(log == lines{"a ends", "a gone", "b ends", "b gone", "after"});
}

TEST_CASE("a child cancelled through its handle is no failure, and the group goes on") {
    lines log;
    const auto main = [&]() -> task<> {
        const int value = co_await with_task_group([&](task_group& group) -> task<int> {
            auto unstarted = group.spawn(support::note(log, "unstarted"));
            unstarted.cancel();
            auto waiting = group.spawn(notes_its_end(log, "waiting", 1h));
            group.spawn(notes_its_end(log, "other", 2ms));
            co_await rondo::sleep(1ms);
            waiting.cancel();
            CHECK(waiting.done());
            const rondo::outcome<> ended = co_await waiting.settled();
            CHECK(ended.is_cancelled());
            group.spawn(notes_its_end(log, "late", 3ms));
            co_return 1;
        });
        CHECK(value == 1);
    };
    rondo::testing::run(main());
    CHECK(log == lines{"waiting gone", "other ends", "other gone", "late ends", "late gone"});
}

TEST_CASE("a body that joins a cancelled child without catching fails with `cancelled`, as with any exception") {
    lines log;
    const auto main = [&]() -> task<> {
        co_await with_task_group([&](task_group& group) -> task<> {
            auto child = group.spawn(nap(1h));
            group.spawn(notes_its_end(log, "sibling", 1h));
            co_await rondo::sleep(1ms);
            child.cancel();
            co_await child;
        });
    };
    CHECK_THROWS_AS(rondo::testing::run(main()), rondo::cancelled);
    CHECK(log == lines{"sibling gone"});
}

TEST_CASE("awaiting one's own handle throws std::logic_error, in a group too") {
    SECTION("of a child") {
        const auto main = []() -> task<> {
            const std::string text = co_await with_task_group([](task_group& group) -> task<std::string> {
                join_handle<std::string> own;
                const auto child = [](join_handle<std::string>& self) -> task<std::string> {
                    try {
                        co_await self;
                    } catch (const std::logic_error&) {
                        co_return "refused";
                    }
                    co_return "joined";
                };
                own = group.spawn(child(own));
                co_return co_await own;
            });
            CHECK(text == "refused");
        };
        rondo::testing::run(main());
    }
    SECTION("of the task in which the group runs, from a child") {
        const auto main = []() -> task<> {
            join_handle<> owner;
            bool refused = false;
            const auto outer = [&]() -> task<> {
                co_await with_task_group([&](task_group& group) -> task<> {
                    group.spawn(
                        [](join_handle<>& own, bool& caught) -> task<> {
                            try {
                                co_await own;
                            } catch (const std::logic_error&) {
                                caught = true;
                            }
                        },
                        std::ref(owner), std::ref(refused));
                    co_return;
                });
            };
            owner = rondo::spawn(outer());
            co_await rondo::sleep(1ms);
            CHECK(refused);
            CHECK(owner.done());
        };
        rondo::testing::run(main());
    }
}

TEST_CASE("the stuck report names the lines where the body and the children of a group wait") {
    unsigned body_line = 0;
    unsigned child_line = 0;
    const auto main = [&]() -> task<> {
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn(
                [](unsigned& line) -> task<> {
                    line = __LINE__ + 1;
                    co_await support::for_ever();
                },
                std::ref(child_line));
            body_line = __LINE__ + 1;
            co_await support::for_ever();
        });
    };
    std::string report;
    try {
        rondo::testing::run(main());
    } catch (const rondo::deadlock_error& error) {
        report = error.what();
    }
    INFO(report);
    const std::string file = "task_group.cpp:";
    CHECK(report.find(file + std::to_string(body_line)) != std::string::npos);
    CHECK(report.find(file + std::to_string(child_line)) != std::string::npos);
    CHECK(report.find("with_task_group") != std::string::npos);
}

// ---- Failures ----

TEST_CASE("a child's exception cancels body and siblings, and is rethrown when all have ended") {
    lines log;
    const auto main = [&]() -> task<> {
        try {
            co_await with_task_group([&](task_group& group) -> task<> {
                const note_at_exit gone(log, "body gone");
                group.spawn(notes_its_end(log, "early", 1ms));
                group.spawn(notes_its_end(log, "late", 1h));
                group.spawn(fail_after("boom", 2ms));
                co_await rondo::sleep(1h);
                log.push_back("body goes on");
            });
            log.push_back("returned");
        } catch (const std::runtime_error& error) {
            log.push_back(error.what());
        }
        CHECK(now() == support::time_point(2ms));
    };
    CHECK(run_and_collect(main()).empty());
    REQUIRE(log.size() == 5);
    CHECK(lines(log.begin(), log.begin() + 2) == lines{"early ends", "early gone"});
    CHECK(std::find(log.begin(), log.end(), "late gone") != log.end());
    CHECK(std::find(log.begin(), log.end(), "body gone") != log.end());
    CHECK(log.back() == "boom");
}

TEST_CASE("the body's exception cancels the children, and is rethrown when all have ended") {
    lines log;
    const auto main = [&]() -> task<> {
        try {
            co_await with_task_group([&](task_group& group) -> task<> {
                group.spawn(notes_its_end(log, "a", 1h));
                group.spawn(notes_its_end(log, "b", 1h));
                co_await rondo::sleep(1ms);
                throw std::runtime_error("boom");
            });
        } catch (const std::runtime_error& error) {
            log.push_back(error.what());
        }
    };
    CHECK(run_and_collect(main()).empty());
    std::sort(log.begin(), log.begin() + 2);
    CHECK(log == lines{"a gone", "b gone", "boom"});
}

TEST_CASE("a child's exception after the body has ended takes the place of the body's value") {
    const auto main = []() -> task<> {
        std::string text;
        try {
            co_await with_task_group([](task_group& group) -> task<tracked> {
                group.spawn(fail_after("boom", 2ms));
                co_return tracked(1);
            });
        } catch (const std::runtime_error& error) {
            text = error.what();
        }
        CHECK(text == "boom");
        CHECK(tracked::live() == 0);
    };
    CHECK(run_and_collect(main()).empty());
}

TEST_CASE("an exception of any type comes out as it is") {
    const auto main = []() -> task<> {
        int caught = 0;
        try {
            co_await with_task_group([](task_group& group) -> task<> {
                group.spawn([]() -> task<> {
                    co_await rondo::yield();
                    throw 42;
                });
                co_return;
            });
        } catch (int number) {
            caught = number;
        }
        CHECK(caught == 42);
    };
    CHECK(run_and_collect(main()).empty());
}

TEST_CASE("an exception `cancelled` that leaves a child is an ordinary failure") {
    lines log;
    const auto main = [&]() -> task<> {
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn(notes_its_end(log, "sibling", 1h));
            group.spawn([]() -> task<> {
                co_await rondo::sleep(1ms);
                throw rondo::cancelled();
            });
            co_return;
        });
    };
    CHECK_THROWS_AS(rondo::testing::run(main()), rondo::cancelled);
    CHECK(log == lines{"sibling gone"});
}

TEST_CASE("a failing child fails the group also when somebody joins it") {
    lines log;
    SECTION("the body, which is cancelled at its join") {
        const auto main = [&]() -> task<> {
            try {
                co_await with_task_group([&](task_group& group) -> task<> {
                    const note_at_exit gone(log, "body gone");
                    auto child = group.spawn(fail_after("boom", 1ms));
                    try {
                        co_await child;
                    } catch (const std::exception&) {
                        log.push_back("body caught");
                    }
                    log.push_back("body goes on");
                });
            } catch (const std::runtime_error& error) {
                log.push_back(error.what());
            }
        };
        CHECK(run_and_collect(main()).empty());
        CHECK(log == lines{"body gone", "boom"});
    }
    SECTION("a sibling") {
        const auto main = [&]() -> task<> {
            try {
                co_await with_task_group([&](task_group& group) -> task<> {
                    auto child = group.spawn(fail_after("boom", 1ms));
                    group.spawn(
                        [](lines& to, join_handle<> other) -> task<> {
                            const note_at_exit gone(to, "sibling gone");
                            const rondo::outcome<> ended = co_await other.settled();
                            to.push_back("sibling goes on");
                        },
                        std::ref(log), std::move(child));
                    co_return;
                });
            } catch (const std::runtime_error& error) {
                log.push_back(error.what());
            }
        };
        CHECK(run_and_collect(main()).empty());
        CHECK(log == lines{"sibling gone", "boom"});
    }
    SECTION("a task outside, which gets the exception too") {
        const auto main = [&]() -> task<> {
            join_handle<> child;
            const auto outsider = [&]() -> task<> {
                co_await rondo::yield();
                try {
                    co_await child;
                } catch (const std::runtime_error& error) {
                    log.push_back(std::string("outsider: ") + error.what());
                }
            };
            auto joiner = rondo::spawn(outsider());
            try {
                co_await with_task_group([&](task_group& group) -> task<> {
                    child = group.spawn(fail_after("boom", 1ms));
                    co_return;
                });
            } catch (const std::runtime_error& error) {
                log.push_back(error.what());
            }
            co_await joiner;
        };
        CHECK(run_and_collect(main()).empty());
        std::sort(log.begin(), log.end());
        CHECK(log == lines{"boom", "outsider: boom"});
    }
    SECTION("a task outside, when the group has failed") {
        const auto main = [&]() -> task<> {
            join_handle<> child;
            try {
                co_await with_task_group([&](task_group& group) -> task<> {
                    child = group.spawn(fail_after("boom", 1ms));
                    co_return;
                });
            } catch (const std::runtime_error& error) {
                log.push_back(error.what());
            }
            try {
                co_await child;
            } catch (const std::runtime_error& error) {
                log.push_back(error.what());
            }
        };
        CHECK(run_and_collect(main()).empty());
        CHECK(log == lines{"boom", "boom"});
    }
}

TEST_CASE("a failure that the group rethrows is not reported when the child's handle goes") {
    const auto main = []() -> task<> {
        join_handle<> kept;
        try {
            co_await with_task_group([&](task_group& group) -> task<> {
                kept = group.spawn(fail_after("boom", 1ms));
                co_return;
            });
        } catch (const std::runtime_error&) {
        }
        kept = join_handle<>();
        co_await rondo::sleep(1ms);
    };
    CHECK(run_and_collect(main()).empty());
}

TEST_CASE("of several failures the first is rethrown and the others go to on_unhandled_exception, each once") {
    lines log;
    lines unhandled;
    SECTION("of children") {
        const auto main = [&]() -> task<> {
            try {
                co_await with_task_group([&](task_group& group) -> task<> {
                    group.spawn(fails_late(log, "second", 2ms));
                    group.spawn(fails_late(log, "third", 3ms));
                    group.spawn(fail_after("first", 1ms));
                    co_return;
                });
            } catch (const std::runtime_error& error) {
                log.push_back(error.what());
            }
            CHECK(now() == support::time_point(3ms));
        };
        unhandled = run_and_collect(main());
        CHECK(unhandled == lines{"second", "third"});
        CHECK(log == lines{"first"});
    }
    SECTION("of child and body") {
        const auto main = [&]() -> task<> {
            try {
                co_await with_task_group([&](task_group& group) -> task<> {
                    group.spawn(fail_after("first", 1ms));
                    co_await rondo::uncancellable(fail_after("second", 2ms));
                });
            } catch (const std::runtime_error& error) {
                log.push_back(error.what());
            }
        };
        unhandled = run_and_collect(main());
        CHECK(unhandled == lines{"second"});
        CHECK(log == lines{"first"});
    }
    SECTION("of body and child, whose handle is kept") {
        join_handle<> kept;
        const auto main = [&]() -> task<> {
            try {
                co_await with_task_group([&](task_group& group) -> task<> {
                    kept = group.spawn(fails_late(log, "second", 2ms));
                    co_await rondo::sleep(1ms);
                    throw std::runtime_error("first");
                });
            } catch (const std::runtime_error& error) {
                log.push_back(error.what());
            }
        };
        unhandled = run_and_collect(main());
        CHECK(unhandled == lines{"second"});
        CHECK(log == lines{"first"});
        kept = join_handle<>();
    }
    SECTION("of the cleanups of cancelled children") {
        const auto main = [&]() -> task<> {
            try {
                co_await with_task_group([&](task_group& group) -> task<> {
                    for (const char* name : {"second", "third"}) {
                        group.spawn(
                            [](std::string text) -> task<> {
                                auto cleanup = [text]() -> task<> { co_await fail_after(text, 1ms); };
                                co_await rondo::finally(support::stuck(), cleanup);
                            },
                            std::string(name));
                    }
                    co_await rondo::sleep(1ms);
                    throw std::runtime_error("first");
                });
            } catch (const std::runtime_error& error) {
                log.push_back(error.what());
            }
        };
        unhandled = run_and_collect(main());
        CHECK(unhandled == lines{"second", "third"});
        CHECK(log == lines{"first"});
    }
}

TEST_CASE("of two failures due in the same round the first is rethrown, and the other never happens") {
    lines log;
    SECTION("two children") {
        const auto main = [&]() -> task<> {
            co_await with_task_group([&](task_group& group) -> task<> {
                group.spawn(fail_after("first", 1ms));
                group.spawn(fail_after("second", 1ms));
                co_return;
            });
        };
        try {
            run_and_collect(main());
        } catch (const std::runtime_error& error) {
            log.push_back(error.what());
        }
        CHECK(log == lines{"first"});
    }
    SECTION("child before body") {
        lines unhandled;
        const auto main = [&]() -> task<> {
            try {
                co_await with_task_group([&](task_group& group) -> task<> {
                    group.spawn(fail("child"));
                    co_await rondo::yield();
                    throw std::runtime_error("body");
                });
            } catch (const std::runtime_error& error) {
                log.push_back(error.what());
            }
        };
        unhandled = run_and_collect(main());
        CHECK(unhandled.empty());
        CHECK(log == lines{"child"});
    }
    SECTION("body before child") {
        const auto main = [&]() -> task<> {
            try {
                co_await with_task_group([&](task_group& group) -> task<> {
                    group.spawn(fail_after("child", 1ms));
                    co_await rondo::yield();
                    co_await rondo::sleep(1ms);
                    throw std::runtime_error("body");
                });
            } catch (const std::runtime_error& error) {
                log.push_back(error.what());
            }
        };
        const lines unhandled = run_and_collect(main());
        CHECK(unhandled.empty());
        CHECK(log == lines{"child"});
    }
}

TEST_CASE("a body that fails before it first waits destroys what it had spawned unstarted, the handles cancelled") {
    lines log;
    const auto main = [&]() -> task<> {
        join_handle<> first;
        join_handle<int> second;
        bool caught = false;
        try {
            co_await with_task_group([&](task_group& group) -> task<> {
                first = group.spawn(
                    [](lines& to, tracked) -> task<> {
                        to.push_back("started");
                        co_return;
                    },
                    std::ref(log), tracked(1));
                second = group.spawn(support::give(2));
                if (group.size() == 2) throw std::runtime_error("boom");
                co_return;
            });
        } catch (const std::runtime_error&) {
            caught = true;
        }
        CHECK(caught);
        CHECK(tracked::live() == 0);
        CHECK(first.done());
        CHECK(second.done());
        const rondo::outcome<int> ended = co_await second.settled();
        CHECK(ended.is_cancelled());
        const rondo::outcome<> also = co_await first.settled();
        CHECK(also.is_cancelled());
    };
    CHECK(run_and_collect(main()).empty());
    CHECK(log.empty());
}

TEST_CASE("what is spawned on a group that has failed is destroyed unstarted, its handle cancelled") {
    lines log;
    const auto main = [&]() -> task<> {
        join_handle<> late;
        try {
            co_await with_task_group([&](task_group& group) -> task<> {
                task_group* const place = &group;
                group.spawn(
                    [](lines& to, task_group& in, join_handle<>& handle) -> task<> {
                        const call_at_exit last([&] {
                            handle = in.spawn(support::note(to, "started"));
                            CHECK(handle.done());
                        });
                        co_await support::for_ever();
                    },
                    std::ref(log), std::ref(*place), std::ref(late));
                group.spawn(fail_after("boom", 1ms));
                co_return;
            });
        } catch (const std::runtime_error& error) {
            log.push_back(error.what());
        }
        const rondo::outcome<> ended = co_await late.settled();
        CHECK(ended.is_cancelled());
    };
    CHECK(run_and_collect(main()).empty());
    CHECK(log == lines{"boom"});
}

TEST_CASE("a failing group waits for what cannot be withdrawn before it rethrows") {
    lines log;
    SECTION("an uncancellable child") {
        const auto main = [&]() -> task<> {
            try {
                co_await with_task_group([&](task_group& group) -> task<> {
                    group.spawn(
                        [](lines& to) -> task<> {
                            const note_at_exit gone(to, "child gone");
                            co_await rondo::uncancellable(support::note_after(to, "committed", 5ms));
                            to.push_back("child goes on");
                        },
                        std::ref(log));
                    group.spawn(fail_after("boom", 1ms));
                    co_return;
                });
            } catch (const std::runtime_error& error) {
                log.push_back(error.what());
            }
        };
        CHECK(run_and_collect(main()).empty());
        CHECK(log == lines{"committed", "child gone", "boom"});
    }
    SECTION("a body inside a foreign awaitable") {
        support::parking place;
        const auto main = [&]() -> task<> {
            rondo::spawn(
                [](support::parking& to_resume, lines& to) -> task<> {
                    co_await rondo::sleep(5ms);
                    to.push_back("resumes");
                    to_resume.resume();
                },
                std::ref(place), std::ref(log));
            try {
                co_await with_task_group([&](task_group& group) -> task<> {
                    const note_at_exit gone(log, "body gone");
                    group.spawn(fail_after("boom", 1ms));
                    co_await place;
                    log.push_back("body goes on");
                });
            } catch (const std::runtime_error& error) {
                log.push_back(error.what());
            }
        };
        CHECK(run_and_collect(main()).empty());
        CHECK(log == lines{"resumes", "body gone", "boom"});
    }
}

TEST_CASE("a group that has failed can be followed by another in the same task, a thousand times") {
    const auto main = []() -> task<> {
        int caught = 0;
        for (int i = 0; i < 1000; ++i) {
            try {
                co_await with_task_group([](task_group& group) -> task<> {
                    group.spawn(nap(1h));
                    group.spawn(fail_after("boom", 1ms));
                    co_await rondo::sleep(1h);
                });
            } catch (const std::runtime_error&) {
                ++caught;
            }
        }
        CHECK(caught == 1000);
    };
    CHECK(run_and_collect(main()).empty());
}

// ---- Nesting ----

TEST_CASE("a failure leaves the inner group first, and then the outer one") {
    lines log;
    const auto main = [&]() -> task<> {
        try {
            co_await with_task_group([&](task_group& outer) -> task<> {
                outer.spawn(notes_its_end(log, "outer child", 1h));
                try {
                    co_await with_task_group([&](task_group& inner) -> task<> {
                        inner.spawn(notes_its_end(log, "inner child", 1h));
                        inner.spawn(fail_after("boom", 1ms));
                        co_await support::for_ever();
                    });
                } catch (const std::runtime_error& error) {
                    log.push_back(std::string("inner: ") + error.what());
                    throw;
                }
            });
        } catch (const std::runtime_error& error) {
            log.push_back(std::string("outer: ") + error.what());
        }
    };
    CHECK(run_and_collect(main()).empty());
    CHECK(log == lines{"inner child gone", "inner: boom", "outer child gone", "outer: boom"});
}

TEST_CASE("a child of the outer group may spawn into the inner, and the other way round") {
    lines log;
    const auto main = [&]() -> task<> {
        co_await with_task_group([&](task_group& outer) -> task<> {
            co_await with_task_group([&](task_group& inner) -> task<> {
                outer.spawn(
                    [](lines& to, task_group& in) -> task<> {
                        in.spawn(notes_its_end(to, "inner", 2ms));
                        co_return;
                    },
                    std::ref(log), std::ref(inner));
                inner.spawn(
                    [](lines& to, task_group& out) -> task<> {
                        out.spawn(notes_its_end(to, "outer", 4ms));
                        co_return;
                    },
                    std::ref(log), std::ref(outer));
                co_await rondo::yield();
            });
            log.push_back("after inner");
        });
        log.push_back("after outer");
    };
    rondo::testing::run(main());
    CHECK(log == lines{"inner ends", "inner gone", "after inner", "outer ends", "outer gone", "after outer"});
}

TEST_CASE("groups stand in combinators, and combinators in groups") {
    lines log;
    const auto main = [&]() -> task<> {
        const auto one = [&](task_group& group) -> task<int> {
            group.spawn(nap(2ms));
            co_return 1;
        };
        const auto slow = [&](task_group& group) -> task<int> {
            group.spawn(notes_its_end(log, "slow", 1h));
            co_return 2;
        };
        const auto both = co_await rondo::when_all(with_task_group(one), with_task_group(one));
        CHECK(std::get<0>(both) + std::get<1>(both) == 2);

        const auto first = co_await rondo::when_any(with_task_group(slow), with_task_group(one));
        CHECK(first.index() == 1);
        CHECK(log == lines{"slow gone"});

        const auto none = co_await rondo::try_with_timeout(1ms, with_task_group(slow));
        CHECK(!none);
        CHECK(log == lines{"slow gone", "slow gone"});
        const int in_time = co_await rondo::with_timeout(1s, with_task_group(one));
        CHECK(in_time == 1);
        const int kept = co_await rondo::uncancellable(with_task_group(one));
        CHECK(kept == 1);

        const int sum = co_await with_task_group([](task_group& group) -> task<int> {
            group.spawn([]() -> task<> { co_await rondo::when_all(nap(1ms), rondo::sleep(2ms)); });
            auto raced = group.spawn([]() -> task<int> {
                const auto winner = co_await rondo::when_any(give_after(7, 3ms), give_after(8, 1ms));
                co_return winner.index() == 0 ? std::get<0>(winner) : std::get<1>(winner);
            });
            const auto pair = co_await rondo::when_all(raced, give_after(1, 1ms));
            co_return std::get<0>(pair) + std::get<1>(pair);
        });
        CHECK(sum == 9);
    };
    rondo::testing::run(main());
}

namespace {

task<int> tower(int height, bool fails) {
    if (height == 0) {
        co_await rondo::yield();
        if (fails) throw std::runtime_error("bottom");
        co_return 0;
    }
    const int below = co_await with_task_group([&](task_group& group) -> task<int> {
        auto child = group.spawn(tower(height - 1, fails));
        const int result = co_await child;
        co_return result;
    });
    co_return below + 1;
}

}  // namespace

TEST_CASE("groups nest a thousand deep, ending by value, failure and cancellation") {
    CHECK(rondo::testing::run(tower(1000, false)) == 1000);
    CHECK_THROWS_AS(rondo::testing::run(tower(1000, true)), std::runtime_error);
    const auto main = []() -> task<> {
        auto victim = rondo::spawn(tower(1000, false));
        for (int i = 0; i < 900; ++i) co_await rondo::yield();
        CHECK(!victim.done());
        victim.cancel();
        CHECK(victim.done());
    };
    rondo::testing::run(main());
}

// ---- Many ----

namespace {

constexpr std::size_t many = 100'000;

task<> counts(std::size_t& ended) {
    co_await rondo::yield();
    ++ended;
}

task<> spawns_the_next(task_group& group, std::size_t left, std::size_t& ended, bool waits) {
    ++ended;
    if (left > 1) group.spawn(spawns_the_next(group, left - 1, ended, waits));
    if (waits) co_await support::for_ever();
}

}  // namespace

TEST_CASE("a hundred thousand children are all waited for") {
    const auto main = []() -> task<> {
        std::size_t ended = 0;
        co_await with_task_group([&](task_group& group) -> task<> {
            for (std::size_t i = 0; i < many; ++i) group.spawn(counts(ended));
            CHECK(group.size() == many);
            co_return;
        });
        CHECK(ended == many);
    };
    rondo::testing::run(main());
}

TEST_CASE("a hundred thousand children, each spawned by the one before, are all waited for") {
    const auto main = []() -> task<> {
        std::size_t ended = 0;
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn(spawns_the_next(group, many, ended, false));
            co_return;
        });
        CHECK(ended == many);
    };
    rondo::testing::run(main());
}

TEST_CASE(
    "a hundred thousand waiting children go with the failure of the last, and with the cancellation of the group") {
    SECTION("failure") {
        const auto main = []() -> task<> {
            std::size_t started = 0;
            co_await with_task_group([&](task_group& group) -> task<> {
                group.spawn(spawns_the_next(group, many, started, true));
                while (started != many) co_await rondo::yield();
                group.spawn(fail("boom"));
            });
        };
        CHECK_THROWS_AS(rondo::testing::run(main()), std::runtime_error);
    }
    SECTION("cancel()") {
        const auto main = []() -> task<> {
            std::size_t started = 0;
            co_await with_task_group([&](task_group& group) -> task<> {
                for (std::size_t i = 0; i < many; ++i) group.spawn(spawns_the_next(group, 1, started, true));
                co_await rondo::yield();
                CHECK(started == many);
                group.cancel();
                CHECK(group.size() == 0);
            });
        };
        rondo::testing::run(main());
    }
    SECTION("of the caller") {
        const auto main = []() -> task<> {
            std::size_t started = 0;
            const auto caller = [&]() -> task<> {
                co_await with_task_group([&](task_group& group) -> task<> {
                    for (std::size_t i = 0; i < many; ++i) group.spawn(spawns_the_next(group, 1, started, true));
                    co_return;
                });
            };
            auto victim = rondo::spawn(caller());
            co_await rondo::sleep(1ms);
            CHECK(started == many);
            victim.cancel();
            CHECK(victim.done());
        };
        rondo::testing::run(main());
    }
}

// ---- Memory ----

namespace {

task<> yields_once() { co_await rondo::yield(); }

task<> counts_allocations(std::size_t children, std::size_t& frames, std::size_t& allocations) {
    const rondo::testing::fail_frame_allocation no_recycling(1'000'000);  // each frame comes from operator new
    const std::size_t frames_before = rondo::testing::live_frames();
    const std::size_t before = support::allocations::count();
    co_await with_task_group([&](task_group& group) -> task<> {
        for (std::size_t i = 0; i < children; ++i) group.spawn(yields_once());
        frames = rondo::testing::live_frames() - frames_before;
        co_return;
    });
    allocations = support::allocations::count() - before;
}

}  // namespace

TEST_CASE("a group allocates the frame of its body, and a frame and a record for each child") {
    for (const std::size_t children : {0U, 1U, 10U, 1000U}) {
        std::size_t frames = 0;
        std::size_t allocations = 0;
        rondo::testing::run(counts_allocations(children, frames, allocations));
        CHECK(frames == 1 + 2 * children);
        CHECK(allocations == 1 + 2 * children);
    }
}

TEST_CASE("a group whose frames are recycled allocates nothing") {
    const auto main = []() -> task<> {
        std::size_t allocations = 1;
        for (int i = 0; i < 3; ++i) {
            const std::size_t before = support::allocations::count();
            co_await with_task_group([](task_group& group) -> task<> {
                for (int n = 0; n < 10; ++n) group.spawn(yields_once());
                co_return;
            });
            allocations = support::allocations::count() - before;
        }
        CHECK(allocations == 0);
    };
    // Under AddressSanitizer frames are not recycled.
    const auto probe = []() -> task<std::size_t> {
        std::size_t count = 0;
        for (int i = 0; i < 2; ++i) {
            const std::size_t before = support::allocations::count();
            co_await nothing();
            count = support::allocations::count() - before;
        }
        co_return count;
    };
    if (rondo::testing::run(probe()) == 0) rondo::testing::run(main());
}

TEST_CASE("a child's frame dies with it, and its record with the last handle") {
    const auto main = []() -> task<> {
        co_await with_task_group([](task_group& group) -> task<> {
            const std::size_t before = rondo::testing::live_frames();
            group.spawn(yields_once());
            auto kept = group.spawn(yields_once());
            CHECK(rondo::testing::live_frames() == before + 4);
            co_await rondo::sleep(1ms);
            CHECK(rondo::testing::live_frames() == before + 1);
            kept = join_handle<>();
            CHECK(rondo::testing::live_frames() == before);
        });
    };
    rondo::testing::run(main());
}

TEST_CASE("a spawn without memory throws std::bad_alloc, and the group is as before") {
    lines log;
    const auto main = [&]() -> task<> {
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn(notes_its_end(log, "first", 1ms));
            for (const std::size_t nth : {1U, 2U}) {
                bool caught = false;
                try {
                    const rondo::testing::fail_frame_allocation failure(nth);
                    group.spawn(notes_its_end(log, "never", 1ms));
                } catch (const std::bad_alloc&) {
                    caught = true;
                }
                CHECK(caught);
                CHECK(group.size() == 1);
            }
            // A name is a third allocation.
            task<> pending = notes_its_end(log, "never", 1ms);
            bool caught = false;
            try {
                const support::allocations::failure failure(1);
                group.spawn(std::move(pending), "a name that is copied to memory of its own");
            } catch (const std::bad_alloc&) {
                caught = true;
            }
            CHECK(caught);
            CHECK(group.size() == 1);
            co_await rondo::sleep(2ms);
        });
    };
    rondo::testing::run(main());
    CHECK(log == lines{"first ends", "first gone"});
}
