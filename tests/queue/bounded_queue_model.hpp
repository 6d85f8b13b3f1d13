// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// Random operations on a bounded_queue, each checked against a model of it: tasks on one or two loops push, pop, try,
// close and cancel one another, alone, several times in a step, and inside when_all; from outside they are polled and
// cancelled, and the queue and the loops are destroyed under them. The model follows what really runs, so it does not
// fix an order where there is none, and objects to everything else: a wrong message, a waiter served before its turn
// or forgotten, a step that runs inside another, a value that a failed push has touched.

#include <support/choices.hpp>
#include <support/clocks.hpp>
#include <support/tracked.hpp>

#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <algorithm>
#include <cstddef>
#include <deque>
#include <exception>
#include <initializer_list>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace bounded_queue_model {

using rondo::bounded_queue;
using rondo::event_loop;
using rondo::task;
using message = support::move_only_tracked;

// ---- What tasks do ----

enum class kind {
    pop,
    push,
    emplace,
    try_pop,
    try_push,
    yield,
    close,
    cancel_other,
    cancel_self,
    both_pops,        // when_all(pop, pop)
    push_and_pop,     // when_all(push, pop)
    pop_and_push,     // when_all(pop, push)
    pop_and_yields,   // when_all(pop, a task that yields)
    push_and_yields,  // when_all(push, a task that yields)
    pop_or_fail,      // when_all(pop, a task that yields and throws)
    push_or_fail,     // when_all(push, a task that yields and throws)
    fail_at_once,     // when_all(a task that throws, pop)
    settled,          // when_all_settled(push, pop)
    count
};

inline const char* name_of(kind what) {
    static const char* const names[] = {
        "pop",          "push",          "emplace",       "try_pop",     "try_push",     "yield",
        "close",        "cancel",        "cancel itself", "pop & pop",   "push & pop",   "pop & push",
        "pop & yields", "push & yields", "pop | fail",    "push | fail", "fail at once", "settled push & pop"};
    static_assert(sizeof names / sizeof *names == static_cast<std::size_t>(kind::count));
    return names[static_cast<std::size_t>(what)];
}

struct instruction {
    instruction(kind k, int id, int n) : what(k), value(id), number(id), yields(n) {}
    kind what;
    message value;  // what it pushes
    int number;     // of that
    int yields;     // of its child
};

// What an operation gave, as a number: of the message, or one of these.
constexpr int closed_and_drained = -2;
constexpr int was_pushed = -3;
constexpr int was_refused = -4;

enum class ending { values, queue_closed, boom };

// ---- The model ----

struct operand {
    enum class state { waiting, granted, nothing, refused, withdrawn };
    operand(bool p, int n) : pops(p), number(n) {}
    bool pops;
    int number;  // of the message pushed
    state now = state::withdrawn;
    bool ended() const { return now != state::waiting && now != state::withdrawn; }
};

struct actor {
    enum class state { unstarted, running, yielding, blocked, ready, gone };
    actor(int n, std::size_t l) : number(n), loop(l) {}

    int number;
    std::size_t loop;
    std::vector<instruction> program;
    std::optional<rondo::join_handle<>> handle;

    state now = state::unstarted;
    std::vector<operand> operands;  // of the operation under way
    bool child = false;             // a child task of it has not ended
    bool composite = false;         // it is a when_all
    bool settles = false;           // when_all_settled
    bool waited = false;            // it had to wait at some time
    ending end = ending::values;
    bool cancelling = false;   // cancelled while it ran
    bool detached = false;     // its queue is gone
    bool completed = false;    // its program has come to the end
    std::size_t since = 0;     // the event that made it runnable
    std::size_t place = 0;     // its place among those that the event made runnable
    std::size_t progress = 0;  // how often it has done something

    bool runnable() const { return now == state::unstarted || now == state::yielding || now == state::ready; }
    bool only_pops() const { return operands.size() == 1 && operands[0].pops && !composite; }
    bool only_pushes() const { return operands.size() == 1 && !operands[0].pops && !composite; }
};

class model {
public:
    explicit model(std::size_t c) : capacity(c) {}

    const std::size_t capacity;
    std::deque<int> messages;
    std::size_t claims = 0;  // the oldest so many messages belong to poppers who have not resumed
    bool closed = false;
    std::size_t event = 0;

    std::size_t free() const { return messages.size() - claims; }
    bool full() const { return messages.size() >= capacity; }

    bool try_push(int number) {
        if (closed || full()) return false;
        messages.push_back(number);
        settle();
        return true;
    }

    int try_pop() {
        if (free() == 0) return closed_and_drained;
        const int number = take(claims);
        settle();
        return number;
    }

    void close() {
        closed = true;
        while (!pushers_.empty()) {
            const waiter w = pushers_.front();
            pushers_.pop_front();
            refuse(w);
        }
        settle();
    }

    // Starts the operands of `a` that precede its child task.
    void begin(actor& a) {
        a.waited = false;
        a.end = ending::values;
        a.now = actor::state::running;
        bool started_before = false;
        for (std::size_t i = 0; i < a.operands.size() && a.end == ending::values; ++i) {
            start(waiter(&a, i));
            if (a.end != ending::values && started_before)
                a.waited = true;  // what was granted before had to go back first
            started_before = true;
        }
        a.now = actor::state::blocked;
        wake_if_ended(a);
    }

    void child_ends(actor& a) {
        a.child = false;
        wake_if_ended(a);
    }

    void fails(actor& a, ending how) {
        a.child = false;
        a.end = how;
        release(a);
        wake_if_ended(a);
    }

    // What an operand of a resumed task gives. Who has waited takes from the front, of what is promised; who has not, behind that.
    int finish(const actor& a, const operand& o) {
        using state = operand::state;
        if (!o.pops) return o.now == state::refused ? was_refused : was_pushed;
        if (o.now == state::nothing) return closed_and_drained;
        --claims;
        const int number = take(a.composite || a.waited ? 0 : claims);
        settle();
        return number;
    }

    void cancel(actor& a) {
        a.now = actor::state::gone;
        release(a);
    }

private:
    struct waiter {
        waiter(actor* a, std::size_t i) : who(a), index(i) {}
        actor* who;
        std::size_t index;
        operand& op() const { return who->operands[index]; }
    };

    int take(std::size_t index) {
        const auto place = messages.begin() + static_cast<std::ptrdiff_t>(index);
        const int number = *place;
        messages.erase(place);
        return number;
    }

    void start(waiter w) {
        operand& o = w.op();
        if (o.pops) {
            if (free() > 0) {
                ++claims;
                o.now = operand::state::granted;
            } else if (closed && messages.empty()) {
                o.now = operand::state::nothing;
            } else {
                wait(poppers_, w);
            }
        } else if (closed) {
            refuse(w);
        } else if (full()) {
            wait(pushers_, w);
        } else {
            messages.push_back(o.number);
            o.now = operand::state::granted;
            settle();
        }
    }

    void wait(std::deque<waiter>& line, waiter w) {
        w.op().now = operand::state::waiting;
        w.who->waited = true;
        line.push_back(w);
    }

    void end(waiter w, operand::state how) {
        w.op().now = how;
        wake_if_ended(*w.who);
    }

    void refuse(waiter w) {
        end(w, operand::state::refused);
        if (!w.who->settles) fails(*w.who, ending::queue_closed);
    }

    void wake_if_ended(actor& a) {
        if (a.now != actor::state::blocked || a.child) return;
        if (a.end == ending::values)
            for (const operand& o : a.operands)
                if (!o.ended()) return;
        a.now = actor::state::ready;
        a.since = event;
        a.place = woken_++;
    }

    void release(actor& a) {
        for (std::size_t i = 0; i < a.operands.size(); ++i) {
            operand& o = a.operands[i];
            if (o.now == operand::state::waiting) {
                auto& line = o.pops ? poppers_ : pushers_;
                line.erase(std::find_if(line.begin(), line.end(),
                                        [&](const waiter& w) { return w.who == &a && w.index == i; }));
                o.now = operand::state::withdrawn;
            } else if (o.now == operand::state::granted && o.pops) {
                --claims;
                o.now = operand::state::withdrawn;
            }
        }
        settle();
    }

    void settle() {
        while (!pushers_.empty() && !full() && !closed) {
            const waiter w = pushers_.front();
            pushers_.pop_front();
            messages.push_back(w.op().number);
            end(w, operand::state::granted);
        }
        while (!poppers_.empty() && (free() > 0 || (closed && messages.empty()))) {
            const waiter w = poppers_.front();
            poppers_.pop_front();
            if (free() > 0) {
                ++claims;
                end(w, operand::state::granted);
            } else {
                end(w, operand::state::nothing);
            }
        }
    }

    std::deque<waiter> pushers_;
    std::deque<waiter> poppers_;
    std::size_t woken_ = 0;
};

// ---- The world: a queue, its model, and the tasks around them ----

struct boom : std::runtime_error {
    boom() : std::runtime_error("boom") {}
};

class world {
public:
    explicit world(support::choices c)
        : choices_(std::move(c)), reference(1 + pick(pick(2) == 0 ? 1 : 5)), queue(reference.capacity) {
        loops_.resize(1 + pick(2));
        for (auto& loop : loops_) {
            loop = std::make_unique<event_loop>(support::virtual_time());
            loop->on_unhandled_exception([this](std::exception_ptr) { ++unhandled_; });
        }
        wants_pops_ = pick(3);
    }
    world(const world&) = delete;
    world& operator=(const world&) = delete;
    ~world() { loops_.clear(); }

    std::size_t run_scenario();
    const std::string& objection() const { return objection_; }
    std::string history() const;

private:
    // Calls into the library must not resume anybody.
    template <class F>
    decltype(auto) guarded(F f) {
        struct restore {
            explicit restore(bool& f) : flag(f), before(std::exchange(f, true)) {}
            restore(const restore&) = delete;
            restore& operator=(const restore&) = delete;
            ~restore() { flag = before; }
            bool& flag;
            bool before;
        } inside(inside_call_);
        return f();
    }

public:
    // Called by the tasks, between what they await.

    void started(actor& a) {
        note(a, "starts");
        resumed(a, a.now == actor::state::unstarted);
        a.now = actor::state::running;
        check_queue();
    }

    void begin(actor& a, instruction& i) {
        ++operations_;
        note(a, name_of(i.what), i.number);
        a.operands.clear();
        a.child = false;
        a.settles = i.what == kind::settled;
        a.composite = i.what >= kind::both_pops;
        const operand pop(true, 0);
        const operand push(false, i.number);
        switch (i.what) {
            case kind::pop:
                a.operands = {pop};
                break;
            case kind::push:
            case kind::emplace:
                a.operands = {push};
                break;
            case kind::both_pops:
                a.operands = {pop, pop};
                break;
            case kind::push_and_pop:
            case kind::settled:
                a.operands = {push, pop};
                break;
            case kind::pop_and_push:
                a.operands = {pop, push};
                break;
            case kind::pop_and_yields:
            case kind::pop_or_fail:
                a.operands = {pop}, a.child = true;
                break;
            case kind::push_and_yields:
            case kind::push_or_fail:
                a.operands = {push}, a.child = true;
                break;
            case kind::fail_at_once:
                a.child = true;
                break;
            case kind::yield:
                a.now = actor::state::yielding;
                a.since = reference.event;
                return;
            default:
                return;
        }
        reference.begin(a);
        goes_on_at_once(a);
    }

    void yielded(actor& a) {
        note(a, "goes on");
        resumed(a, a.now == actor::state::yielding);
        a.now = actor::state::running;
    }

    void child_ends(actor& a) {
        note(a, "child ends");
        if (a.detached) return;
        reference.child_ends(a);
        a.waited = false;
        goes_on_at_once(a);
    }

    void child_fails(actor& a) {
        note(a, "child fails");
        if (a.detached) return;
        reference.fails(a, ending::boom);
    }

    void finish(actor& a, instruction& i, ending how, std::initializer_list<int> results) {
        note(a,
             how == ending::values ? "ends"
             : how == ending::boom ? "ends with boom"
                                   : "ends with queue_closed",
             results.size() > 0 ? *results.begin() : -1);
        expected_at_once_ = nullptr;
        a.now = a.detached ? actor::state::ready : a.now;
        resumed(a, a.now == actor::state::ready);
        a.now = actor::state::running;
        if (a.detached) {
            for (const operand& o : a.operands)
                expect(how != ending::values || !o.pops || o.now != operand::state::granted, a,
                       "has popped from a destroyed queue");
            a.detached = false;
            return;
        }
        expect(how == a.end, a, "should have ended differently");
        if (how == ending::values) {
            auto result = results.begin();
            for (const operand& o : a.operands) {
                const int expected = reference.finish(a, o);
                expect(result != results.end() && *result == expected, a, "should have got", expected);
                if (result != results.end()) ++result;
            }
        }
        check_value(a, i);
        a.operands.clear();
        check_queue();
    }

    void left(actor& a) {
        note(a, a.completed ? "completes" : "is unwound");
        if (a.completed) {
            expect(a.now == actor::state::running, a, "should not have run");
        } else if (a.now != actor::state::gone) {
            expect(a.cancelling, a, "was unwound, though nobody had cancelled it");
            expect(expected_at_once_ != &a, a, "had no reason to wait");
            if (!a.detached) drop(a);
        }
        a.now = actor::state::gone;
        for (instruction& i : a.program)
            if (!a.operands.empty() && a.operands[0].number == i.number) check_value(a, i);
    }

    void try_push(message& value, int number) {
        const bool expected = reference.try_push(number);
        const bool pushed = guarded([&] { return queue->try_push(std::move(value)); });
        expect(pushed == expected, expected ? "try_push should have succeeded" : "try_push should have been refused");
        expect(value.number() == (pushed ? message::moved_from : number), "try_push has treated its value wrongly");
        check_queue();
    }

    void try_pop() {
        const int expected = reference.try_pop();
        const std::optional<message> got = guarded([&] { return queue->try_pop(); });
        expect((got ? got->number() : closed_and_drained) == expected,
               "try_pop should have given " + std::to_string(expected));
        check_queue();
    }

    void close() {
        reference.close();
        guarded([&] { queue->close(); });
        check_queue();
    }

    void cancel(actor& victim) {
        note(victim, "is cancelled");
        if (victim.now == actor::state::gone) return;
        const bool running = victim.now == actor::state::running;
        const bool had_started = victim.now != actor::state::unstarted;
        if (running)
            victim.cancelling = true;
        else if (!victim.detached)
            drop(victim);
        else
            victim.now = actor::state::gone;
        const std::size_t before = unwound_;
        guarded([&] { victim.handle->cancel(); });
        if (!running && had_started) expect(unwound_ == before + 1, victim, "is not unwound when cancel returns");
        check_queue();
    }

    void cancel_someone() {
        if (!actors_.empty()) cancel(*actors_[pick(actors_.size())]);
    }

    // An exception that a task was to be told, and now will not be, is reported; one that has not been thrown yet, as that
    // of an operand, or that is to be an outcome, may be.
    void drop(actor& a) {
        const bool fails = a.now == actor::state::ready && a.end != ending::values && a.composite;
        if (fails && a.end == ending::boom) ++must_be_unhandled_;
        if (fails) ++may_be_unhandled_;
        if (a.settles && !a.operands.empty() && a.operands[0].now == operand::state::refused) ++may_be_unhandled_;
        reference.cancel(a);
    }

    // Lies in the frame of a task.
    class presence {
    public:
        presence(world& w, actor& a) : world_(w), actor_(a) {}
        presence(const presence&) = delete;
        presence& operator=(const presence&) = delete;
        ~presence() {
            if (!actor_.completed) ++world_.unwound_;
            world_.left(actor_);
        }

    private:
        world& world_;
        actor& actor_;
    };

    std::size_t pick(std::size_t n) { return choices_.pick(n); }

private:
    support::choices choices_;

public:
    model reference;
    std::optional<bounded_queue<message>> queue;

private:
    struct happening {
        happening(int a, const char* w, int n) : who(a), what(w), number(n) {}
        int who;
        const char* what;
        int number;
    };

    void note(actor& a, const char* what, int number = -1) {
        if (expected_at_once_ != nullptr && expected_at_once_ != &a)
            expect(false, *expected_at_once_, "should have gone on at once");
        ++a.progress;
        ++reference.event;
        last_cause_ = std::exchange(caused_by_, &a);
        history_.emplace_back(a.number, what, number);
    }

    void note(const char* what, int number = -1) {
        ++reference.event;
        last_cause_ = std::exchange(caused_by_, nullptr);
        history_.emplace_back(-1, what, number);
    }

    void expect(bool fulfilled, const std::string& what) {
        if (!fulfilled && objection_.empty()) objection_ = what;
    }

    void expect(bool fulfilled, const actor& a, const char* what, int number = -1) {
        if (!fulfilled)
            expect(false, "task " + std::to_string(a.number) + " " + what +
                              (number == -1 ? std::string() : " " + std::to_string(number)));
    }

    // An operation that had not to wait, or whose last child has just ended by running, goes on before anybody else.
    void goes_on_at_once(actor& a) {
        if (a.now == actor::state::ready && !a.waited) expected_at_once_ = &a;
    }

    void resumed(actor& a, bool allowed) {
        expect(allowed, a, "should not run now");
        expect(!inside_call_, a, "was resumed inside a call");
        if (a.now == actor::state::ready && a.since + 1 == reference.event && last_cause_ == &a)
            return;  // went on at once
        expect(!a.cancelling, a, "goes on, though it had cancelled itself");
        expect(a.since <= round_began_, a, "should have waited for the next round");
        for (const auto& other : actors_) {
            if (other.get() == &a || other->loop != a.loop || !other->runnable() || other->detached || a.detached)
                continue;
            const bool same_side = (a.only_pops() && other->only_pops()) || (a.only_pushes() && other->only_pushes());
            if (other->since < a.since ||
                (same_side && other->since == a.since && other->place < a.place && other->now == a.now))
                expect(false, a, "has overtaken task", other->number);
        }
    }

    void check_queue() {
        if (!queue) return;
        expect(queue->empty() == (reference.free() == 0), "empty() is wrong");
        if (!reference.closed) expect(queue->full() == reference.full(), "full() is wrong");
        expect(queue->is_closed() == reference.closed, "is_closed() is wrong");
        if (reference.claims == 0) expect(queue->size() == reference.messages.size(), "size() is wrong");
    }

    // A push that has not happened leaves its value as it was; one that has happened has taken it.
    void check_value(const actor& a, const instruction& i) {
        if (i.what == kind::emplace) return;
        for (const operand& o : a.operands) {
            if (o.pops || o.number != i.number) continue;
            const bool pushed = o.now == operand::state::granted;
            expect(i.value.number() == (pushed ? message::moved_from : i.number), a,
                   pushed ? "should have pushed" : "should have kept", i.number);
        }
    }

    void add_actor();
    std::size_t poll(std::size_t loop);
    void settle_all();
    void forget_gone();
    void end_by_closing();
    void end_by_destroying_the_queue();
    void end_by_destroying_the_loops();

    std::vector<std::unique_ptr<event_loop>> loops_;
    std::vector<std::unique_ptr<actor>> actors_;
    std::size_t wants_pops_ = 1;
    int next_actor_ = 0;
    int next_message_ = 1000;
    std::size_t operations_ = 0;
    std::size_t unwound_ = 0;
    std::size_t unhandled_ = 0;
    std::size_t must_be_unhandled_ = 0;
    std::size_t may_be_unhandled_ = 0;
    std::size_t round_began_ = 0;
    bool inside_call_ = false;
    const actor* expected_at_once_ = nullptr;
    const actor* caused_by_ = nullptr;   // who did what happened last; null: the scenario itself
    const actor* last_cause_ = nullptr;  // and what happened before that
    std::vector<happening> history_;
    std::string objection_;
};

// ---- The tasks ----

inline int number_of(const std::optional<message>& got) { return got ? got->number() : closed_and_drained; }

inline task<> yields(world& w, actor& a, int times) {
    for (int i = 0; i < times; ++i) co_await rondo::yield();
    w.child_ends(a);
}

inline task<> fails(world& w, actor& a, int times) {
    for (int i = 0; i < times; ++i) co_await rondo::yield();
    w.child_fails(a);
    throw boom();
}

inline task<> does_pop(world& w, actor& a, instruction& i) {
    const std::optional<message> got = co_await w.queue->pop();
    w.finish(a, i, ending::values, {number_of(got)});
}

inline task<> does_push(world& w, actor& a, instruction& i) {
    try {
        co_await w.queue->push(std::move(i.value));
        w.finish(a, i, ending::values, {was_pushed});
    } catch (const rondo::queue_closed&) {
        w.finish(a, i, ending::queue_closed, {});
    }
}

inline task<> does_emplace(world& w, actor& a, instruction& i) {
    try {
        co_await w.queue->emplace(i.number);
        w.finish(a, i, ending::values, {was_pushed});
    } catch (const rondo::queue_closed&) {
        w.finish(a, i, ending::queue_closed, {});
    }
}

inline task<> does_yield(world& w, actor& a) {
    co_await rondo::yield();
    w.yielded(a);
}

inline task<> does_both_pops(world& w, actor& a, instruction& i) {
    const auto got = co_await rondo::when_all(w.queue->pop(), w.queue->pop());
    w.finish(a, i, ending::values, {number_of(std::get<0>(got)), number_of(std::get<1>(got))});
}

inline task<> does_push_and_pop(world& w, actor& a, instruction& i) {
    try {
        const auto got = co_await rondo::when_all(w.queue->push(std::move(i.value)), w.queue->pop());
        w.finish(a, i, ending::values, {was_pushed, number_of(std::get<1>(got))});
    } catch (const rondo::queue_closed&) {
        w.finish(a, i, ending::queue_closed, {});
    }
}

inline task<> does_pop_and_push(world& w, actor& a, instruction& i) {
    try {
        const auto got = co_await rondo::when_all(w.queue->pop(), w.queue->push(std::move(i.value)));
        w.finish(a, i, ending::values, {number_of(std::get<0>(got)), was_pushed});
    } catch (const rondo::queue_closed&) {
        w.finish(a, i, ending::queue_closed, {});
    }
}

inline task<> does_pop_and_yields(world& w, actor& a, instruction& i) {
    const auto got = co_await rondo::when_all(w.queue->pop(), yields(w, a, i.yields));
    w.finish(a, i, ending::values, {number_of(std::get<0>(got))});
}

inline task<> does_push_and_yields(world& w, actor& a, instruction& i) {
    try {
        co_await rondo::when_all(w.queue->push(std::move(i.value)), yields(w, a, i.yields));
        w.finish(a, i, ending::values, {was_pushed});
    } catch (const rondo::queue_closed&) {
        w.finish(a, i, ending::queue_closed, {});
    }
}

inline task<> does_pop_or_fail(world& w, actor& a, instruction& i) {
    try {
        co_await rondo::when_all(w.queue->pop(), fails(w, a, i.yields));
    } catch (const boom&) {
        w.finish(a, i, ending::boom, {});
    }
}

inline task<> does_push_or_fail(world& w, actor& a, instruction& i) {
    try {
        co_await rondo::when_all(w.queue->push(std::move(i.value)), fails(w, a, i.yields));
    } catch (const boom&) {
        w.finish(a, i, ending::boom, {});
    } catch (const rondo::queue_closed&) {
        w.finish(a, i, ending::queue_closed, {});
    }
}

inline task<> does_fail_at_once(world& w, actor& a, instruction& i) {
    try {
        co_await rondo::when_all(fails(w, a, 0), w.queue->pop());
    } catch (const boom&) {
        w.finish(a, i, ending::boom, {});
    }
}

inline task<> does_settled(world& w, actor& a, instruction& i) {
    auto got = co_await rondo::when_all_settled(w.queue->push(std::move(i.value)), w.queue->pop());
    w.finish(a, i, ending::values,
             {std::get<0>(got).has_value() ? was_pushed : was_refused, number_of(std::get<1>(got).value())});
}

inline task<> acts(world& w, actor& a) {
    world::presence here(w, a);
    w.started(a);
    for (instruction& i : a.program) {
        if (!w.queue) break;
        w.begin(a, i);
        switch (i.what) {
            case kind::pop:
                co_await does_pop(w, a, i);
                break;
            case kind::push:
                co_await does_push(w, a, i);
                break;
            case kind::emplace:
                co_await does_emplace(w, a, i);
                break;
            case kind::try_pop:
                w.try_pop();
                break;
            case kind::try_push:
                w.try_push(i.value, i.number);
                break;
            case kind::yield:
                co_await does_yield(w, a);
                break;
            case kind::close:
                w.close();
                break;
            case kind::cancel_other:
                w.cancel_someone();
                break;
            case kind::cancel_self:
                w.cancel(a);
                break;
            case kind::both_pops:
                co_await does_both_pops(w, a, i);
                break;
            case kind::push_and_pop:
                co_await does_push_and_pop(w, a, i);
                break;
            case kind::pop_and_push:
                co_await does_pop_and_push(w, a, i);
                break;
            case kind::pop_and_yields:
                co_await does_pop_and_yields(w, a, i);
                break;
            case kind::push_and_yields:
                co_await does_push_and_yields(w, a, i);
                break;
            case kind::pop_or_fail:
                co_await does_pop_or_fail(w, a, i);
                break;
            case kind::push_or_fail:
                co_await does_push_or_fail(w, a, i);
                break;
            case kind::fail_at_once:
                co_await does_fail_at_once(w, a, i);
                break;
            case kind::settled:
                co_await does_settled(w, a, i);
                break;
            case kind::count:
                break;
        }
    }
    a.completed = true;
}

// ---- The scenarios ----

inline void world::add_actor() {
    auto& a = *actors_.emplace_back(std::make_unique<actor>(next_actor_++, pick(loops_.size())));
    const std::size_t length = 1 + (pick(3) == 0 ? pick(4) : 0);
    for (std::size_t i = 0; i < length; ++i) {
        kind what = static_cast<kind>(pick(static_cast<std::size_t>(kind::count)));
        if (what == kind::close && pick(20) != 0) what = kind::try_pop;
        if (pick(3) == 0) what = pick(3) < wants_pops_ ? kind::pop : kind::push;
        a.program.emplace_back(what, next_message_++, static_cast<int>(pick(4)));
    }
    note(a, "is spawned");
    a.since = reference.event;
    a.handle.emplace(loops_[a.loop]->spawn(acts(*this, a)));
}

inline std::size_t world::poll(std::size_t loop) {
    note("poll", static_cast<int>(loop));
    round_began_ = reference.event;
    std::vector<std::pair<const actor*, std::size_t>> runnable;
    for (const auto& a : actors_)
        if (a->loop == loop && a->runnable() && !a->detached) runnable.emplace_back(a.get(), a->progress);
    const std::size_t steps = loops_[loop]->poll();
    for (const auto& [a, progress] : runnable) expect(a->progress != progress, *a, "was ready and has not run");
    if (expected_at_once_ != nullptr) expect(false, *expected_at_once_, "should have gone on at once");
    check_queue();
    return steps;
}

inline void world::settle_all() {
    for (std::size_t steps = 1; steps != 0 && objection_.empty();) {
        steps = 0;
        for (std::size_t i = 0; i < loops_.size(); ++i) steps += poll(i);
    }
}

inline void world::forget_gone() {
    std::erase_if(actors_, [](const auto& a) { return a->now == actor::state::gone; });
}

inline void world::end_by_closing() {
    note("close, to end");
    close();
    settle_all();
    // when_all(pop, pop) with one message left waits until that comes back, which it has itself: help it.
    const auto holds_the_last = [](const std::unique_ptr<actor>& a) {
        return a->now == actor::state::blocked && a->operands.size() == 2 && a->operands[0].pops &&
               a->operands[0].now == operand::state::granted;
    };
    while (objection_.empty()) {
        const auto holder = std::find_if(actors_.begin(), actors_.end(), holds_the_last);
        if (holder == actors_.end()) break;
        cancel(**holder);
        settle_all();
    }
    for (const auto& a : actors_) expect(a->now == actor::state::gone, *a, "was forgotten");
    expect(reference.claims == 0, "the model has claims left");
    expect(unhandled_ >= must_be_unhandled_, "an exception that its task was not told was not reported");
    while (!reference.messages.empty() && objection_.empty()) try_pop();
    try_pop();
}

inline void world::end_by_destroying_the_queue() {
    note("the queue is destroyed");
    for (const auto& a : actors_) {
        if (a->now != actor::state::blocked && a->now != actor::state::ready) continue;
        if (a->composite) ++may_be_unhandled_;  // a failure that its parent may not be told any more
        a->detached = true;
        a->now = actor::state::blocked;
    }
    queue.reset();
    settle_all();
    for (const auto& a : actors_)
        if (pick(2) == 0) cancel(*a);
    settle_all();
}

inline void world::end_by_destroying_the_loops() {
    for (std::size_t i = 0; i < loops_.size(); ++i) {
        note("a loop is destroyed", static_cast<int>(i));
        for (const auto& a : actors_)
            if (a->loop == i && a->now != actor::state::gone) drop(*a);
        loops_[i].reset();
        if (queue) check_queue();
        for (std::size_t other = i + 1; other < loops_.size(); ++other) poll(other);
    }
    if (pick(2) == 0)
        while (!reference.messages.empty() && objection_.empty()) try_pop();
}

inline std::size_t world::run_scenario() {
    const std::size_t length = 50 + pick(300);
    while (operations_ < length && objection_.empty() && !choices_.are_used_up()) {
        ++operations_;
        const std::size_t dice = pick(100);
        if (dice < 50 && actors_.size() < 30) {
            add_actor();
        } else if (dice < 80) {
            poll(pick(loops_.size()));
        } else if (dice < 85) {
            note("try_pop from outside");
            try_pop();
        } else if (dice < 90) {
            note("try_push from outside", next_message_);
            message value(next_message_);
            try_push(value, next_message_++);
        } else if (dice < 99 || pick(10) != 0) {
            cancel_someone();
        } else {
            note("close from outside");
            close();
        }
        forget_gone();
    }
    if (!objection_.empty()) return operations_;
    switch (pick(4)) {
        case 0:
            end_by_destroying_the_queue();
            break;
        case 1:
            end_by_destroying_the_loops();
            break;
        default:
            end_by_closing();
            break;
    }
    // What is left goes with the loops.
    note("the end");
    for (const auto& a : actors_) {
        if (a->now == actor::state::gone) continue;
        if (a->detached)
            a->now = actor::state::gone;
        else
            drop(*a);
    }
    loops_.clear();
    for (const auto& a : actors_) expect(a->now == actor::state::gone, *a, "was left behind");
    expect(unhandled_ <= may_be_unhandled_, "an exception was reported that had reached its task, or none had thrown");
    return operations_;
}

inline std::string world::history() const {
    std::string text;
    const std::size_t shown = std::min<std::size_t>(history_.size(), 60);
    for (std::size_t i = history_.size() - shown; i < history_.size(); ++i) {
        const happening& h = history_[i];
        text += (h.who < 0 ? std::string() : "task " + std::to_string(h.who) + " ") + h.what;
        if (h.number != -1) text += " " + std::to_string(h.number);
        text += '\n';
    }
    return text;
}

}  // namespace bounded_queue_model
