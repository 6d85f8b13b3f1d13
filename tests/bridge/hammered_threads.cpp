// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

// Eight threads at once on everything that may be called from another thread, while the loop lives, and while it goes.
// RONDO_OPERATIONS: how many loops come and go in each test (200).

#include <support/journal.hpp>
#include <support/leak_check.hpp>
#include <support/repeating.hpp>
#include <support/tasks.hpp>
#include <support/threads.hpp>

#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <catch2/catch_test_macros.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using rondo::callback;
using rondo::event_loop;
using rondo::loop_handle;
using rondo::task;
using rondo::to_thread;
using support::counted;

constexpr int hammers = 8;

// A wake-up that is lost shows as a wait for the timer behind it, which nothing else takes so long for.
constexpr std::chrono::seconds patience{30};

int operations() { return static_cast<int>(support::number_in("RONDO_OPERATIONS", 200, 10'000)); }

/// What one thread has posted to one loop. Those that ran must be the first ones, in order, each once.
class errands {
public:
    /// On the loop's thread.
    void run(int number) noexcept {
        if (number != ran) ++disorder;
        ++ran;
    }
    int accepted = 0;  // written by the poster
    std::atomic<int> ran = 0;
    int disorder = 0;
};

/// One loop's time, as those see it who have handles. (A handle is for one thread, copies are for others.)
class era {
public:
    explicit era(event_loop& loop) : handles(hammers, loop.handle()), loop_(&loop) {}

    /// Posts until the loop is gone. `stops`: some stop it.
    void hammer(int thread, bool stops) {
        errands& own = of_thread[static_cast<std::size_t>(thread)];
        loop_handle handle = handles[static_cast<std::size_t>(thread)];
        for (;;) {
            const bool was_gone = is_gone;
            const int number = own.accepted;
            const bool accepted = handle.post([this, &own, number, stops, held = counted(number)] {
                own.run(held.number());
                if (stops && number % 5 == 4) loop_->stop();
            });
            if (!accepted) break;
            ++own.accepted;
            if (was_gone) ++accepted_after_the_end;
            ++accepted_in_all;
            if (number % 4 == 0) {
                const loop_handle copy = handle;
                handle = copy;
            }
            if (number % 50 == 49) std::this_thread::yield();
            if (number > 2000) std::this_thread::sleep_for(50us);
        }
        if (!is_going) ++refused_before_the_end;
        const loop_handle copy = handle;
        if (copy.post([&own] { own.run(-1); }) || handle.post([&own] { own.run(-1); })) ++changed_its_mind;
    }

    /// What is wrong about it, when all threads have left it.
    int faults(bool all_ran) const {
        int count = accepted_after_the_end + refused_before_the_end + changed_its_mind;
        for (const errands& one : of_thread)
            count += one.disorder + (one.ran > one.accepted ? 1 : 0) + (all_ran && one.ran != one.accepted ? 1 : 0);
        return count;
    }

    std::vector<loop_handle> handles;
    std::array<errands, hammers> of_thread;
    std::atomic<bool> is_going = false;  // its destructor has begun, or is about to
    std::atomic<bool> is_gone = false;
    std::atomic<int> accepted_in_all = 0;
    std::atomic<int> accepted_after_the_end = 0;
    std::atomic<int> refused_before_the_end = 0;
    std::atomic<int> changed_its_mind = 0;

private:
    event_loop* loop_;
};

/// Where eight threads find the loop of the day.
class stage {
public:
    stage() = default;
    stage(const stage&) = delete;
    stage& operator=(const stage&) = delete;
    ~stage() { leave(); }

    /// `act(era, thread)` is called on eight threads for each era that is shown (one that is slow may miss some).
    template <class Act>
    void enter(Act act) {
        for (int thread = 0; thread < hammers; ++thread) {
            threads_.start([this, act, thread] {
                for (std::shared_ptr<era> now; (now = next(now)) != nullptr;) act(*now, thread);
            });
        }
    }
    void show(std::shared_ptr<era> one) {
        const std::lock_guard lock(mutex_);
        all_.push_back(one);
        now_ = std::move(one);
        changed_.notify_all();
    }
    void leave() {
        {
            const std::lock_guard lock(mutex_);
            ends_ = true;
            changed_.notify_all();
        }
        threads_.join();
    }
    const std::vector<std::shared_ptr<era>>& all() const noexcept { return all_; }

private:
    std::shared_ptr<era> next(const std::shared_ptr<era>& last) {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return ends_ || now_ != last; });
        return now_ == last ? nullptr : now_;
    }

    std::mutex mutex_;
    std::condition_variable changed_;
    std::shared_ptr<era> now_;
    std::vector<std::shared_ptr<era>> all_;
    bool ends_ = false;
    support::threads threads_;
};

void go(std::unique_ptr<event_loop>& loop, era& e) {
    e.is_going = true;
    loop.reset();
    e.is_gone = true;
}

/// Loops that come and go, one after another, while eight threads post to them; `live(loop, e, i)` is what the ith one does before it goes.
template <class Live>
void come_and_go(int loops, bool are_stopped, Live live) {
    {
        stage s;
        s.enter([are_stopped](era& e, int thread) { e.hammer(thread, are_stopped); });
        for (int i = 0; i < loops; ++i) {
            auto loop = std::make_unique<event_loop>();
            const auto e = std::make_shared<era>(*loop);
            s.show(e);
            live(*loop, *e, i);
            go(loop, *e);
        }
        s.leave();
        int faults = 0;
        for (const auto& one : s.all()) faults += one->faults(false);
        CHECK(faults == 0);
    }
    CHECK(counted::live() == 0);
}

/// Whether op ends before the timer that shows what has been missed.
template <class Op>
task<bool> in_time(Op op) {
    co_return co_await rondo::try_with_timeout(patience, std::move(op));
}

task<> waits_for(rondo::event& e) { co_await e.wait(); }

// ---- Calls ----

/// Those of one loop's tasks.
class calls {
public:
    std::atomic<int> begun = 0;
    std::atomic<int> inside = 0;
    int values = 0;
    int failures = 0;
    int outrun = 0;  // callers that went before their call had ended
};

task<> makes_a_call(calls& all, int number, [[maybe_unused]] counted argument) {
    std::atomic<bool> inside = false;
    const auto check = [&] { all.outrun += inside ? 1 : 0; };
    const support::call_at_exit leave(check);
    const auto job = [&all, &inside, number](const counted& held) {
        inside = true;
        ++all.inside;
        ++all.begun;
        support::dawdle(number * 40);
        --all.inside;
        inside = false;
        if (number % 3 == 2) throw std::runtime_error("on purpose");
        return counted(held.number() + 1);
    };
    try {
        const counted got = co_await to_thread(job, counted(number));
        all.values += got.number() == number + 1 ? 1 : 1000;
    } catch (const std::runtime_error&) {
        ++all.failures;
    }
}

// ---- Callbacks ----

/// Callbacks that eight threads answer, each in its own way.
class switchboard {
public:
    switchboard() {
        for (int thread = 0; thread < hammers; ++thread) threads_.start([this, thread] { answers(thread); });
    }
    switchboard(const switchboard&) = delete;
    switchboard& operator=(const switchboard&) = delete;
    ~switchboard() { close(); }

    void ask(callback<counted> done) {
        const std::lock_guard lock(mutex_);
        waiting_.push_back(std::move(done));
        ++asked;
        changed_.notify_one();
    }
    void close() {
        {
            const std::lock_guard lock(mutex_);
            ends_ = true;
            changed_.notify_all();
        }
        threads_.join();
    }

    int asked = 0;
    std::atomic<int> answered = 0;

private:
    void answers(int thread) {
        std::unique_lock lock(mutex_);
        for (int turn = thread;; ++turn) {
            changed_.wait(lock, [this] { return ends_ || !waiting_.empty(); });
            if (waiting_.empty()) return;
            std::optional<callback<counted>> done(std::move(waiting_.back()));
            waiting_.pop_back();
            // Two threads have copies of some.
            if (turn % 4 == 0 && !ends_) waiting_.push_back(*done);
            lock.unlock();
            support::dawdle(turn % 7 * 20);
            if (turn % 3 == 0) (*done)(turn);
            if (turn % 3 == 1) done->fail(std::make_exception_ptr(std::runtime_error("on purpose")));
            done.reset();
            ++answered;
            lock.lock();
        }
    }

    std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<callback<counted>> waiting_;
    bool ends_ = false;
    support::threads threads_;
};

class ends {
public:
    int values = 0;
    int failures = 0;
    int dropped = 0;
    int unwound = 0;
    int sum() const noexcept { return values + failures + dropped + unwound; }
};

task<> asks(switchboard& board, ends& all) {
    bool went_on = false;
    const auto note = [&] { all.unwound += went_on ? 0 : 1; };
    const support::call_at_exit leave(note);
    const auto start = [&board](callback<counted> done) { board.ask(std::move(done)); };
    try {
        const counted got = co_await rondo::from_callback<counted>(start);
        ++all.values;
        went_on = true;
    } catch (const rondo::callback_dropped&) {
        ++all.dropped;
        went_on = true;
    } catch (const std::runtime_error&) {
        ++all.failures;
        went_on = true;
    }
}

// ---- All at once ----

/// A call that does to its own loop whatever a thread may do, and to a callback of a sibling.
task<> busy_call(switchboard& board, calls& all, errands& own, ends& siblings) {
    auto sibling = rondo::spawn(asks(board, siblings));
    const auto job = [&all, &own, handle = event_loop::current().handle()] {
        ++all.inside;
        for (int i = 0; i < 20; ++i) {
            const int number = own.accepted;
            if (handle.post([&own, held = counted(number)] { own.run(held.number()); })) ++own.accepted;
        }
        --all.inside;
    };
    co_await to_thread(job);
    const auto end = co_await sibling.settled();
    if (end.is_cancelled()) ++all.failures;
    ++all.values;
}

}  // namespace

TEST_CASE(
    "eight threads post, by the loop and by handles, to a loop that falls asleep in between: all runs once, in order") {
    const int each = 5 * operations();
    event_loop loop;
    era e(loop);
    rondo::event all_ran;
    std::atomic<bool> is_over = false;
    std::atomic<int> refused = 0;
    int left = hammers * each;
    support::threads threads;
    for (int thread = 0; thread < hammers; ++thread) {
        threads.start([&, thread, handle = loop.handle()] {
            errands& own = e.of_thread[static_cast<std::size_t>(thread)];
            for (int number = 0; number < each; ++number) {
                const auto f = [&own, &left, &all_ran, held = counted(number)] {
                    own.run(held.number());
                    if (--left == 0) all_ran.set();
                };
                ++own.accepted;
                if (number % 2 == 0)
                    loop.post(f);
                else if (!handle.post(f))
                    ++refused;
                // Now and then it waits for what it has posted, so that the loop has nothing to do.
                while (number % 4 == thread % 4 && own.ran < own.accepted && !is_over) std::this_thread::yield();
            }
        });
    }
    const auto start = std::chrono::steady_clock::now();
    const bool came_true = loop.run(in_time(waits_for(all_ran)));
    is_over = true;
    CHECK(std::chrono::steady_clock::now() - start < patience);
    CHECK(came_true);
    threads.join();
    CHECK(refused == 0);
    CHECK(e.faults(true) == 0);
    CHECK(counted::live() == 0);
}

TEST_CASE("what is posted while a loop takes older posts in, outside a run, does not overtake them") {
    class posting_driver final : public rondo::driver {
    public:
        rondo::time_point now() noexcept override { return rondo::time_point::clock::now(); }
        void wait(std::optional<rondo::time_point>) override {}
        void wake() noexcept override {
            if (const auto f = std::exchange(on_wake, nullptr)) f();
        }
        std::function<void()> on_wake;
    };
    auto owned = std::make_unique<posting_driver>();
    posting_driver& driver = *owned;
    event_loop loop(std::move(owned));
    std::string order;
    const auto post_from_a_thread = [&](std::string letters) {
        support::threads threads;
        threads.start([&loop, &order, letters] {
            for (const char c : letters) loop.post([&order, c] { order += c; });
        });
    };
    post_from_a_thread("abc");
    driver.on_wake = [&] { post_from_a_thread("d"); };
    loop.spawn(support::nothing());  // from outside: takes in what has come
    loop.run();
    CHECK(order == "abcd");
}

TEST_CASE(
    "loops come and go under the posts of eight threads: what was accepted runs, in order, up to the end, or never") {
    come_and_go(operations(), false, [](event_loop& loop, era& e, int i) {
        if (i % 4 != 0)
            while (e.accepted_in_all < i * 10 % 400) std::this_thread::yield();
        for (int k = 0; k < i % 5; ++k) loop.poll();
        support::dawdle(i * 7 % 1000);
    });
}

TEST_CASE("loops that live for no time at all, one after another, while eight threads have copies of their handles") {
    come_and_go(5 * operations(), false, [](event_loop&, era& e, int i) {
        // In most of them threads are at work by then.
        while (e.accepted_in_all < i % 10) std::this_thread::yield();
    });
}

TEST_CASE("eight threads stop one loop at the same instant: its run ends, and at most one more") {
    int left_over = 0;
    for (int i = 0; 2 * i < operations(); ++i) {
        event_loop loop;
        const auto guard = loop.keep_alive();
        auto other = loop.spawn(support::stuck());
        support::threads threads;
        support::starting_line line(hammers + 1);
        for (int thread = 0; thread < hammers; ++thread) {
            threads.start([&, thread] {
                line.wait();
                support::dawdle(thread * i * 3 % 200);
                loop.stop();
            });
        }
        line.wait();
        support::dawdle(i * 5 % 200);
        CHECK(loop.try_run(support::stuck()).is_cancelled());
        threads.join();
        if (loop.try_run(support::yields(1)).is_cancelled()) ++left_over;
        CHECK(loop.try_run(support::yields(1)).has_value());
        CHECK(!other.done());
    }
    CHECK(left_over <= operations());
}

TEST_CASE("a run without main ends, and all tasks with it, however many threads stop it") {
    for (int i = 0; 2 * i < operations(); ++i) {
        event_loop loop;
        const auto guard = loop.keep_alive();
        std::vector<rondo::join_handle<>> tasks;
        for (int k = 0; k < 20; ++k) tasks.push_back(loop.spawn(support::stuck()));
        support::threads threads;
        for (int thread = 0; thread < hammers; ++thread) threads.start([&loop] { loop.stop(); });
        loop.run();
        for (const rondo::join_handle<>& one : tasks) CHECK(one.done());
        threads.join();
    }
}

TEST_CASE("loops are stopped through their handles by eight threads, and are gone at once") {
    come_and_go(operations(), true, [](event_loop& loop, era&, int i) {
        const auto guard = loop.keep_alive();
        CHECK(loop.try_run(support::stuck()).is_cancelled());
        if (i % 2 == 0) loop.run();
    });
}

TEST_CASE("eight loops on eight threads go while their calls are queued, run and return") {
    std::atomic<int> outrun = 0;
    std::atomic<int> wrong = 0;
    std::atomic<int> leaked = 0;
    support::threads threads;
    support::starting_line line(hammers);
    for (int thread = 0; thread < hammers; ++thread) {
        threads.start([&, thread] {
            line.wait();
            for (int i = 0; i < operations(); ++i) {
                calls all;
                std::vector<rondo::join_handle<>> handles;
                int unhandled = 0;
                {
                    event_loop loop;
                    loop.on_unhandled_exception([&unhandled](std::exception_ptr) { ++unhandled; });
                    for (int k = 0; k < 6; ++k) handles.push_back(loop.spawn(makes_a_call(all, k, counted(k))));
                    for (int k = 0; k < i % 4; ++k) loop.poll();
                    support::dawdle((i * 37 + thread * 101) % 2000);
                    if (i % 3 == 0) handles[static_cast<std::size_t>(i) % 6].cancel();
                    if (i % 5 == 0) loop.close();
                    if (i % 7 == 0) loop.run();
                }
                outrun += all.outrun + all.inside;
                for (const rondo::join_handle<>& one : handles) wrong += one.done() ? 0 : 1;
                wrong += all.values + all.failures + unhandled > all.begun || all.begun > 6 ? 1 : 0;
            }
            leaked += static_cast<int>(rondo::testing::live_frames());
        });
    }
    threads.join();
    CHECK(outrun == 0);
    CHECK(wrong == 0);
    CHECK(leaked == 0);
    CHECK(counted::live() == 0);
}

TEST_CASE("eight threads each have a loop that sleeps until its call returns: no return is missed") {
    std::atomic<int> late = 0;
    std::atomic<int> wrong = 0;
    support::threads threads;
    for (int thread = 0; thread < hammers; ++thread) {
        threads.start([&] {
            for (int i = 0; i < operations(); ++i) {
                const auto call = [](int n) -> task<int> {
                    const auto job = [n] { return n + 1; };
                    co_return co_await rondo::uncancellable(to_thread(job));
                };
                const auto guarded = [&call](int n) -> task<int> {
                    co_return co_await rondo::with_timeout(patience, call(n));
                };
                const auto start = std::chrono::steady_clock::now();
                wrong += rondo::run(guarded(i)) == i + 1 ? 0 : 1;
                late += std::chrono::steady_clock::now() - start < patience ? 0 : 1;
            }
        });
    }
    threads.join();
    CHECK(wrong == 0);
    CHECK(late == 0);
}

TEST_CASE("loops go while eight threads call, fail and drop the callbacks of their tasks: each waiter has one end") {
    constexpr int waiters = 24;
    {
        switchboard board;
        std::vector<std::unique_ptr<ends>> all;
        for (int i = 0; i < operations(); ++i) {
            ends& here = *all.emplace_back(std::make_unique<ends>());
            std::vector<rondo::join_handle<>> handles;
            {
                event_loop loop;
                for (int k = 0; k < waiters; ++k) handles.push_back(loop.spawn(asks(board, here)));
                loop.poll();
                for (int k = 0; k < i % 6; ++k) {
                    support::dawdle(i * 11 % 500);
                    loop.poll();
                }
                if (i % 3 == 0)
                    for (std::size_t k = 0; k < handles.size(); k += 2) handles[k].cancel();
                if (i % 8 == 0) loop.run();
            }
            for (const rondo::join_handle<>& one : handles) CHECK(one.done());
            CHECK(here.sum() == waiters);
            if (i % 8 == 0) CHECK((i % 3 == 0 || here.unwound == 0));
        }
        board.close();
        CHECK(board.asked == waiters * operations());
        CHECK(board.answered >= board.asked);
    }
    CHECK(counted::live() == 0);
}

TEST_CASE("a loop that sleeps is woken by each of the callbacks that eight threads call") {
    const int times = 5 * operations();
    switchboard board;
    ends all;
    const auto asks_again = [&board, &all, times]() -> task<> {
        for (int i = 0; i < times; ++i) co_await asks(board, all);
    };
    const auto start = std::chrono::steady_clock::now();
    const bool came_true = rondo::run(in_time(asks_again()));
    CHECK(came_true);
    CHECK(std::chrono::steady_clock::now() - start < patience);
    CHECK(all.sum() == times);
    CHECK(all.unwound == 0);
}

TEST_CASE("calls that post and callbacks that come, while eight threads post and stop, and the loop goes") {
    constexpr int callers = 8;
    int faults = 0;
    {
        switchboard board;
        stage s;
        std::vector<std::unique_ptr<std::array<errands, callers>>> posted;
        s.enter([](era& e, int thread) { e.hammer(thread, true); });
        for (int i = 0; i < operations(); ++i) {
            auto& own = *posted.emplace_back(std::make_unique<std::array<errands, callers>>());
            calls all;
            ends siblings;
            auto loop = std::make_unique<event_loop>();
            const auto e = std::make_shared<era>(*loop);
            for (errands& one : own) loop->spawn(busy_call(board, all, one, siblings));
            s.show(e);
            if (i % 2 == 0) {
                const auto guard = loop->keep_alive();
                CHECK(loop->try_run(support::stuck()).is_cancelled());
            }
            for (int k = 0; k < i % 5; ++k) loop->poll();
            support::dawdle(i * 13 % 1500);
            go(loop, *e);
            CHECK(all.inside == 0);
            CHECK(siblings.sum() <= callers);
        }
        s.leave();
        for (const auto& one : s.all()) faults += one->faults(false);
        for (const auto& all : posted)
            for (const errands& one : *all) faults += one.disorder + (one.ran > one.accepted ? 1 : 0);
    }
    CHECK(faults == 0);
    CHECK(counted::live() == 0);
}
