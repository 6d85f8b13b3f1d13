// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

// to_thread: what it calls and gives back, and how many threads it takes. to_thread_cancel_threads.cpp: where it is cancelled; to_thread_cost.cpp:
// its memory.

#include <support/clocks.hpp>
#include <support/leak_check.hpp>
#include <support/legacy.hpp>
#include <support/tasks.hpp>
#include <support/threads.hpp>

#include <rondo/bridge/detail/thread_pool.hpp>
#include <rondo/bridge/to_thread.hpp>
#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <catch2/catch_test_macros.hpp>

#include <atomic>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using rondo::event_loop;
using rondo::task;
using rondo::to_thread;
using rondo::detail::thread_pool;
using support::gate;
using support::lines;

using calling = decltype(to_thread(std::declval<int (*)(int)>(), 1));
static_assert(rondo::awaitable<calling> && !rondo::awaitable<calling&>);
static_assert(std::same_as<rondo::await_result_t<calling>, int>);

// ---- What it calls, and what comes back ----

int twice(int n) { return 2 * n; }
std::size_t length(const std::string& text) { return text.size(); }
std::unique_ptr<int> passes_on(std::unique_ptr<int> p) { return p; }
int& first_of(std::vector<int>& v) { return v.front(); }

class account {
public:
    explicit account(int balance) : balance_(balance) {}
    int add(int sum) { return balance_ += sum; }
    int balance() const { return balance_; }

private:
    int balance_;
};

class only_movable {
public:
    explicit only_movable(int n) : n_(std::make_unique<int>(n)) {}
    int operator()(int m) && { return *n_ + m; }

private:
    std::unique_ptr<int> n_;
};

task<> calls_everything() {
    const int from_function = co_await to_thread(twice, 4);
    CHECK(from_function == 8);
    const std::size_t from_literal = co_await to_thread(length, "four");
    CHECK(from_literal == 4);
    const std::unique_ptr<int> owned = co_await to_thread(passes_on, std::make_unique<int>(5));
    REQUIRE(owned != nullptr);
    CHECK(*owned == 5);
    only_movable callable(6);
    const int from_object = co_await to_thread(std::move(callable), 1);
    CHECK(from_object == 7);
    const std::function<int(int)> function = twice;
    const int from_std_function = co_await to_thread(function, 7);
    CHECK(from_std_function == 14);
    const auto generic = [](const auto& a, const auto& b) { return a + b; };
    const std::string sum = co_await to_thread(generic, std::string("a"), std::string("b"));
    CHECK(sum == "ab");
    bool called = false;
    co_await to_thread([&called] { called = true; });
    CHECK(called);
}

task<> calls_members() {
    account a(10);
    const int added = co_await to_thread(&account::add, std::ref(a), 5);
    CHECK(added == 15);
    CHECK(a.balance() == 15);
    const int by_pointer = co_await to_thread(&account::add, &a, 1);
    CHECK(by_pointer == 16);
    const int of_a_copy = co_await to_thread(&account::add, a, 100);
    CHECK(of_a_copy == 116);
    CHECK(a.balance() == 16);
    const int constant = co_await to_thread(&account::balance, std::cref(a));
    CHECK(constant == 16);
    auto shared = std::make_shared<account>(1);
    const int by_shared_pointer = co_await to_thread(&account::balance, shared);
    CHECK(by_shared_pointer == 1);
}

task<> passes_references() {
    std::vector<int> numbers{1, 2, 3};
    int& first = co_await to_thread(first_of, std::ref(numbers));
    CHECK(&first == numbers.data());
    const auto push = [](std::vector<int>& v, int n) { v.push_back(n); };
    co_await to_thread(push, std::ref(numbers), 4);
    CHECK(numbers.size() == 4);
    const std::vector<int> copy = numbers;
    const auto change = [](std::vector<int> v) { v.clear(); };
    co_await to_thread(change, numbers);
    CHECK(numbers == copy);
}

task<> catches(lines& log) {
    try {
        co_await to_thread([] { throw std::out_of_range("from the thread"); });
    } catch (const std::out_of_range& error) {
        log.push_back(error.what());
    }
    try {
        co_await to_thread([]() -> int { throw 42; });
    } catch (int number) {
        log.push_back(std::to_string(number));
    }
    const int after = co_await to_thread(twice, 1);
    CHECK(after == 2);
}

class throws_when_moved {
public:
    throws_when_moved() = default;
    throws_when_moved(throws_when_moved&&) { throw std::runtime_error("moved"); }
    throws_when_moved& operator=(throws_when_moved&&) = delete;
    ~throws_when_moved() = default;
};

task<> result_cannot_be_moved(std::string& said) {
    try {
        co_await to_thread([] { return throws_when_moved(); });
    } catch (const std::runtime_error& error) {
        said = error.what();
    }
}

task<> tells_threads(std::thread::id& caller, std::thread::id& callee, std::thread::id& after, bool& has_loop) {
    caller = std::this_thread::get_id();
    callee = co_await to_thread([] { return std::this_thread::get_id(); });
    after = std::this_thread::get_id();
    has_loop = co_await to_thread([] {
        try {
            event_loop::current();
            return true;
        } catch (const std::logic_error&) {
            return false;
        }
    });
}

// ---- Others go on ----

task<> opens_after_three_steps(gate& g, int& steps) {
    for (; steps < 3; ++steps) co_await rondo::yield();
    g.open();
}

task<> waits_for_another_task(int& steps) {
    gate g;
    auto other = rondo::spawn(opens_after_three_steps(g, steps));
    co_await to_thread([&g] { g.wait(); });
    CHECK(steps == 3);
    co_await other;
}

task<> is_not_finished_at_once(lines& log) {
    auto other = rondo::spawn(support::note(log, "other"));
    co_await to_thread([] {});
    log.push_back("called");
    co_await other;
}

task<> posts_progress(lines& log, const rondo::loop_handle& handle) {
    const std::thread::id home = std::this_thread::get_id();
    const bool done = co_await to_thread([&log, &handle, home] {
        bool posted = true;
        for (int i = 1; i <= 3; ++i) {
            posted = handle.post([&log, home, i] {
                log.push_back(std::to_string(i) + (std::this_thread::get_id() == home ? "" : " elsewhere"));
            }) && posted;
        }
        return posted;
    });
    CHECK(done);
    log.push_back("called");
}

task<> answers_from_the_thread(support::legacy<int>& api) {
    auto waiter = rondo::spawn(support::asks(api));
    co_await rondo::yield();
    co_await to_thread([&api] { api.answer(5); });
    const int value = co_await waiter;
    CHECK(value == 5);
}

task<> is_stopped_from_the_thread(event_loop& loop, bool& returned) {
    co_await to_thread([&loop, &returned] {
        loop.stop();
        returned = true;
    });
    co_await support::for_ever();
}

task<int> adds_in_threads(int times) {
    int sum = 0;
    for (int i = 0; i < times; ++i) sum += co_await to_thread(twice, i);
    co_return sum;
}

task<> calls_then_is_stuck() {
    co_await to_thread([] {});
    co_await support::for_ever();
}

// ---- How many ----

/// Who has called, and how many did at the same time.
class crowd {
public:
    crowd() = default;
    crowd(const crowd&) = delete;
    crowd& operator=(const crowd&) = delete;

    void call(int turns) {
        const int now = ++inside_;
        for (int most = most_; now > most && !most_.compare_exchange_weak(most, now);) {
        }
        {
            const std::lock_guard lock(mutex_);
            ids_.insert(std::this_thread::get_id());
        }
        support::dawdle(turns);
        ++calls_;
        --inside_;
    }
    std::size_t most() const { return static_cast<std::size_t>(most_); }
    std::size_t threads() const { return ids_.size(); }
    const std::set<std::thread::id>& ids() const { return ids_; }
    int calls() const { return calls_; }

private:
    std::atomic<int> inside_ = 0;
    std::atomic<int> most_ = 0;
    std::atomic<int> calls_ = 0;
    std::mutex mutex_;
    std::set<std::thread::id> ids_;
};

task<> visits(crowd& c, int turns) {
    co_await to_thread([&c, turns] { c.call(turns); });
}

task<> all_visit(crowd& c, int visitors, int turns) {
    std::vector<task<>> all;
    for (int i = 0; i < visitors; ++i) all.push_back(visits(c, turns));
    co_await rondo::when_all(std::move(all));
}

task<> visits_in_turn(crowd& c, int times) {
    for (int i = 0; i < times; ++i) co_await visits(c, 0);
}

// As many as the limit at the same time: each waits for the last.
task<> meets(std::atomic<int>& missing) {
    co_await to_thread([&missing] {
        --missing;
        while (missing > 0) std::this_thread::yield();
    });
}

task<> all_meet() {
    std::atomic<int> missing = static_cast<int>(thread_pool::limit());
    std::vector<task<>> all;
    for (std::size_t i = 0; i < thread_pool::limit(); ++i) all.push_back(meets(missing));
    co_await rondo::when_all(std::move(all));
}

// ---- The end of a call ----

/// Notes in its owner's frame that it is gone, after a moment in which others could see that it is not.
class leaves_slowly {
public:
    explicit leaves_slowly(std::atomic<bool>& gone) noexcept : gone_(&gone) {}
    leaves_slowly(leaves_slowly&& other) noexcept : gone_(std::exchange(other.gone_, nullptr)) {}
    leaves_slowly& operator=(leaves_slowly&&) = delete;
    ~leaves_slowly() {
        if (gone_ == nullptr) return;
        support::dawdle(100);
        *gone_ = true;
    }

private:
    std::atomic<bool>* gone_;
};

task<> looks_after_each_call(int times, bool throws, int& gone_in_time) {
    for (int i = 0; i < times; ++i) {
        std::atomic<bool> captured_gone = false;
        std::atomic<bool> argument_gone = false;
        auto f = [captured = leaves_slowly(captured_gone), throws](const leaves_slowly&) {
            if (throws) throw std::runtime_error("call");
        };
        leaves_slowly argument(argument_gone);
        try {
            co_await to_thread(std::move(f), std::move(argument));
        } catch (const std::runtime_error&) {
        }
        gone_in_time += captured_gone && argument_gone ? 1 : 0;
        while (!captured_gone || !argument_gone) std::this_thread::yield();  // they refer to this frame
    }
}

/// Never waits, and is slow to say that it is awake: the thread that sends something is still busy with that when the loop
/// has long taken what was sent.
class slow_to_wake final : public rondo::driver {
public:
    rondo::time_point now() noexcept override { return std::chrono::steady_clock::now(); }
    void wait(std::optional<rondo::time_point>) override { std::this_thread::yield(); }
    void wake() noexcept override { std::this_thread::sleep_for(2ms); }
};

task<> makes_without_awaiting(bool& called) {
    auto owned = std::make_unique<int>(1);
    auto f = [&called](std::unique_ptr<int>) { called = true; };
    auto made = to_thread(f, std::move(owned));
    co_await adds_in_threads(1);
    (void)made;
}

}  // namespace

TEST_CASE("to_thread calls functions, literals' functions, move-only objects, std::functions, generic lambdas") {
    rondo::run(calls_everything());
}

TEST_CASE("to_thread calls members: of a reference, a pointer, a copy, a shared_ptr") { rondo::run(calls_members()); }

TEST_CASE(
    "to_thread takes arguments by value, and std::ref for references; a reference comes back as the same object") {
    rondo::run(passes_references());
}

TEST_CASE("an exception comes back as itself, of any type") {
    lines log;
    rondo::run(catches(log));
    CHECK(log == lines{"from the thread", "42"});
}

TEST_CASE("a result whose move throws comes back as that exception") {
    std::string said;
    rondo::run(result_cannot_be_moved(said));
    CHECK(said == "moved");
}

TEST_CASE("the call is made on another thread, without a loop, and the caller goes on on its own") {
    std::thread::id caller;
    std::thread::id callee;
    std::thread::id after;
    bool has_loop = true;
    rondo::run(tells_threads(caller, callee, after, has_loop));
    CHECK(caller == std::this_thread::get_id());
    CHECK(callee != caller);
    CHECK(after == caller);
    CHECK(!has_loop);
}

TEST_CASE("other tasks go on meanwhile") {
    int steps = 0;
    rondo::run(waits_for_another_task(steps));
    steps = 0;
    rondo::testing::run(waits_for_another_task(steps));
}

TEST_CASE("to_thread always suspends") {
    lines log;
    rondo::run(is_not_finished_at_once(log));
    CHECK(log == lines{"other", "called"});
}

TEST_CASE("the call may post to the loop, in order, before its own end arrives there") {
    lines log;
    event_loop loop;
    loop.run(posts_progress(log, loop.handle()));
    CHECK(log == lines{"1", "2", "3", "called"});
}

TEST_CASE("the call may call a callback of a task on the loop") {
    support::legacy<int> api;
    rondo::run(answers_from_the_thread(api));
}

TEST_CASE("the call may stop the loop, which waits for it") {
    bool returned = false;
    event_loop loop;
    CHECK_THROWS_AS(loop.run(is_stopped_from_the_thread(loop, returned)), rondo::cancelled);
    CHECK(returned);
}

TEST_CASE("the call may run a loop of its own, and use to_thread there") {
    std::size_t frames = 1;
    auto outer = [](std::size_t& left) -> task<int> {
        co_return co_await to_thread([&left] {
            const int sum = rondo::run(adds_in_threads(4));
            left = rondo::testing::live_frames();
            return sum;
        });
    };
    CHECK(rondo::run(outer(frames)) == 12);
    CHECK(frames == 0);
}

TEST_CASE("a call that is over does not keep an idle loop waiting") {
    CHECK_THROWS_AS(rondo::run(calls_then_is_stuck()), rondo::deadlock_error);
}

TEST_CASE("a loop without main waits for its tasks' calls") {
    event_loop loop;
    auto handle = loop.spawn(adds_in_threads(10));
    loop.run();
    CHECK(handle.done());
}

TEST_CASE("a thousand calls at once: each made once, by no more threads than the limit") {
    crowd c;
    rondo::run(all_visit(c, 1000, 50));
    CHECK(c.calls() == 1000);
    CHECK(c.most() <= thread_pool::limit());
    CHECK(c.threads() <= thread_pool::limit());
    CHECK(thread_pool::instance().size() <= thread_pool::limit());
}

TEST_CASE("as many calls as the limit says run at the same time") {
    rondo::run(all_meet());
    CHECK(thread_pool::instance().size() == thread_pool::limit());
}

TEST_CASE("threads are used again") {
    rondo::run(all_meet());  // all that there may be
    const std::size_t threads = thread_pool::instance().size();
    crowd c;
    rondo::run(visits_in_turn(c, 200));
    CHECK(c.calls() == 200);
    CHECK(c.most() == 1);
    CHECK(c.threads() <= threads);
    CHECK(thread_pool::instance().size() <= threads);
}

TEST_CASE("two loops on two threads share the threads") {
    int sums[2] = {0, 0};
    std::size_t frames[2] = {1, 1};
    crowd shared;
    support::threads threads;
    for (int me = 0; me < 2; ++me) {
        threads.start([&, me] {
            sums[me] = rondo::run(adds_in_threads(200));
            rondo::run(all_visit(shared, 200, 10));
            frames[me] = rondo::testing::live_frames();
        });
    }
    threads.join();
    for (const int sum : sums) CHECK(sum == 200 * 199);
    for (const std::size_t left : frames) CHECK(left == 0);
    CHECK(shared.calls() == 400);
    CHECK(shared.most() <= thread_pool::limit());
}

TEST_CASE("callable and arguments are gone before the caller goes on: they may refer to its locals") {
    for (const bool throws : {false, true}) {
        int gone_in_time = 0;
        rondo::run(looks_after_each_call(300, throws, gone_in_time));
        CHECK(gone_in_time == 300);
        gone_in_time = 0;
        event_loop loop(std::make_unique<slow_to_wake>());
        loop.run(looks_after_each_call(30, throws, gone_in_time));
        CHECK(gone_in_time == 30);
    }
}

TEST_CASE("a to_thread that nobody awaits calls nothing") {
    bool called = false;
    rondo::run(makes_without_awaiting(called));
    CHECK(!called);
}
