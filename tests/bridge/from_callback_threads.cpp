// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

// Callbacks that other threads call, fail and drop, while their waiter waits, is cancelled, or goes with its loop.

#include <support/clocks.hpp>
#include <support/leak_check.hpp>
#include <support/legacy.hpp>
#include <support/tasks.hpp>
#include <support/threads.hpp>

#include <rondo/bridge/from_callback.hpp>
#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <catch2/catch_test_macros.hpp>

#include <atomic>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using rondo::callback;
using rondo::callback_dropped;
using rondo::event_loop;
using rondo::from_callback;
using rondo::task;
using support::asks;
using support::counted;
using support::legacy;

constexpr int races = 300;

/// Hands the callback to a thread that does `act(done)`.
template <class T, class Act>
task<T> asks_a_thread(support::threads& threads, Act act) {
    const auto start = [&threads, &act](callback<T> done) {
        threads.start([act, done = std::move(done)]() mutable { act(std::move(done)); });
    };
    co_return co_await from_callback<T>(start);
}

task<> stays_at_home(support::threads& threads, int times, int& at_home, int& elsewhere) {
    const std::thread::id home = std::this_thread::get_id();
    for (int i = 0; i < times; ++i) {
        const auto answer = [](const callback<std::thread::id>& done) { done(std::this_thread::get_id()); };
        const std::thread::id caller = co_await asks_a_thread<std::thread::id>(threads, answer);
        at_home += std::this_thread::get_id() == home ? 1 : 0;
        elsewhere += caller != home ? 1 : 0;
    }
}

task<int> value_of(rondo::join_handle<int>& handle) { co_return co_await handle; }

/// How a race over one waiter ended.
class tally {
public:
    tally() = default;
    int values = 0;
    int dropped = 0;
    int failed = 0;
    int cancelled = 0;
    int sum() const noexcept { return values + dropped + failed + cancelled; }

    void add(const rondo::outcome<int>& end) {
        if (end.has_value()) {
            ++values;
        } else if (end.is_cancelled()) {
            ++cancelled;
        } else {
            try {
                std::rethrow_exception(end.error());
            } catch (const callback_dropped&) {
                ++dropped;
            } catch (const std::runtime_error&) {
                ++failed;
            }
        }
    }
};

task<> adds_end(tally& t, rondo::join_handle<int>& handle) {
    const rondo::outcome<int> end = co_await handle.settled();
    t.add(end);
}

task<int> asks_for_counted(legacy<counted>& api) {
    const counted value = co_await support::ask(api);
    co_return value.number();
}

task<> ping(support::threads& threads, int times, int& sum) {
    // One thread answers all questions, in order.
    std::atomic<const callback<int>*> question = nullptr;
    std::atomic<bool> over = false;
    threads.start([&] {
        while (!over) {
            if (const callback<int>* const one = question.exchange(nullptr)) {
                (*one)(1);
                delete one;
            } else {
                std::this_thread::yield();
            }
        }
    });
    for (int i = 0; i < times; ++i) {
        const auto start = [&](callback<int> done) { question = new callback<int>(std::move(done)); };
        sum += co_await from_callback<int>(start);
    }
    over = true;
    threads.join();
}

task<> races_a_sleep(support::threads& threads, int& callbacks, int& sleeps) {
    for (int i = 0; i < 50; ++i) {
        const auto answer = [i](const callback<int>& done) {
            support::dawdle(i * 20);
            done(1);
        };
        const auto first = co_await rondo::when_any(asks_a_thread<int>(threads, answer), rondo::sleep(50us));
        ++(first.index() == 0 ? callbacks : sleeps);
    }
}

}  // namespace

TEST_CASE("a callback called on another thread resumes the waiter on its loop's thread") {
    support::threads threads;
    int at_home = 0;
    int elsewhere = 0;
    rondo::run(stays_at_home(threads, 50, at_home, elsewhere));
    CHECK(at_home == 50);
    CHECK(elsewhere == 50);
}

TEST_CASE("a loop waits for the thread that has the callback, under virtual time too") {
    support::threads threads;
    const auto answer = [](const callback<int>& done) {
        std::this_thread::sleep_for(20ms);
        done(5);
    };
    CHECK(rondo::run(asks_a_thread<int>(threads, answer)) == 5);
    CHECK(rondo::testing::run(asks_a_thread<int>(threads, answer)) == 5);
    event_loop loop;
    auto handle = loop.spawn(asks_a_thread<int>(threads, answer));
    loop.run();
    CHECK(handle.done());
}

TEST_CASE("failures, invalid ones too, and dropped callbacks come from other threads as well") {
    support::threads threads;
    const auto fail = [](const callback<int>& done) {
        done.fail(std::make_exception_ptr(std::out_of_range("elsewhere")));
    };
    CHECK_THROWS_AS(rondo::run(asks_a_thread<int>(threads, fail)), std::out_of_range);
    const auto fail_without = [](const callback<int>& done) { done.fail(nullptr); };
    CHECK_THROWS_AS(rondo::run(asks_a_thread<int>(threads, fail_without)), std::invalid_argument);
    const auto drop = [](callback<int> done) {
        std::this_thread::sleep_for(2ms);
        const callback<int> last = std::move(done);
    };
    CHECK_THROWS_AS(rondo::run(asks_a_thread<int>(threads, drop)), callback_dropped);
    CHECK_THROWS_AS(rondo::testing::run(asks_a_thread<int>(threads, drop)), callback_dropped);
}

TEST_CASE("a value that throws while another thread makes it throws at the waiter") {
    class fussy {
    public:
        explicit fussy(int) { throw std::runtime_error("fussy"); }
    };
    support::threads threads;
    bool caught = false;
    const auto answer = [](const callback<fussy>& done) { done(1); };
    try {
        rondo::run(asks_a_thread<fussy>(threads, answer));
    } catch (const std::runtime_error& error) {
        caught = std::string(error.what()) == "fussy";
    }
    threads.join();
    CHECK(caught);
}

TEST_CASE("of eight threads that call copies of one callback, one is heard") {
    constexpr int callers = 8;
    int heard[callers] = {};
    for (int i = 0; i < races; ++i) {
        legacy<counted> api;
        event_loop loop;
        auto waiter = loop.spawn(asks_for_counted(api));
        loop.poll();
        {
            support::starting_line line(callers);
            support::threads threads;
            for (int caller = 0; caller < callers; ++caller) {
                threads.start([&line, caller, done = api.waiting.front()] {
                    line.wait();
                    done(caller);
                });
            }
            api.waiting.clear();
            ++heard[loop.run(value_of(waiter))];
        }
        CHECK(counted::live() == 0);
    }
    int sum = 0;
    for (const int times : heard) sum += times;
    CHECK(sum == races);
}

TEST_CASE("of eight threads that call, fail and drop, one is heard, and a drop only when nobody calls") {
    tally with_calls;
    tally drops_only;
    for (int i = 0; i < races; ++i) {
        const bool somebody_calls = i % 4 != 0;
        legacy<int> api;
        event_loop loop;
        auto waiter = loop.spawn(asks(api));
        loop.poll();
        support::starting_line line(8);
        support::threads threads;
        for (int caller = 0; caller < 8; ++caller) {
            threads.start([&line, caller, somebody_calls, done = std::optional(api.waiting.front())]() mutable {
                line.wait();
                if (somebody_calls && caller == 3) (*done)(1);
                if (somebody_calls && caller == 4) done->fail(std::make_exception_ptr(std::runtime_error("failed")));
                done.reset();
            });
        }
        api.waiting.clear();
        loop.run(adds_end(somebody_calls ? with_calls : drops_only, waiter));
    }
    CHECK(with_calls.dropped == 0);
    CHECK(with_calls.cancelled == 0);
    CHECK(with_calls.values + with_calls.failed == races * 3 / 4);
    CHECK(drops_only.dropped == races / 4);
    CHECK(drops_only.sum() == races / 4);
}

TEST_CASE("a call races a cancellation: a value or an end, and on_cancel where nobody has called") {
    tally ends;
    int withdrawn = 0;
    for (int i = 0; i < races; ++i) {
        legacy<counted> api;
        event_loop loop;
        auto waiter = loop.spawn(asks_for_counted(api));
        loop.poll();
        support::starting_line line(2);
        support::threads threads;
        threads.start([&line, done = api.take()] {
            line.wait();
            done(1);
        });
        line.wait();
        support::dawdle(i * 5 % 500);
        loop.poll();
        waiter.cancel();
        CHECK(waiter.done());
        loop.run(adds_end(ends, waiter));
        withdrawn += api.withdrawn;
        CHECK(api.withdrawn <= 1);
        threads.join();
        loop.poll();
        CHECK(counted::live() == 0);
    }
    CHECK(ends.sum() == races);
    CHECK(ends.dropped == 0);
    CHECK(ends.failed == 0);
    CHECK(withdrawn <= ends.cancelled);
}

TEST_CASE("the last copy dropped races a cancellation") {
    tally ends;
    for (int i = 0; i < races; ++i) {
        legacy<int> api;
        event_loop loop;
        auto waiter = loop.spawn(asks(api));
        loop.poll();
        support::starting_line line(3);
        support::threads threads;
        for (int half = 0; half < 2; ++half) {
            threads.start([&line, done = std::optional(api.waiting.front())]() mutable {
                line.wait();
                done.reset();
            });
        }
        api.waiting.clear();
        line.wait();
        support::dawdle(i * 5 % 500);
        loop.poll();
        waiter.cancel();
        loop.run(adds_end(ends, waiter));
    }
    CHECK(ends.sum() == races);
    CHECK(ends.dropped + ends.cancelled == races);
}

TEST_CASE("calls, failures and drops race the destruction of the loop") {
    for (int i = 0; i < races; ++i) {
        legacy<counted> api;
        support::starting_line line(4);
        support::threads threads;
        {
            event_loop loop;
            for (int waiter = 0; waiter < 3; ++waiter) loop.spawn(asks_for_counted(api));
            loop.poll();
            loop.on_unhandled_exception([](std::exception_ptr) {});
            threads.start([&line, done = api.take()] {
                line.wait();
                done(1);
            });
            threads.start([&line, done = api.take()] {
                line.wait();
                done.fail(std::make_exception_ptr(std::runtime_error("late")));
            });
            threads.start([&line, done = std::optional(api.take())]() mutable {
                line.wait();
                done.reset();
            });
            line.wait();
            support::dawdle(i * 5 % 1000);
            if (i % 2 == 0) loop.poll();
        }
        threads.join();
        CHECK(counted::live() == 0);
        CHECK(api.withdrawn <= 3);
    }
}

TEST_CASE(
    "eight threads post through handles while the loop goes: false from then on, and nothing is lost or runs twice") {
    constexpr int posters = 8;
    for (int i = 0; i < 50; ++i) {
        std::atomic<int> accepted = 0;
        std::atomic<int> refused = 0;
        std::atomic<int> changed_its_mind = 0;
        std::atomic<bool> gone = false;
        std::atomic<int> after_the_end = 0;
        int ran = 0;
        support::threads threads;
        {
            legacy<int> api;
            event_loop loop;
            for (int poster = 0; poster < posters; ++poster) loop.spawn(asks(api));
            loop.poll();
            for (int poster = 0; poster < posters; ++poster) {
                threads.start([&, handle = loop.handle(), done = api.take()] {
                    for (int turn = 0; turn < 20'000; ++turn) {
                        const bool is_gone = gone;
                        if (turn == 100) done(1);
                        if (handle.post([&ran, value = counted(turn)] { ++ran; })) {
                            ++accepted;
                            if (is_gone) ++after_the_end;
                            continue;
                        }
                        ++refused;
                        const rondo::loop_handle copy = handle;
                        if (copy.post([&ran] { ++ran; }) || handle.post([&ran] { ++ran; })) ++changed_its_mind;
                        return;
                    }
                });
            }
            while (accepted < 50 + i * 20) loop.poll();
        }
        gone = true;
        threads.join();
        CHECK(ran <= accepted);
        CHECK(ran > 0);
        CHECK(changed_its_mind == 0);
        CHECK(after_the_end == 0);
        CHECK(refused <= posters);
        CHECK(counted::live() == 0);
    }
}

TEST_CASE("a callback may be used for the first time when its loop is long gone, on another thread") {
    legacy<counted> api;
    support::threads threads;
    threads.start([&api] {
        event_loop loop;
        for (int i = 0; i < 3; ++i) loop.spawn(asks_for_counted(api));
        loop.poll();
    });
    threads.join();
    CHECK(api.withdrawn == 3);
    threads.start([done = api.take()] { done(1); });
    threads.start([done = api.take()] { done.fail(std::make_exception_ptr(std::runtime_error("late"))); });
    threads.start([done = api.take()] {});
    threads.join();
    CHECK(counted::live() == 0);
}

TEST_CASE("a thousand waiters, answered by four threads: none is forgotten") {
    constexpr int waiters = 1000;
    legacy<int> api;
    event_loop loop;
    std::vector<rondo::join_handle<int>> handles;
    for (int i = 0; i < waiters; ++i) handles.push_back(loop.spawn(asks(api)));
    loop.poll();
    REQUIRE(api.waiting.size() == waiters);
    std::atomic<int> next = 0;
    support::threads threads;
    for (int thread = 0; thread < 4; ++thread) {
        threads.start([&] {
            for (int i = next++; i < waiters; i = next++) {
                const callback<int> done = std::move(api.waiting[static_cast<std::size_t>(i)]);
                done(i);
            }
        });
    }
    long sum = 0;
    for (rondo::join_handle<int>& handle : handles) sum += loop.run(value_of(handle));
    CHECK(sum == static_cast<long>(waiters) * (waiters - 1) / 2);
}

TEST_CASE("a loop that waits is woken by each call: ten thousand questions and answers") {
    support::threads threads;
    int sum = 0;
    rondo::run(ping(threads, 10'000, sum));
    CHECK(sum == 10'000);
}

TEST_CASE("a callback races a timer") {
    support::threads threads;
    int callbacks = 0;
    int sleeps = 0;
    rondo::run(races_a_sleep(threads, callbacks, sleeps));
    CHECK(callbacks + sleeps == 50);
}

TEST_CASE("two loops on two threads answer each other") {
    constexpr int turns = 500;
    std::atomic<event_loop*> loops[2] = {nullptr, nullptr};
    int sums[2] = {0, 0};
    std::atomic<int> done_with = 0;
    class player {
    public:
        /// Asks the other loop, by a function posted there, which calls the callback from a step of that loop.
        static task<> plays(rondo::loop_handle other, int& sum) {
            for (int i = 0; i < turns; ++i) {
                const auto start = [&other](callback<int> done) { other.post([copy = std::move(done)] { copy(1); }); };
                sum += co_await from_callback<int>(start);
            }
        }
        static task<> waits(std::atomic<int>& finished) {
            ++finished;
            while (finished < 2) co_await rondo::sleep(1ms);
        }
        static task<> both(rondo::loop_handle other, int& sum, std::atomic<int>& finished) {
            co_await plays(std::move(other), sum);
            co_await waits(finished);
        }
    };
    support::threads threads;
    for (std::size_t me = 0; me < 2; ++me) {
        threads.start([&, me] {
            event_loop loop;
            loops[me] = &loop;
            while (loops[1 - me] == nullptr) std::this_thread::yield();
            loop.run(player::both(loops[1 - me].load()->handle(), sums[me], done_with));
        });
    }
    threads.join();
    CHECK(sums[0] == turns);
    CHECK(sums[1] == turns);
}

TEST_CASE("an on_cancel that stops a thread may be raced by that thread's call") {
    for (int i = 0; i < races; ++i) {
        support::threads threads;
        std::atomic<bool> aborted = false;
        int withdrawn = 0;
        event_loop loop;
        auto body = [](support::threads& all, std::atomic<bool>& stop, int& count) -> task<int> {
            const auto start = [&](callback<int> done) {
                all.start([&stop, done = std::move(done)] {
                    for (int turn = 0; turn < 100 && !stop; ++turn) support::dawdle(10);
                    if (stop) return done.fail(std::make_exception_ptr(std::runtime_error("aborted")));
                    done(1);
                });
            };
            co_return co_await from_callback<int>(start, [&] {
                ++count;
                stop = true;
            });
        };
        auto waiter = loop.spawn(body(threads, aborted, withdrawn));
        loop.poll();
        support::dawdle(i * 37 % 3000);
        loop.poll();
        waiter.cancel();
        CHECK(waiter.done());
        CHECK(withdrawn <= 1);
        CHECK(aborted == (withdrawn == 1));
        threads.join();
    }
}
