// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

// A program that waits for one of each kind, and prints what debug::dump says of it, `ready PID` behind. It stops right there,
// in a posted function, so that a debugger finds the same state.

#include <rondo/bridge/with_stop_token.hpp>
#include <rondo/debug.hpp>
#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <chrono>
#include <coroutine>
#include <cstdio>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <unistd.h>

using namespace rondo;
using namespace std::chrono_literals;

task<> wait_for(event& e) { co_await e.wait(); }
task<int> number(event& e) {
    co_await e.wait();
    co_return 1;
}
std::vector<task<>> several(event& e) {
    std::vector<task<>> tasks;
    for (int i = 0; i < 2; ++i) tasks.push_back(wait_for(e));
    return tasks;
}

async_generator<int> numbers(event& e) {
    co_yield 1;
    co_await e.wait();
}
task<> ask(async_generator<int> from) {
    while (auto n = co_await from.next()) (void)n;
}

// --- Foreign and user-defined awaiters ---

class foreign {
public:
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<>) const noexcept {}
    void await_resume() const noexcept {}
};
class native {
public:
    bool await_ready() const noexcept { return false; }
    void await_suspend(resumer r) noexcept { resumer_ = std::move(r); }
    void await_resume() const noexcept {}
    bool await_cancel() noexcept { return true; }

private:
    resumer resumer_;
};
template <class Awaiter>
task<> await_one() {
    co_await Awaiter();
}

// --- Combinators ---

task<> all(event& e, bounded_queue<int>& q) { co_await when_all(number(e), q.pop(), wait_for(e), sleep(1h)); }
task<> all_settled(event& e, semaphore& s) { co_await when_all_settled(s.scoped_acquire(), number(e)); }
task<> all_of_range(event& e) { co_await when_all(several(e)); }
task<> all_settled_of_range(event& e) { co_await when_all_settled(several(e)); }
task<> any(event& e, latch& l) { co_await when_any(wait_for(e), l.wait()); }
task<> any_of_range(event& e) { co_await when_any(several(e)); }
task<> limited(event& e) { co_await when_all_limited(1, several(e)); }
task<> each_concurrent(event& e) {
    std::vector<int> elements(3);
    co_await for_each_concurrent(elements, 2, [&](int) { return wait_for(e); });
}
task<> each_completed(event& e) {
    co_await for_each_completed(several(e), [](std::size_t, outcome<void>) {});
}
task<> timed(event& e) { co_await with_timeout(2h, wait_for(e)); }
task<> try_timed(event& e) { co_await try_with_timeout(2h, e.wait()); }
task<> timed_for_ever(event& e) { co_await with_timeout(duration::max(), e.wait()); }
task<> protect(event& e) { co_await uncancellable(wait_for(e)); }
task<> clean(event& e, event& before) {
    co_await finally(before.wait(), [&]() -> task<> { co_await wait_for(e); });
}
task<> stop_if_told(std::stop_token token, event& e) { co_await with_stop_token(std::move(token), wait_for(e)); }
task<> nest(event& e) {
    co_await with_task_group([&](task_group& outer) -> task<> {
        outer.spawn(wait_for(e), "in the outer group");
        co_await with_task_group([&](task_group& inner) -> task<> {
            inner.spawn(wait_for(e), "in the inner group");
            inner.spawn([&e] { return wait_for(e); });
            co_return;
        });
    });
}

// --- Operations ---

task<> sleep_long() { co_await sleep(1h); }
task<> sleep_for_ever() { co_await sleep(duration::max()); }
task<> sleep_to(time_point t) { co_await sleep_until(t); }
task<> tick() {
    interval ticks(30min);
    co_await ticks.next();
}
task<> join(join_handle<> h) { co_await h; }
task<> join_settled(join_handle<int> h) { (void)co_await h.settled(); }
task<> push(bounded_queue<int>& q) { co_await q.push(1); }
task<> emplace(bounded_queue<std::string>& q) { co_await q.emplace("text"); }
task<> pop(bounded_queue<int>& q) { co_await q.pop(); }
task<> push_message(message_queue<int>& q) { co_await q.push(1); }
task<> receive(message_queue<int>& q) { co_await q.receive(); }
task<> join_queue(message_queue<int>& q) { co_await q.join(); }
task<> arrive(latch& l) { co_await l.arrive_and_wait(); }
task<> arrive(barrier& b) { co_await b.arrive_and_wait(); }
task<> lock(mutex& m) { co_await m.lock(); }
task<> hold(mutex& m, event& e) {
    auto guard = co_await m.scoped_lock();
    co_await e.wait();
}
task<> hold(semaphore& s, event& e) {
    auto permit = co_await s.scoped_acquire();
    co_await e.wait();
}
task<> acquire(semaphore& s) { co_await s.acquire(); }
task<> wait_on(condition_variable& cv, mutex& m) {
    auto guard = co_await m.scoped_lock();
    co_await cv.wait(guard);
}
task<> wait_until_true(condition_variable& cv, mutex& m) {
    auto guard = co_await m.scoped_lock();
    co_await cv.wait(guard, [] { return false; });
}
task<> wait_on_for(condition_variable& cv, mutex& m) {
    auto guard = co_await m.scoped_lock();
    co_await cv.wait_for(guard, 1h, [] { return false; });
}
task<> call_back() {
    co_await from_callback<int>([](callback<int> done) { new callback<int>(std::move(done)); });
}
task<> block() {
    co_await to_thread([] { std::this_thread::sleep_for(1h); });
}
task<> deadlock(mutex& a, mutex& b) {
    auto first = co_await a.scoped_lock();
    co_await yield();
    auto second = co_await b.scoped_lock();
}

task<> deadlock_of_children(mutex& a, mutex& b) { co_await when_all(deadlock(a, b), with_timeout(9h, deadlock(b, a))); }
task<> deadlock_with_child(mutex& m, event& never) {
    auto guard = co_await m.scoped_lock();
    co_await when_all(wait_for(never), lock(m));
}
task<mutex::guard> take(mutex& m) {
    co_await yield();
    co_return co_await m.scoped_lock();
}
task<> hold_what_child_took(mutex& m, event& never) {
    auto guard = co_await with_timeout(1h, take(m));
    co_await never.wait();
}

void show(event_loop& loop) {
    std::printf("%s\nready %ld\n", debug::dump(loop).c_str(), static_cast<long>(getpid()));
    std::fflush(stdout);
    for (;;) pause();
}

task<> main_task(event_loop& loop, mutex& locked) {
    event never, before;
    std::stop_source stops;
    bounded_queue<int> empty(1), full(1);
    bounded_queue<std::string> full_of_text(1);
    message_queue<int> messages(1), no_messages(1);
    latch counted(5);
    barrier meeting(3);
    mutex held, a, b, of_waiters, c, d, e, f, g, h;
    semaphore permits(2), none(0);
    condition_variable changed, never_changed;
    auto gone = std::make_unique<bounded_queue<int>>(1);
    auto gone_mutex = std::make_unique<mutex>();
    auto gone_event = std::make_unique<event>();
    full.try_push(1);
    full_of_text.try_push("text");
    messages.try_push(1);
    (void)gone_mutex->try_lock();

    spawn(all(never, empty), "when_all");
    spawn(all_settled(never, none), "when_all_settled");
    spawn(all_of_range(never), "when_all of a range");
    spawn(all_settled_of_range(never), "when_all_settled of a range");
    spawn(any(never, counted), "when_any");
    spawn(any_of_range(never), "when_any of a range");
    spawn(limited(never), "when_all_limited");
    spawn(each_concurrent(never), "for_each_concurrent");
    spawn(each_completed(never), "for_each_completed");
    spawn(timed(never), "with_timeout");
    spawn(try_timed(never), "try_with_timeout");
    spawn(timed_for_ever(never), "with_timeout for ever");
    spawn(protect(never), "uncancellable");
    spawn(clean(never, never), "finally");
    spawn(clean(never, before), "finally in its cleanup");
    spawn(stop_if_told(stops.get_token(), never), "with_stop_token");
    spawn(nest(never), "groups");
    spawn(ask(numbers(never)), "async_generator");
    spawn([&never] { return wait_for(never); });
    spawn(await_one<foreign>(), "foreign");
    spawn(await_one<native>(), "native");

    spawn(sleep_long(), "sleep");
    spawn(sleep_for_ever(), "sleep for ever");
    spawn(sleep_to(loop.now() + 3h), "sleep_until");
    spawn(tick(), "interval");
    spawn(join(spawn(wait_for(never), "joined")), "join");
    spawn(join_settled(spawn(number(never))), "settled");
    spawn(push(full), "push");
    spawn(emplace(full_of_text), "emplace");
    spawn(pop(empty), "pop");
    spawn(pop(*gone), "pop from a queue that is gone");
    spawn(push_message(messages), "push of a message");
    spawn(receive(no_messages), "receive");
    spawn(join_queue(messages), "join of a queue");
    spawn(arrive(counted), "latch");
    spawn(arrive(meeting), "barrier");
    spawn(hold(held, never), "holder");
    spawn(lock(held), "lock");
    spawn(lock(*gone_mutex), "lock of a mutex that is gone");
    spawn(wait_for(*gone_event), "event that is gone");
    spawn(lock(locked), "lock of a mutex that was locked outside");
    spawn(hold(permits, never), "first holder");
    spawn(hold(permits, never), "second holder");
    spawn(acquire(permits), "acquire");
    spawn(wait_on(changed, of_waiters), "condition_variable");
    spawn(wait_until_true(never_changed, of_waiters), "condition_variable with a predicate");
    spawn(wait_on_for(never_changed, of_waiters), "condition_variable for some time");
    spawn(call_back(), "from_callback");
    spawn(block(), "to_thread");
    spawn(deadlock(a, b), "one");
    spawn(deadlock(b, a), "other");
    spawn(deadlock(c, d));
    spawn(deadlock(d, c));
    spawn(deadlock_of_children(e, f), "children");
    spawn(deadlock_with_child(g, never), "child");
    spawn(hold_what_child_took(h, never), "heir");
    spawn(lock(h), "lock of what a child took");

    co_await sleep(1500ms);
    gone.reset();
    gone_mutex.reset();
    gone_event.reset();
    before.set();
    auto guard = co_await of_waiters.scoped_lock();
    changed.notify_one();
    co_await sleep(1s);

    // What is ready, or has not begun, when the function that is posted has its turn.
    event now;
    spawn(wait_for(now), "ready");
    co_await sleep(1s);
    loop.post([&] {
        now.set();
        loop.spawn(wait_for(never), "new");
        show(loop);
    });
    co_await sleep(1h);
}

int main() {
    event_loop loop(std::make_unique<testing::virtual_driver>());
    mutex locked;
    (void)locked.try_lock();
    loop.run(main_task(loop, locked));
}
