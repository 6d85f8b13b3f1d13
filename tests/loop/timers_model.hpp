// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// Random waits for time to pass, each checked against a model of the timers: a multimap of deadlines, and a line of what is ready.
//
// Many tasks on one or two loops sleep, for a length and until a time (past, equal, endless, beyond the clock's
// range), tick, and wait under timeouts (of zero, nested, around what never ends), in races, in when_all and
// uncancellable; they spawn and cancel one another, also in the step in which somebody is due. From outside they are
// polled, run and cancelled, and time passes in odd amounts. In the end the loops run until nothing moves, or are
// destroyed. Each wait is a `watched` one, which tells the model when it starts, is withdrawn and goes on. What is
// checked then: that it is due, and whose turn it is; after each round, that all who were due have gone on, and
// nobody else; in a run, that the clock goes from timer to timer; when a timeout ends, who should have won; and how
// many timers are set, and when the next is due.

#include <support/choices.hpp>

#include <rondo/debug.hpp>
#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <exception>
#include <map>
#include <memory>
#include <optional>
#include <ratio>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace timers_model {

using rondo::duration;
using rondo::time_point;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;

constexpr time_point never = (time_point::max)();

/// `start` is not before the clock's zero.
inline time_point after(time_point start, duration length) { return length >= never - start ? never : start + length; }

class nap;

/// Two waits of which the first to be granted ends the other. A timer is granted when it fires, what only yields in
/// its turn, which comes later in the round; where each is awaited in a task of its own, turns alone decide.
class rivals {
public:
    rivals(nap& a, nap& b);

    /// The first to be granted; it is known when one has been.
    const nap* first() const;

    const nap* fired = nullptr;

private:
    nap* members_[2];
};

/// An interval, and what it should do.
class pace {
public:
    pace(duration p, rondo::missed_ticks m, time_point now)
        : ticks(p, m), period_(p), missed_(m), next_(after(now, p)) {}

    time_point due(time_point now) {
        if (next_ >= now || missed_ == rondo::missed_ticks::burst) return next_;
        if (missed_ == rondo::missed_ticks::delay) return next_ = now;
        const auto missed = (now - next_ + period_ - duration(1)) / period_;
        return next_ = after(next_ + (missed - 1) * period_, period_);
    }
    void has_ticked() { next_ = after(next_, period_); }

    rondo::interval ticks;

private:
    duration period_;
    rondo::missed_ticks missed_;
    time_point next_;
};

/// What a wait is for: how the library is asked for it, and what that means.
class request {
public:
    using length_type = decltype(rondo::sleep(duration()));
    using time_type = decltype(rondo::sleep_until(time_point()));

    template <class Length>
    static request length(Length asked, duration meant) {
        return request(rondo::sleep(asked), meant, never);
    }
    template <class Time>
    static request until(Time asked, time_point meant) {
        return request(rondo::sleep_until(asked), duration(), meant);
    }
    static request tick(pace& p) { return request(&p, duration(), never); }

    time_point deadline(time_point now) const {
        if (pace* const* const p = std::get_if<pace*>(&asked)) return (*p)->due(now);
        if (std::holds_alternative<time_type>(asked)) return time_;
        return after(now, (std::max)(length_, duration::zero()));
    }

    std::variant<length_type, time_type, pace*> asked;

private:
    request(std::variant<length_type, time_type, pace*> a, duration l, time_point t)
        : asked(std::move(a)), length_(l), time_(t) {}

    duration length_;
    time_point time_;
};

class world {
public:
    explicit world(support::choices c) : choices_(std::move(c)) {
        loops_.resize(1 + pick(2));
        for (clock& l : loops_) {
            auto driver = std::make_unique<rondo::testing::virtual_driver>();
            l.driver = driver.get();
            l.loop = std::make_unique<rondo::event_loop>(std::move(driver));
            l.loop->on_unhandled_exception([this](std::exception_ptr) { object("an exception was reported"); });
        }
    }
    world(const world&) = delete;
    world& operator=(const world&) = delete;
    ~world() {
        for (clock& l : loops_) l.loop.reset();
    }

    std::size_t run_scenario();
    const std::string& objection() const { return objection_; }
    std::string history() const {
        std::string text;
        const std::size_t shown = (std::min<std::size_t>)(history_.size(), 80);
        for (std::size_t i = history_.size() - shown; i < history_.size(); ++i) text += history_[i] + '\n';
        return text;
    }

private:
    friend nap;

    // ---- The reference ----

    /// A loop, and what the model knows of its time.
    class clock {
    public:
        clock() = default;
        rondo::testing::virtual_driver* driver = nullptr;
        std::unique_ptr<rondo::event_loop> loop;

        time_point now{};
        std::multimap<time_point, nap*> sleeping;  // equal ones in the order in which they were set
        std::multiset<time_point> limits;          // of timeouts that are on
        std::set<std::size_t> ready;               // turns of those that have a step for themselves
        bool runs = false;
        time_point run_began{};

        /// When something is due that has not been due yet.
        std::optional<time_point> next() const {
            std::optional<time_point> first;
            if (!sleeping.empty()) first = sleeping.begin()->first;
            const auto limit = limits.upper_bound(now);
            if (limit != limits.end() && *limit != never && (!first || *limit < *first)) first = *limit;
            return first;
        }
    };

    void start(nap& n);
    void withdraw(nap& n);
    void go_on(nap& n);
    void make_ready(nap& n);

    void fire(clock& l);

    /// In a run the clock moves by itself: from one timer to the next.
    void follow(clock& l) {
        if (!l.runs) return;
        while (l.now < l.loop->now() && objection_.empty()) {
            const std::optional<time_point> next = l.next();
            if (!next || *next > l.loop->now()) return object("the clock went to where nothing is due");
            l.now = *next;
            fire(l);
        }
    }

    void takes_its_turn(clock& l, std::size_t turn, const std::string& who) {
        expect(!l.ready.empty() && *l.ready.begin() == turn, who + " does not wait for its turn");
        expect(l.runs || turn <= last_of_round_, who + " goes on in the round that has made it ready");
        l.ready.erase(turn);
    }

    /// A timeout that is on. Lies in the frame of the task that awaits it.
    class limit {
    public:
        limit(world& w, std::size_t loop, duration t)
            : is_try(t <= duration::zero()), clock_(w.loops_[loop]), world_(w), deadline(after(clock_.now, t)) {
            if (!is_try) place_ = clock_.limits.insert(deadline);
        }
        limit(const limit&) = delete;
        limit& operator=(const limit&) = delete;
        ~limit() {
            if (!is_try) clock_.limits.erase(place_);
        }

        /// Time was up.
        void is_up() const {
            world_.follow(clock_);
            world_.expect(is_try || clock_.now >= deadline, "a timeout comes too early");
            if (clock_.runs && !is_try && deadline > clock_.run_began)
                world_.expect(clock_.now == deadline, "a timeout comes late");
        }

        const bool is_try;

    private:
        clock& clock_;
        world& world_;
        std::multiset<time_point>::iterator place_;

    public:
        const time_point deadline;
    };

    // ---- A wait, watched ----

    class awaiter;
    class watched {
    public:
        watched(world& w, nap& n) noexcept : world_(&w), nap_(&n) {}
        auto operator co_await() const;

    private:
        world* world_;
        nap* nap_;
    };
    watched await(nap& n) noexcept { return watched(*this, n); }

    // ---- Tasks ----

    class actor {
    public:
        actor(std::size_t n, std::size_t l) : number(n), loop(l) {}
        std::size_t number;
        std::size_t loop;
        std::optional<rondo::join_handle<>> handle;
        std::size_t turn = 0;  // to start
        bool started = false;
        bool completed = false;
        bool gone = false;
        bool cancelled = false;
        int shields = 0;  // in uncancellable
    };

    class presence {
    public:
        presence(world& w, actor& a) : world_(w), actor_(a) {
            clock& l = w.loops_[a.loop];
            w.follow(l);
            w.note("task " + std::to_string(a.number) + " starts");
            w.expect(!a.gone, "a task has started that was cancelled before");
            w.takes_its_turn(l, a.turn, "task " + std::to_string(a.number));
            a.started = true;
        }
        presence(const presence&) = delete;
        presence& operator=(const presence&) = delete;
        ~presence() {
            world_.note("task " + std::to_string(actor_.number) + (actor_.completed ? " completes" : " is unwound"));
            world_.expect(actor_.completed || actor_.cancelled, "a task was unwound that nobody had cancelled");
            actor_.gone = true;
        }

    private:
        world& world_;
        actor& actor_;
    };

    request any_request(const clock& l, bool finite = false);
    duration any_limit() {
        switch (pick(12)) {
            case 0:
                return duration::zero();
            case 1:
                return milliseconds(-1);
            case 2:
                return (duration::max)();
            case 3:
                return microseconds(500 * pick(8));
            default:
                return milliseconds(1 + pick(5));
        }
    }

    rondo::task<> takes(nap& n);
    rondo::task<> naps(actor& a);
    rondo::task<> naps_in_time(actor& a);
    rondo::task<> naps_in_time_twice(actor& a);
    rondo::task<> waits_in_time(actor& a);
    rondo::task<> takes_a_series_in_time(actor& a);
    rondo::task<> takes_the_first(actor& a);
    rondo::task<> takes_all(actor& a);
    rondo::task<> naps_uncancellably(actor& a);
    rondo::task<> ticks(actor& a);
    rondo::task<> series(actor& a, std::size_t length) {
        for (; length != 0; --length) co_await naps(a);
    }

    rondo::task<> acts(actor& a, std::size_t length) {
        presence here(*this, a);
        for (; length != 0; --length) {
            ++done_;
            switch (pick(20)) {
                case 0:
                case 1:
                    co_await naps_in_time(a);
                    break;
                case 2:
                    co_await naps_in_time_twice(a);
                    break;
                case 3:
                    co_await waits_in_time(a);
                    break;
                case 4:
                    co_await takes_a_series_in_time(a);
                    break;
                case 5:
                case 6:
                    co_await takes_the_first(a);
                    break;
                case 7:
                case 8:
                    co_await takes_all(a);
                    break;
                case 9:
                    co_await naps_uncancellably(a);
                    break;
                case 10:
                case 11:
                    co_await ticks(a);
                    break;
                case 12:
                    cancel_someone(&a);
                    break;
                case 13:
                    if (!choices_.are_used_up()) add_actor(a.loop);
                    break;
                default:
                    co_await naps(a);
                    break;
            }
        }
        a.completed = true;
    }

    rondo::task<> is_main(std::size_t loop, std::size_t turn);

    // ---- From outside ----

    void add_actor(std::size_t loop) {
        if (actors_.size() >= 150 || next_actor_ > 5'000) return;
        actor& a = *actors_.emplace_back(std::make_unique<actor>(next_actor_++, loop));
        note("task " + std::to_string(a.number) + " is spawned on loop " + std::to_string(loop));
        clock& l = loops_[loop];
        follow(l);
        a.turn = ++turns_;
        l.ready.insert(a.turn);
        a.handle.emplace(l.loop->spawn(acts(a, 1 + pick(5))));
    }

    void cancel_someone(const actor* self) {
        if (!actors_.empty()) cancel(*actors_[pick(actors_.size())], self);
    }

    void cancel(actor& victim, const actor* self) {
        if (victim.gone) return;
        note("task " + std::to_string(victim.number) + " is cancelled");
        victim.cancelled = true;
        ++depth_;
        victim.handle->cancel();
        --depth_;
        if (!victim.started) {
            loops_[victim.loop].ready.erase(victim.turn);
            victim.gone = true;
        } else if (&victim != self && victim.shields == 0) {
            expect(victim.gone, "cancel has returned too early");
        }
        if (self == nullptr) check_timers(loops_[victim.loop], false);
    }

    void let_time_pass(clock& l) {
        static const duration steps[] = {milliseconds(1), milliseconds(1), milliseconds(1),    milliseconds(2),
                                         milliseconds(4), nanoseconds(1),  microseconds(500),  nanoseconds(999'999),
                                         duration(0),     milliseconds(3), microseconds(1500), milliseconds(20)};
        const duration step = steps[pick(std::size(steps))];
        note("time passes: " + std::to_string(nanoseconds(step).count()) + " ns on loop " + number_of(l));
        l.driver->advance(step);
        l.now += step;
    }

    std::size_t poll(clock& l) {
        note("poll loop " + number_of(l));
        fire(l);
        last_of_round_ = turns_;
        const std::size_t steps = l.loop->poll();
        expect(l.ready.empty() || *l.ready.begin() > last_of_round_, "somebody was due, and has not gone on");
        expect(l.loop->now() == l.now, "the clock has moved");
        if (!l.ready.empty()) expect(l.loop->next_deadline() == l.now, "next_deadline() does not see what is ready");
        return steps;
    }

    void run_a_main(std::size_t loop) {
        clock& l = loops_[loop];
        note("run loop " + number_of(l) + " with a main task");
        begin_run(l);
        const std::size_t turn = ++turns_;
        l.ready.insert(turn);
        fire(l);
        try {
            l.loop->run(is_main(loop, turn));
        } catch (const std::exception& e) {
            object(std::string("run has thrown: ") + e.what());
        }
        end_run(l);
    }

    void begin_run(clock& l) {
        l.runs = true;
        l.run_began = l.now;
    }
    void end_run(clock& l) {
        follow(l);
        l.runs = false;
    }

    void settle() {
        for (bool moves = true; moves && objection_.empty();) {
            moves = false;
            for (clock& l : loops_) moves = poll(l) != 0 || moves;
        }
        for (clock& l : loops_) {
            expect(l.ready.empty(), "somebody is ready, and nothing moves");
            expect(l.loop->next_deadline() == l.next(), "next_deadline() is wrong");
            check_timers(l, true);
        }
    }

    /// How many are set: the public word for it is the head of a dump. `settled`: no timeout is about to end.
    void check_timers(clock& l, bool settled) {
        const std::string head = rondo::debug::dump(*l.loop);
        const std::size_t counted = static_cast<std::size_t>(std::strtoull(&head[head.find(',') + 1], nullptr, 10));
        const auto first = l.limits.upper_bound(l.now);
        const auto pending = static_cast<std::size_t>(std::distance(first, l.limits.lower_bound(never)));
        const std::size_t expected = l.sleeping.size() + (settled ? pending : 0);
        if (counted < expected || counted > l.sleeping.size() + (settled ? pending : l.limits.size()))
            object(std::to_string(counted) + " timers are set on loop " + number_of(l) + " in place of " +
                   std::to_string(expected));
        if (settled && first != l.limits.begin()) {
            for (const auto& a : actors_)
                if (!a->gone && a->shields != 0) return;
            object("time is up, and somebody still waits");
        }
    }

    void forget_gone() {
        std::erase_if(actors_, [](const auto& a) { return a->gone; });
    }

    void end_by_running() {
        for (std::size_t i = 0; i < loops_.size() && objection_.empty(); ++i) {
            clock& l = loops_[i];
            note("run loop " + number_of(l) + " to the end");
            begin_run(l);
            fire(l);
            bool stuck = false;
            try {
                l.loop->run();
            } catch (const rondo::deadlock_error&) {
                stuck = true;
            }
            end_run(l);
            bool left = false;
            for (const auto& a : actors_) left = left || (a->loop == i && !a->gone);
            expect(stuck == left, stuck ? "a deadlock of nobody" : "the loop has stopped before its tasks");
            expect(l.sleeping.empty() && !l.next(), "the loop has stopped before its timers");
            check_timers(l, true);
        }
    }

    void end_by_cancelling() {
        note("all are cancelled");
        for (std::size_t i = 0; i < actors_.size(); ++i) cancel(*actors_[i], nullptr);
        settle();
        for (const auto& a : actors_) expect(a->gone || a->shields != 0, "a cancelled task is left");
    }

    void end_by_destroying() {
        for (std::size_t i = 0; i < loops_.size(); ++i) {
            note("loop " + std::to_string(i) + " is destroyed");
            for (const auto& a : actors_)
                if (a->loop == i) a->cancelled = true;
            clock& l = loops_[i];
            begin_run(l);  // the uncancellable are waited for
            fire(l);
            l.loop.reset();
            l.runs = false;
            for (const auto& a : actors_)
                if (a->loop == i) expect(a->gone || !a->started, "a task has survived its loop");
            for (const auto& a : actors_)
                if (a->loop == i) a->gone = true;
            expect(l.sleeping.empty() && l.limits.empty(), "a wait has survived its loop");
        }
    }

    // ---- Notes ----

    std::size_t pick(std::size_t n) { return choices_.pick(n); }

    std::string number_of(const clock& l) const { return std::to_string(&l - loops_.data()); }
    void note(std::string what) {
        history_.push_back(std::move(what));
        if (history_.size() > 1000) history_.pop_front();
    }
    void object(const std::string& what) {
        if (objection_.empty()) objection_ = what;
    }
    void expect(bool fulfilled, const char* what) {
        if (!fulfilled) object(what);
    }
    void expect(bool fulfilled, const std::string& what) {
        if (!fulfilled) object(what);
    }
    void expect(bool fulfilled, const nap& n, const char* what);

    support::choices choices_;
    std::vector<clock> loops_;
    std::vector<std::unique_ptr<actor>> actors_;
    std::size_t next_actor_ = 0;
    std::size_t next_nap_ = 0;
    std::size_t turns_ = 0;          // of whatever became ready
    std::size_t last_of_round_ = 0;  // the last that became ready before it
    std::size_t done_ = 0;
    int depth_ = 0;
    std::deque<std::string> history_;
    std::string objection_;
};

/// One wait. Lies in the frame of the task that awaits it.
class nap {
public:
    enum class state { idle, sleeping, ready, over, withdrawn };

    /// `p`: the task that awaits it goes on in a step of its own.
    nap(world& w, std::size_t l, request r, bool p = false)
        : id(w.next_nap_++), loop(l), wanted(std::move(r)), plain(p) {}
    nap(const nap&) = delete;
    nap& operator=(const nap&) = delete;
    ~nap() = default;

    const std::size_t id;
    const std::size_t loop;
    const request wanted;
    const bool plain;
    rivals* race = nullptr;
    state now = state::idle;
    time_point deadline{};
    time_point ready_at{};
    std::size_t turn = 0;
};

inline rivals::rivals(nap& a, nap& b) : members_{&a, &b} { a.race = b.race = this; }

inline const nap* rivals::first() const {
    if (fired != nullptr) return fired;
    const nap &a = *members_[0], &b = *members_[1];
    return b.turn == 0 || (a.turn != 0 && a.turn < b.turn) ? &a : &b;
}

class world::awaiter {
public:
    awaiter(world& w, nap& n) : world_(w), nap_(n) {
        w.follow(w.loops_[n.loop]);
        n.deadline = n.wanted.deadline(w.loops_[n.loop].now);
        if (pace* const* const p = std::get_if<pace*>(&n.wanted.asked))
            tick_.reset(new tick((*p)->ticks.next().operator co_await()));
        else if (const auto* length = std::get_if<request::length_type>(&n.wanted.asked))
            sleep_.reset(new sleep(length->operator co_await()));
        else
            until_.reset(new until(std::get<request::time_type>(n.wanted.asked).operator co_await()));
    }
    awaiter(const awaiter&) = delete;
    awaiter& operator=(const awaiter&) = delete;
    ~awaiter() {
        if (nap_.now != nap::state::sleeping && nap_.now != nap::state::ready) return;
        world_.expect(false, nap_, "was destroyed without being withdrawn");
        world_.withdraw(nap_);
    }

    bool await_ready() {
        bool ready = false;
        each([&](auto& a) { ready = a.await_ready(); });
        world_.expect(!ready, nap_, "does not wait");
        return false;
    }
    void await_suspend(rondo::detail::waker w) {
        world_.start(nap_);
        each([&](auto& a) { a.await_suspend(w); });
    }
    void await_resume() {
        world_.go_on(nap_);
        each([](auto& a) { a.await_resume(); });
    }
    bool await_cancel() noexcept {
        world_.withdraw(nap_);
        bool withdrawn = false;
        each([&](auto& a) { withdrawn = a.await_cancel(); });
        world_.expect(withdrawn, nap_, "could not be withdrawn");
        return withdrawn;
    }
    rondo::wait_info await_describe() const noexcept {
        rondo::wait_info info("", nullptr);
        const_cast<awaiter*>(this)->each([&](auto& a) { info = a.await_describe(); });
        return info;
    }

private:
    using sleep = decltype(std::declval<request::length_type>().operator co_await());
    using until = decltype(std::declval<request::time_type>().operator co_await());
    using tick = decltype(std::declval<rondo::interval&>().next().operator co_await());

    template <class F>
    void each(F f) {
        if (sleep_ != nullptr) f(*sleep_);
        if (until_ != nullptr) f(*until_);
        if (tick_ != nullptr) f(*tick_);
    }

    world& world_;
    nap& nap_;
    std::unique_ptr<sleep> sleep_;
    std::unique_ptr<until> until_;
    std::unique_ptr<tick> tick_;
};

inline auto world::watched::operator co_await() const { return awaiter(*world_, *nap_); }

// ---- The reference ----

inline void world::expect(bool fulfilled, const nap& n, const char* what) {
    if (!fulfilled) object("wait " + std::to_string(n.id) + " " + what);
}

inline void world::start(nap& n) {
    clock& l = loops_[n.loop];
    note("wait " + std::to_string(n.id) + " until " + std::to_string(n.deadline.time_since_epoch().count()) +
         " starts at " + std::to_string(l.now.time_since_epoch().count()));
    if (n.deadline <= l.now) return make_ready(n);
    n.now = nap::state::sleeping;
    if (n.deadline != never) l.sleeping.emplace(n.deadline, &n);
}

inline void world::make_ready(nap& n) {
    clock& l = loops_[n.loop];
    n.now = nap::state::ready;
    n.ready_at = l.now;
    n.turn = ++turns_;
    if (n.plain) l.ready.insert(n.turn);
}

inline void world::fire(clock& l) {
    while (!l.sleeping.empty() && l.sleeping.begin()->first <= l.now) {
        nap& first = *l.sleeping.begin()->second;
        l.sleeping.erase(l.sleeping.begin());
        make_ready(first);
        if (first.race != nullptr && !first.plain && first.race->fired == nullptr) first.race->fired = &first;
    }
}

inline void world::withdraw(nap& n) {
    clock& l = loops_[n.loop];
    if (l.loop != nullptr) follow(l);
    note("wait " + std::to_string(n.id) + " is withdrawn");
    if (n.now == nap::state::sleeping && n.deadline != never) {
        auto place = l.sleeping.lower_bound(n.deadline);
        while (place->second != &n) ++place;
        l.sleeping.erase(place);
    }
    if (n.now == nap::state::ready) l.ready.erase(n.turn);
    n.now = nap::state::withdrawn;
}

inline void world::go_on(nap& n) {
    clock& l = loops_[n.loop];
    follow(l);
    note("wait " + std::to_string(n.id) + " goes on");
    expect(depth_ == 0, n, "goes on inside a call");
    expect(n.now == nap::state::ready, n, "goes on before its time");
    expect(l.loop->now() >= n.deadline, n, "goes on too early");
    if (n.plain) {
        takes_its_turn(l, n.turn, "wait " + std::to_string(n.id));
        if (l.runs) expect((std::max)(n.ready_at, l.run_began) == l.now, n, "goes on late");
    }
    if (pace* const* const p = std::get_if<pace*>(&n.wanted.asked)) (*p)->has_ticked();
    n.now = nap::state::over;
}

// ---- Tasks ----

inline request world::any_request(const clock& l, bool finite) {
    using thirds = std::chrono::duration<std::int64_t, std::ratio<1, 3'000'000>>;
    using std::chrono::hours;
    const auto small = static_cast<std::int64_t>(pick(6));
    switch (pick(24)) {
        case 0:
            return request::length(milliseconds(0), duration());
        case 1:
            return request::length(milliseconds(-small), duration());
        case 2:
            return request::length((hours::min)(), duration());
        case 3: {
            const std::int64_t rest = small % 3;
            return request::length(thirds(small * 3'000 + rest),
                                   milliseconds(small) + nanoseconds((rest * 1'000 + 2) / 3));
        }
        case 4:
            return request::length(std::chrono::duration<double, std::milli>(0.25 * static_cast<double>(small)),
                                   microseconds(250 * small));
        case 5:
            return request::length(nanoseconds(small), nanoseconds(small));
        case 6:
            return request::until(l.now - milliseconds(small), l.now - milliseconds(small));
        case 7:
            return request::until((time_point::min)(), time_point());
        case 8:
        case 9:
        case 10:
        case 11: {
            // A time that others take as well.
            const time_point whole = std::chrono::floor<milliseconds>(l.now);
            const time_point then = after(whole, milliseconds(small));
            return request::until(then, then);
        }
        case 12:
            if (finite || pick(2) == 0) break;
            switch (pick(6)) {
                case 0:
                    return request::length((duration::max)(), (duration::max)());
                case 1:
                    return request::length((hours::max)(), (duration::max)());
                case 2:
                    return request::length((duration::max)() - hours(small), (duration::max)() - hours(small));
                case 3:
                    return request::until(never, never);
                case 4:
                    return request::until(never - hours(small), never - hours(small));
                default: {
                    using seconds_since = std::chrono::time_point<time_point::clock, std::chrono::seconds>;
                    return request::until((seconds_since::max)(), never);
                }
            }
        default:
            break;
    }
    return request::length(milliseconds(1 + small), milliseconds(1 + small));
}

inline rondo::task<> world::takes(nap& n) { co_await await(n); }

inline rondo::task<> world::naps(actor& a) {
    nap one(*this, a.loop, any_request(loops_[a.loop]), true);
    co_await await(one);
    expect(!a.cancelled, one, "goes on in a task that was cancelled");
}

inline rondo::task<> world::naps_in_time(actor& a) {
    const bool in_a_task = pick(2) == 0;
    nap one(*this, a.loop, any_request(loops_[a.loop]), in_a_task);
    const duration time = any_limit();
    bool in_time = true;
    {
        const limit l(*this, a.loop, time);
        if (pick(2) == 0) {
            if (in_a_task)
                in_time = co_await rondo::try_with_timeout(time, takes(one));
            else
                in_time = co_await rondo::try_with_timeout(time, await(one));
        } else {
            try {
                if (in_a_task)
                    co_await rondo::with_timeout(time, takes(one));
                else
                    co_await rondo::with_timeout(time, await(one));
            } catch (const rondo::timeout_error&) {
                in_time = false;
            }
        }
        if (!in_time) l.is_up();
        expect(in_time || l.is_try || one.deadline > l.deadline, one, "was due in time, and lost to its limit");
        expect(!in_time || !l.is_try, one, "has waited, though it was only to try");
    }
    expect(one.now == (in_time ? nap::state::over : nap::state::withdrawn), one, "and its limit disagree");
}

inline rondo::task<> world::naps_in_time_twice(actor& a) {
    const bool in_a_task = pick(2) == 0;
    nap one(*this, a.loop, any_request(loops_[a.loop]), in_a_task);
    const duration outer_time = any_limit(), inner_time = any_limit();
    enum class end { in_time, inner, outer } how = end::in_time;
    {
        const limit outer(*this, a.loop, outer_time);
        const limit inner(*this, a.loop, inner_time);
        try {
            bool in_time = false;
            if (in_a_task)
                in_time = co_await rondo::try_with_timeout(outer_time, rondo::with_timeout(inner_time, takes(one)));
            else
                in_time = co_await rondo::try_with_timeout(outer_time, rondo::with_timeout(inner_time, await(one)));
            if (!in_time) how = end::outer;
        } catch (const rondo::timeout_error&) {
            how = end::inner;
        }
        if (how == end::inner) inner.is_up();
        if (how == end::outer) outer.is_up();
        const bool may_wait = !outer.is_try && !inner.is_try;
        if (how != end::in_time && may_wait)
            expect(one.deadline > outer.deadline || one.deadline > inner.deadline, one,
                   "lost to limits that it had kept");
        expect(how != end::in_time || may_wait, one, "has waited, though it was only to try");
    }
    expect(one.now == (how == end::in_time ? nap::state::over : nap::state::withdrawn), one, "and its limits disagree");
}

/// For what does not come.
inline rondo::task<> world::waits_in_time(actor& a) {
    rondo::event nothing;
    const duration time = any_limit();
    const limit l(*this, a.loop, time);
    const bool came = co_await rondo::try_with_timeout(time, nothing.wait());
    expect(!came, "something came that nobody has sent");
    l.is_up();
}

inline rondo::task<> world::takes_a_series_in_time(actor& a) {
    const duration time = any_limit();
    const limit l(*this, a.loop, time);
    const bool in_time = co_await rondo::try_with_timeout(time, series(a, 1 + pick(3)));
    if (!in_time) l.is_up();
}

inline rondo::task<> world::takes_the_first(actor& a) {
    const bool in_tasks = pick(2) == 0;
    nap one(*this, a.loop, any_request(loops_[a.loop]), in_tasks);
    nap two(*this, a.loop, any_request(loops_[a.loop]), in_tasks);
    rivals race(one, two);
    std::size_t first = 0;
    if (in_tasks) {
        const auto won = co_await rondo::when_any(takes(one), takes(two));
        first = won.index();
    } else {
        const auto won = co_await rondo::when_any(await(one), await(two));
        first = won.index();
    }
    const nap& winner = first == 0 ? one : two;
    const nap& loser = first == 0 ? two : one;
    expect(race.first() == &winner, winner, "has won against one that was due before");
    expect(winner.now == nap::state::over, winner, "has won, and is not over");
    expect(loser.now == nap::state::withdrawn, loser, "has lost, and was not withdrawn");
}

inline rondo::task<> world::takes_all(actor& a) {
    nap one(*this, a.loop, any_request(loops_[a.loop]));
    nap two(*this, a.loop, any_request(loops_[a.loop]), true);
    nap three(*this, a.loop, any_request(loops_[a.loop]));
    co_await rondo::when_all(await(one), takes(two), await(three));
    for (const nap* n : {&one, &two, &three}) expect(n->now == nap::state::over, *n, "has outlived its parent's wait");
}

inline rondo::task<> world::naps_uncancellably(actor& a) {
    nap one(*this, a.loop, any_request(loops_[a.loop], true));
    ++a.shields;
    co_await rondo::uncancellable(await(one));
    --a.shields;
}

inline rondo::task<> world::ticks(actor& a) {
    clock& l = loops_[a.loop];
    follow(l);
    const duration period = pick(20) == 0 ? (duration::max)() : duration(microseconds(500) * (1 + pick(8)));
    pace own(period, static_cast<rondo::missed_ticks>(pick(3)), l.now);
    for (std::size_t left = 1 + pick(6); left != 0; --left) {
        switch (pick(4)) {
            case 0:
                co_await naps(a);
                break;
            case 1: {
                nap tick(*this, a.loop, request::tick(own));
                const duration time = any_limit();
                const limit until(*this, a.loop, time);
                const bool in_time = co_await rondo::try_with_timeout(time, await(tick));
                if (!in_time) until.is_up();
                expect(in_time || until.is_try || tick.deadline > until.deadline, tick,
                       "lost to a limit that it had kept");
                break;
            }
            default: {
                nap tick(*this, a.loop, request::tick(own), true);
                co_await await(tick);
                break;
            }
        }
    }
}

inline rondo::task<> world::is_main(std::size_t loop, std::size_t turn) {
    takes_its_turn(loops_[loop], turn, "main");
    for (std::size_t left = pick(4); left != 0; --left) {
        nap one(*this, loop, any_request(loops_[loop], true), true);
        co_await await(one);
    }
}

// ---- The scenario ----

inline std::size_t world::run_scenario() {
    const std::size_t length = 50 + pick(300);
    while (done_ < length && objection_.empty() && !choices_.are_used_up()) {
        ++done_;
        const std::size_t dice = pick(100);
        clock& l = loops_[pick(loops_.size())];
        if (dice < 45)
            add_actor(pick(loops_.size()));
        else if (dice < 65)
            poll(l);
        else if (dice < 80)
            let_time_pass(l);
        else if (dice < 92)
            cancel_someone(nullptr);
        else if (dice < 96)
            run_a_main(pick(loops_.size()));
        else
            settle();
        forget_gone();
    }
    if (!objection_.empty()) return done_;
    const std::size_t how = pick(3);
    if (how == 0) end_by_running();
    if (how == 1) end_by_cancelling();
    if (objection_.empty()) end_by_destroying();
    return done_;
}

}  // namespace timers_model
