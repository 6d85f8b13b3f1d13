// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// Random operations on two mutexes, or two semaphores, each checked against a reference: a number of permits and a queue.
// Tasks on one or two loops acquire, try, release, yield and cancel one another, alone and under when_all, when_any and
// timeouts; from outside they are polled, cancelled, and given permits, and in the end the primitives or the loops are destroyed
// under them. The reference is told what tasks do when they do it, and objects when one goes on without its turn, out of
// turn, or not at all, and when a permit is lost or made.

#include <support/choices.hpp>
#include <support/clocks.hpp>

#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

namespace permits_model {

constexpr std::size_t none = 2;  // in place of 0 or 1, which of the two primitives

enum class wants { one, all, any };

/// What the reference knows of a task.
class actor {
public:
    enum class state { unstarted, running, yielding, asking, gone };
    enum class place { nowhere, queue, granted };

    actor(std::size_t n, std::size_t l) : number(n), loop(l) {}

    bool is_granted() const {
        const auto granted = [this](std::size_t i) { return where[i] == place::granted; };
        return how == wants::all ? granted(0) && granted(1) : granted(0) || granted(1);
    }

    std::size_t number;
    std::size_t loop;
    std::optional<rondo::join_handle<>> handle;
    state now = state::unstarted;
    wants how = wants::one;
    place where[2] = {place::nowhere, place::nowhere};
    bool waited = false;                          // its last request was not granted at once
    std::size_t turn = 0;                         // the grant that it goes on for
    std::optional<support::time_point> deadline;  // of the request
    std::size_t in_guard[2] = {0, 0};             // permits that its guards hold
    std::size_t by_hand[2] = {0, 0};              // permits that it holds without
};

/// `Kind`: mutexes or semaphores; see the end.
template <class Kind>
class world {
public:
    explicit world(support::choices c) : choices_(std::move(c)) {
        for (std::size_t i = 0; i < 2; ++i) {
            total_[i] = available_[i] = Kind::initial(pick(4));
            primitives_[i] = Kind::make(total_[i]);
        }
        const std::size_t loops = 1 + pick(2);
        for (std::size_t i = 0; i < loops; ++i) {
            auto driver = std::make_unique<rondo::testing::virtual_driver>();
            drivers_.push_back(driver.get());
            loops_.push_back(std::make_unique<rondo::event_loop>(std::move(driver)));
        }
    }
    world(const world&) = delete;
    world& operator=(const world&) = delete;

    std::size_t run_scenario() {
        const std::size_t length = 50 + pick(300);
        while (operations_ < length && objection_.empty() && !choices_.are_used_up()) {
            ++operations_;
            const std::size_t dice = pick(100);
            if (dice < 30 && actors_.size() < 200) {
                add_actor();
            } else if (dice < 75) {
                poll(pick(loops_.size()));
            } else if (dice < 85) {
                cancel(pick_victim(nullptr));
            } else if (dice < 90) {
                let_time_pass();
            } else if (dice < 95) {
                try_from_outside(pick(2));
            } else {
                release_from_outside(pick(2));
            }
        }
        end();
        return operations_;
    }
    const std::string& objection() const { return objection_; }
    std::string history() const {
        std::string text;
        const std::size_t shown = (std::min<std::size_t>)(history_.size(), 60);
        for (std::size_t i = history_.size() - shown; i < history_.size(); ++i) text += history_[i] + '\n';
        return text;
    }

private:
    using primitive = typename Kind::primitive;
    using held = typename Kind::held;
    using place = actor::place;
    using state = actor::state;

    // ---- The reference ----

    void grant(actor& a, std::size_t i) {
        --available_[i];
        a.where[i] = place::granted;
        if (a.how == wants::any) leave_queue(a, 1 - i);
        a.turn = ++grants_;
    }

    void pass_on(std::size_t i) {
        while (available_[i] != 0 && !queues_[i].empty()) {
            actor& next = *queues_[i].front();
            queues_[i].pop_front();
            grant(next, i);
        }
    }

    void give(std::size_t i, std::size_t count) {
        available_[i] += count;
        pass_on(i);
    }

    void leave_queue(actor& a, std::size_t i) {
        if (a.where[i] != place::queue) return;
        queues_[i].erase(std::find(queues_[i].begin(), queues_[i].end(), &a));
        a.where[i] = place::nowhere;
    }

    void request(actor& a, std::size_t i) {
        if (available_[i] != 0) {
            grant(a, i);
        } else {
            queues_[i].push_back(&a);
            a.where[i] = place::queue;
        }
    }

    void withdraw(actor& a) {
        for (const std::size_t i : {0U, 1U}) {
            leave_queue(a, i);
            if (a.where[i] != place::granted) continue;
            a.where[i] = place::nowhere;
            give(i, 1);
        }
    }

    // ---- What tasks tell, between their awaits ----

    void asks(actor& a, wants how, std::size_t only, const char* what) {
        note(a, what, only);
        a.now = state::asking;
        a.how = how;
        a.deadline.reset();
        for (const std::size_t i : {0U, 1U}) {
            if (only != none && only != i) continue;
            if (how == wants::any && a.where[0] == place::granted) break;  // the second is not started
            request(a, i);
        }
        a.waited = !a.is_granted();
    }

    /// Which one it has (the first one for all).
    std::size_t goes_on(actor& a) {
        note(a, "has", a.where[0] == place::granted ? 0 : 1);
        expect(a.now == state::asking && a.is_granted(), a, "goes on without having been granted anything");
        if (a.waited && a.how == wants::one && !a.deadline) {
            // Those who have waited, alone, for one go on in the order of the grants.
            expect(a.turn > last_turn_[a.loop], a, "goes on before one who was granted earlier");
            last_turn_[a.loop] = a.turn;
        }
        a.now = state::running;
        std::size_t first = none;
        for (const std::size_t i : {1U, 0U}) {
            if (a.where[i] != place::granted) continue;
            a.where[i] = place::nowhere;
            first = i;
        }
        check();
        return first;
    }

    void gives_up(actor& a) {
        note(a, "was too late");
        expect(!a.is_granted(), a, "was granted it, and too late all the same");
        for (const std::size_t i : {0U, 1U}) leave_queue(a, i);
        a.now = state::running;
        check();
    }

    void ends(actor& a) {
        note(a, "ends");
        for (const std::size_t i : {0U, 1U})
            while (a.by_hand[i] != 0) release_by_hand(a, i);
        a.now = state::gone;
    }

    void release_by_hand(actor& a, std::size_t i) {
        --a.by_hand[i];
        Kind::release(*primitives_[i], 1);
        give(i, 1);
    }

    // ---- Tasks ----

    /// Holds guards; tells the reference when they go.
    class guards {
    public:
        guards(world& w, actor& a) : world_(&w), actor_(&a) {}
        guards(const guards&) = delete;
        guards& operator=(const guards&) = delete;
        ~guards() {
            drop(1);
            drop(0);
        }
        bool has(std::size_t i) const { return held_[i].has_value(); }
        void take(std::size_t i, held&& h) {
            held_[i].emplace(std::move(h));
            ++actor_->in_guard[i];
        }
        void drop(std::size_t i) {
            if (!held_[i]) return;
            held_[i].reset();
            --actor_->in_guard[i];
            // A cancelled task's requests were withdrawn before its destructors run.
            if (actor_->now == state::asking) world_->withdraw(*actor_);
            world_->give(i, 1);
        }

    private:
        world* world_;
        actor* actor_;
        std::optional<held> held_[2];
    };

    static rondo::task<> behave(world& w, actor& a) {
        guards own(w, a);
        a.now = state::running;
        w.note(a, "starts");
        for (std::size_t left = w.pick(15); left > 0 && !w.over_; --left) {
            const std::size_t i = w.pick(2);
            primitive& p = *w.primitives_[i];
            const bool both_free = !w.has(a, 0) && !w.has(a, 1);
            switch (w.pick(14)) {
                case 0:
                case 1:
                case 2: {
                    if (w.has(a, i)) break;
                    w.asks(a, wants::one, i, "asks for");
                    held h = co_await Kind::scoped(p);
                    w.goes_on(a);
                    own.take(i, std::move(h));
                    break;
                }
                case 3: {
                    if (w.has(a, i)) break;
                    w.asks(a, wants::one, i, "asks by hand for");
                    co_await Kind::plain(p);
                    w.goes_on(a);
                    ++a.by_hand[i];
                    break;
                }
                case 4: {
                    if (!both_free) break;
                    w.asks(a, wants::any, none, "asks for either");
                    auto won =
                        co_await rondo::when_any(Kind::scoped(*w.primitives_[0]), Kind::scoped(*w.primitives_[1]));
                    const std::size_t which = w.goes_on(a);
                    w.expect(which == won.index(), a, "has won the other one");
                    own.take(won.index(), won.index() == 0 ? std::get<0>(std::move(won)) : std::get<1>(std::move(won)));
                    break;
                }
                case 5: {
                    if (!both_free) break;
                    w.asks(a, wants::all, none, "asks for both");
                    auto both =
                        co_await rondo::when_all(Kind::scoped(*w.primitives_[0]), Kind::scoped(*w.primitives_[1]));
                    w.goes_on(a);
                    own.take(0, std::get<0>(std::move(both)));
                    own.take(1, std::get<1>(std::move(both)));
                    break;
                }
                case 6: {
                    if (w.has(a, i)) break;
                    const std::chrono::milliseconds time(1 + w.pick(4));
                    w.asks(a, wants::one, i, "asks for some time for");
                    a.deadline = rondo::event_loop::current().now() + time;
                    std::optional<held> h = co_await rondo::try_with_timeout(time, Kind::scoped(p));
                    if (h) {
                        w.goes_on(a);
                        own.take(i, std::move(*h));
                    } else {
                        w.gives_up(a);
                    }
                    break;
                }
                case 7: {
                    if (w.has(a, i)) break;
                    const bool there = w.available_[i] != 0;
                    if (there) w.asks(a, wants::one, i, "asks at once for");
                    const bool had = co_await rondo::try_with_timeout(std::chrono::seconds(0), Kind::plain(p));
                    w.expect(had == there, a, had ? "had what was not there" : "did not have what was there");
                    if (had) {
                        w.goes_on(a);
                        ++a.by_hand[i];
                    }
                    break;
                }
                case 8:
                    w.tries(a, i);
                    break;
                case 9:
                    own.drop(i);
                    break;
                case 10:
                    if (a.by_hand[i] != 0) w.release_by_hand(a, i);
                    break;
                case 11:
                    w.cancel(w.pick_victim(&a));
                    break;
                case 12:
                    for (int n = 0; n < 200 && !w.over_ && !w.has(a, i); ++n) {  // more than a step may do
                        w.asks(a, wants::one, i, "passes through");
                        const held h = co_await Kind::scoped(*w.primitives_[i]);
                        w.goes_on(a);
                        ++a.in_guard[i];
                        const passing through(w, a, i);
                    }
                    break;
                default:
                    a.now = state::yielding;
                    co_await rondo::yield();
                    a.now = state::running;
                    break;
            }
            w.check();
        }
        w.ends(a);
    }

    /// Tells of a guard that goes at the end of the same step, right after this.
    class passing {
    public:
        passing(world& w, actor& a, std::size_t i) : world_(w), actor_(a), which_(i) {}
        passing(const passing&) = delete;
        passing& operator=(const passing&) = delete;
        ~passing() {
            --actor_.in_guard[which_];
            world_.give(which_, 1);
        }

    private:
        world& world_;
        actor& actor_;
        std::size_t which_;
    };

    bool has(const actor& a, std::size_t i) const { return a.in_guard[i] != 0 || a.by_hand[i] != 0; }

    void tries(actor& a, std::size_t i) {
        const bool there = available_[i] != 0;
        const bool had = Kind::try_one(*primitives_[i]);
        note(a, had ? "took" : "was refused", i);
        expect(had == there, a, had ? "took what was not there" : "was refused what was there");
        if (!had) return;
        --available_[i];
        ++a.by_hand[i];
    }

    // ---- From outside ----

    void add_actor() {
        actors_.push_back(std::make_unique<actor>(actors_.size(), pick(loops_.size())));
        actor& a = *actors_.back();
        a.handle.emplace(loops_[a.loop]->spawn(behave(*this, a)));
    }

    std::size_t poll(std::size_t loop) { return loops_[loop]->poll(); }

    void settle() {
        for (bool busy = true; busy && objection_.empty();) {
            busy = false;
            for (std::size_t i = 0; i < loops_.size(); ++i) busy = poll(i) != 0 || busy;
        }
        check();
        if (over_) return;
        for (const auto& a : actors_)
            expect(a->now != state::asking || !a->is_granted(), *a, "was granted it, and forgotten");
    }

    // When all is quiet, whoever is due leaves his queue before anybody goes on.
    void let_time_pass() {
        settle();
        const std::size_t loop = pick(loops_.size());
        note("time passes in loop " + std::to_string(loop));
        drivers_[loop]->advance(std::chrono::milliseconds(1));
        const auto now = drivers_[loop]->now();
        for (const auto& a : actors_) {
            if (a->loop != loop || a->now != state::asking || !a->deadline || *a->deadline > now) continue;
            for (const std::size_t i : {0U, 1U}) leave_queue(*a, i);
        }
        while (objection_.empty() && poll(loop) != 0) {
        }
        settle();
    }

    actor* pick_victim(const actor* but) {
        for (int attempt = 0; attempt < 10 && !actors_.empty(); ++attempt) {
            actor* const a = actors_[pick(actors_.size())].get();
            if (a != but && a->now != state::gone && a->now != state::running) return a;
        }
        return nullptr;
    }

    void cancel(actor* a) {
        if (a == nullptr) return;
        note(*a, "is cancelled");
        const bool guarded = a->in_guard[0] != 0 || a->in_guard[1] != 0;
        a->handle->cancel();
        if (a->now == state::asking && !guarded) withdraw(*a);  // else its guards have said so
        expect(a->handle->done(), *a, "is not done after cancel()");
        expect(a->in_guard[0] == 0 && a->in_guard[1] == 0, *a, "kept a guard");
        expect(a->where[0] == place::nowhere && a->where[1] == place::nowhere, *a, "was not withdrawn");
        ends(*a);
        check();
    }

    void try_from_outside(std::size_t i) {
        const bool there = available_[i] != 0;
        const bool had = Kind::try_one(*primitives_[i]);
        note(had ? "a try from outside succeeds" : "a try from outside fails");
        if (had != there) object("a try from outside has a wrong answer");
        if (!had) return;
        --available_[i];
        ++outside_[i];
    }

    void release_from_outside(std::size_t i) {
        if (outside_[i] == 0 && !Kind::may_grow) return;
        const std::size_t count = Kind::may_grow ? pick(4) : 1;
        note("from outside " + std::to_string(count) + " are released");
        if (count > outside_[i]) total_[i] += count - outside_[i];
        outside_[i] -= (std::min)(count, outside_[i]);
        Kind::release(*primitives_[i], count);
        give(i, count);
        check();
    }

    void end() {
        if (!objection_.empty()) return stop();
        switch (pick(3)) {
            case 0:
                note("all are cancelled");
                for (const auto& a : actors_)
                    if (a->now != state::gone) cancel(a.get());
                settle();
                break;
            case 1: {
                note("the primitives are destroyed");
                settle();
                const bool guarded = std::any_of(actors_.begin(), actors_.end(), [](const auto& a) {
                    return a->now != state::gone && (a->in_guard[0] != 0 || a->in_guard[1] != 0);
                });
                over_ = true;
                if (guarded) break;  // that would be fatal
                for (auto& p : primitives_) p.reset();
                for (int i = 0; i < 10; ++i)
                    for (const auto& loop : loops_) loop->poll();
                for (const auto& a : actors_) {
                    if (a->now == state::asking && a->handle->done()) object("one went on without his primitive");
                }
                break;
            }
            default:
                break;
        }
        stop();
    }

    // Takes the loops down. Every permit must be back then.
    void stop() {
        over_ = true;
        for (const auto& loop : loops_) loop->close();
        loops_.clear();
        for (const auto& a : actors_) {
            if (!a->handle->done()) object("task " + std::to_string(a->number) + " was left behind");
            if (a->now == state::asking) withdraw(*a);
            for (const std::size_t i : {0U, 1U}) outside_[i] += std::exchange(a->by_hand[i], 0);
            a->now = state::gone;
        }
        for (const std::size_t i : {0U, 1U}) {
            if (primitives_[i] == nullptr) continue;
            if (outside_[i] != 0) Kind::release(*primitives_[i], outside_[i]);
            if (Kind::available(*primitives_[i]) != total_[i]) object("a permit was lost or made");
        }
    }

    // ---- Notes ----

    std::size_t pick(std::size_t n) { return choices_.pick(n); }

    void check() {
        for (const std::size_t i : {0U, 1U})
            if (primitives_[i] != nullptr && Kind::available(*primitives_[i]) != available_[i])
                object("primitive " + std::to_string(i) + " has " + std::to_string(Kind::available(*primitives_[i])) +
                       " permits in place of " + std::to_string(available_[i]));
    }

    void note(std::string text) { history_.push_back(std::move(text)); }
    void note(const actor& a, const char* what, std::size_t which = none) {
        note("task " + std::to_string(a.number) + " " + what + (which == none ? "" : " " + std::to_string(which)));
    }
    void object(std::string text) {
        if (objection_.empty()) objection_ = std::move(text);
    }
    void expect(bool good, const actor& a, const char* objection) {
        if (!good) object("task " + std::to_string(a.number) + " " + objection);
    }

    support::choices choices_;
    std::size_t total_[2] = {0, 0};
    std::size_t available_[2] = {0, 0};
    std::size_t outside_[2] = {0, 0};  // permits that are held out here
    std::deque<actor*> queues_[2];
    std::size_t grants_ = 0;
    std::size_t last_turn_[2] = {0, 0};
    std::vector<std::string> history_;
    std::string objection_;
    std::size_t operations_ = 0;
    bool over_ = false;
    std::unique_ptr<primitive> primitives_[2];
    std::vector<std::unique_ptr<actor>> actors_;
    std::vector<rondo::testing::virtual_driver*> drivers_;
    std::vector<std::unique_ptr<rondo::event_loop>> loops_;
};

/// The kinds.
struct mutexes {
    using primitive = rondo::mutex;
    using held = rondo::mutex::guard;
    static constexpr bool may_grow = false;

    static std::size_t initial(std::size_t) { return 1; }
    static std::unique_ptr<primitive> make(std::size_t) { return std::make_unique<primitive>(); }
    static auto scoped(primitive& m) { return m.scoped_lock(); }
    static auto plain(primitive& m) { return m.lock(); }
    static bool try_one(primitive& m) { return m.try_lock(); }
    static void release(primitive& m, std::size_t) { m.unlock(); }
    static std::size_t available(const primitive& m) { return m.is_locked() ? 0 : 1; }
};

struct semaphores {
    using primitive = rondo::semaphore;
    using held = rondo::semaphore::permit;
    static constexpr bool may_grow = true;

    static std::size_t initial(std::size_t random) { return random; }
    static std::unique_ptr<primitive> make(std::size_t n) { return std::make_unique<primitive>(n); }
    static auto scoped(primitive& s) { return s.scoped_acquire(); }
    static auto plain(primitive& s) { return s.acquire(); }
    static bool try_one(primitive& s) { return s.try_acquire(); }
    static void release(primitive& s, std::size_t n) { s.release(n); }
    static std::size_t available(const primitive& s) { return s.available(); }
};

}  // namespace permits_model
