// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

// soak [--seconds N] [--tasks N]
//
// A load in real time: so many tasks (100,000; 20,000 under a sanitizer) live on one loop for so long (600 s), and those that end are
// replaced. They sleep, push and pop, lease messages and lose them, form groups and trees, fail, are cancelled, hold locks and permits, generate
// values, use threads, and wait for callbacks that other threads call, while others post. Every second, and at the end, the books must balance:
// messages, tasks, permits, exceptions, frames. Memory must be flat. A task that sleeps 10 ms again and again tells how late it wakes.
// RONDO_SEED chooses what happens. Exit status: 0, 1 when something is wrong, 2 for wrong arguments.

#include <rondo/rondo.hpp>
#include <rondo/testing/frames.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#if __has_include(<unistd.h>)
#include <unistd.h>
#endif

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SOAK_IS_SANITIZED
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SOAK_IS_SANITIZED
#endif

namespace {

using namespace std::chrono_literals;
using rondo::task;
using clock = std::chrono::steady_clock;

#ifdef SOAK_IS_SANITIZED
constexpr bool is_sanitized = true;
#else
constexpr bool is_sanitized = false;
#endif

constexpr std::size_t attempts_before_death = 4;
constexpr std::ptrdiff_t permits = 3;
constexpr clock::duration stalled = 20s;  // without any progress while all is to end
constexpr double allowed_growth =
    4.0 * 1048576;  // of the resident set, from the end of the warm-up to the end of the load

// ---- What is wrong ----

std::atomic<int> violations = 0;

void violation(const std::string& what) {
    if (++violations > 20) return;
    std::printf("VIOLATION: %s\n", what.c_str());
    std::fflush(stdout);
}

std::string number(std::size_t n) { return std::to_string(n); }

void must_be(const char* what, std::size_t got, std::size_t expected) {
    if (got != expected) violation(std::string(what) + ": " + number(got) + " instead of " + number(expected));
}

/// What tasks throw. Each one that is thrown is seen once: by a catch, in an outcome, or by the handler of the unhandled.
class failure : public std::runtime_error {
public:
    failure() : std::runtime_error("soak: thrown on purpose") {}
};

/// What callbacks bring.
class refusal : public std::runtime_error {
public:
    refusal() : std::runtime_error("soak: refused on purpose") {}
};

class dice {
public:
    explicit dice(std::uint64_t seed) noexcept : state_(seed) {}

    std::uint64_t next() noexcept {  // splitmix64
        std::uint64_t z = (state_ += 0x9E3779B97F4A7C15U);
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
        return z ^ (z >> 31);
    }
    /// From zero to `n` - 1.
    std::size_t below(std::size_t n) noexcept { return static_cast<std::size_t>(next() % n); }
    bool one_in(std::size_t n) noexcept { return below(n) == 0; }
    clock::duration between(clock::duration low, clock::duration high) noexcept {
        return low + clock::duration(static_cast<clock::rep>(below(static_cast<std::size_t>((high - low).count()))));
    }

private:
    std::uint64_t state_;
};

// ---- Books ----

/// Adds to a number while it lives, wherever it is moved.
class tally {
public:
    explicit tally(std::size_t& count, std::size_t weight = 1) noexcept : count_(&count), weight_(weight) {
        *count_ += weight_;
    }
    tally(tally&& other) noexcept : count_(std::exchange(other.count_, nullptr)), weight_(other.weight_) {}
    tally& operator=(tally&&) = delete;
    ~tally() {
        if (count_ != nullptr) *count_ -= weight_;
    }

private:
    std::size_t* count_;
    std::size_t weight_;
};

/// Where each letter is that has been written.
class post_office {
public:
    enum class place : unsigned char { nowhere, under_way, processed, dead, kept };

    std::uint32_t write() {
        if (free_.empty()) {
            states_.emplace_back();
            attempts_.emplace_back();
            free_.push_back(static_cast<std::uint32_t>(states_.size() - 1));
        }
        const std::uint32_t id = free_.back();
        free_.pop_back();
        states_[id] = place::under_way;
        attempts_[id] = 0;
        ++written;
        return id;
    }
    void ends(std::uint32_t id, place how) {
        if (states_[id] != place::under_way) {
            violation("a message has been processed twice");
            ++repeated;
        }
        states_[id] = how;
        ++(how == place::processed ? processed : how == place::dead ? dead : kept);
    }
    void leased(std::uint32_t id, std::size_t attempt) {
        ++leases;
        if (states_[id] != place::under_way) {
            violation("a message that had been processed is delivered again");
            ++repeated;
        }
        if (++attempts_[id] != attempt)
            violation("attempt " + number(attempt) + " of a message is its " + number(attempts_[id]) + "th");
    }
    std::size_t attempts(std::uint32_t id) const { return attempts_[id]; }
    void destroyed(std::uint32_t id) {
        if (states_[id] == place::under_way) {
            violation("a message is lost: destroyed before anybody has processed it");
            ++lost;
        }
        states_[id] = place::nowhere;
        free_.push_back(id);
    }

    /// Those that exist.
    std::size_t existing() const noexcept { return states_.size() - free_.size(); }
    std::size_t under_way() const noexcept { return written - processed - dead - kept - lost; }
    std::size_t places_under_way() const noexcept {
        return static_cast<std::size_t>(std::count(states_.begin(), states_.end(), place::under_way));
    }

    std::size_t written = 0;
    std::size_t processed = 0;
    std::size_t dead = 0;
    std::size_t kept = 0;  // by a sender who could not send it
    std::size_t lost = 0;
    std::size_t repeated = 0;  // processed, or delivered for it, after it had ended
    std::size_t leases = 0;

private:
    std::vector<place> states_;
    std::vector<std::size_t> attempts_;
    std::vector<std::uint32_t> free_;
};

/// Exists once: the office hears when it is destroyed.
class letter {
public:
    explicit letter(post_office& office) : office_(&office), id_(office.write()) {}
    letter(letter&& other) noexcept : office_(std::exchange(other.office_, nullptr)), id_(other.id_) {}
    letter& operator=(letter&&) = delete;
    ~letter() {
        if (office_ != nullptr) office_->destroyed(id_);
    }

    bool is_here() const noexcept { return office_ != nullptr; }
    std::uint32_t id() const noexcept { return id_; }
    void ends(post_office::place how) const {
        if (office_ == nullptr)
            violation("a message without contents was delivered");
        else
            office_->ends(id_, how);
    }

private:
    post_office* office_;
    std::uint32_t id_;
};

/// A letter, and who keeps it if it cannot be sent.
class sender {
public:
    explicit sender(post_office& office) : own(office) {}
    sender(const sender&) = delete;
    sender& operator=(const sender&) = delete;
    ~sender() {
        if (own.is_here()) own.ends(post_office::place::kept);
    }
    /// After a push that has told whether it happened.
    void was_sent(bool sent) const {
        if (own.is_here() == sent)
            violation(sent ? "a push that happened has left its value" : "a push that did not happen took its value");
    }
    letter own;
};

// ---- The world that the tasks share ----

/// Who is asked here is answered by threads, or not.
class desk {
public:
    void ask(rondo::callback<int> done) {
        const std::lock_guard lock(mutex_);
        waiting_.push_back(std::move(done));
    }
    void answers(std::uint64_t seed) {
        dice d(seed);
        std::deque<rondo::callback<int>> taken;
        while (!closed_ || !taken.empty()) {
            std::this_thread::sleep_for(1ms);
            {
                const std::lock_guard lock(mutex_);
                for (; !waiting_.empty(); waiting_.pop_front()) taken.push_back(std::move(waiting_.front()));
            }
            while (!taken.empty() && (closed_ || !d.one_in(20))) {
                const rondo::callback<int> done = std::move(taken.front());
                taken.pop_front();
                if (const std::size_t how = d.below(10); how == 0)
                    done.fail(std::make_exception_ptr(refusal()));
                else if (how != 1)
                    done(7);
            }
        }
    }
    void close() { closed_ = true; }

private:
    std::mutex mutex_;
    std::deque<rondo::callback<int>> waiting_;
    std::atomic<bool> closed_ = false;
};

/// The slots of those who wait for something, the first one first.
using line = std::deque<std::size_t>;

class lane {
public:
    line waiting_here;
    explicit lane(std::size_t capacity) : queue(capacity) {}
    rondo::bounded_queue<letter> queue;
};

class counter {
public:
    line waiting_here;
    explicit counter(std::size_t capacity) : queue(capacity) {}
    rondo::message_queue<letter> queue;
};

class room {
public:
    line waiting_here;
    rondo::mutex door;
    std::size_t inside = 0;
};

class hall {
public:
    line waiting_here;
    rondo::semaphore seats{permits};
    std::size_t inside = 0;
};

class shelf {
public:
    line waiting_here;
    rondo::mutex lock;
    rondo::condition_variable changed;
    std::size_t goods = 0;
    std::size_t waiting = 0;
    bool is_settled() const noexcept { return goods == 0 || waiting == 0; }
};

enum kind : std::size_t {
    sleeping,
    chaining,
    pushing,
    popping,
    sending,
    receiving,
    grouping,
    branching,
    locking,
    acquiring,
    stocking,
    buying,
    watching,
    generating,
    cleaning,
    threading,
    asking,
    kinds
};

constexpr const char* names[kinds] = {"sleep", "await in chains", "push",    "pop",       "send",  "receive",
                                      "group", "trees",           "mutex",   "semaphore", "stock", "buy",
                                      "event", "generate",        "finally", "to_thread", "ask"};
constexpr std::size_t shares[kinds] = {580, 50, 40, 40, 40, 40, 30, 50, 20, 20, 15, 15, 20, 20, 10, 5, 5};  // of 1000

class slot {
public:
    rondo::join_handle<int> handle;
    kind what = sleeping;
    bool lives = false;
};

class world {
public:
    world(std::size_t tasks, std::uint64_t seed) : rolls(seed), slots(tasks), dead_letters(64) {
        const std::size_t places = std::max<std::size_t>(4, tasks / 1000);
        for (std::size_t i = 0; i < places; ++i) {
            lanes.emplace_back(1 + rolls.below(16));
            counters.emplace_back(1 + rolls.below(16));
            counters.back().queue.dead_letters(attempts_before_death, dead_letters);
        }
        for (std::size_t i = 0; i < std::max<std::size_t>(2, places / 5); ++i) {
            rooms.emplace_back();
            halls.emplace_back();
            shelves.emplace_back();
            events.emplace_back();
        }
        ended.reserve(tasks);
        ended_before.reserve(tasks);
    }

    // How long.
    clock::duration long_time() { return rolls.between(500ms, 15'500ms); }
    clock::duration nap() { return is_ending ? rolls.between(0ms, 50ms) : rolls.between(100ms, 4s); }
    clock::duration moment() { return is_ending ? clock::duration() : rolls.between(0ms, 20ms); }

    template <class T>
    T& any(std::deque<T>& all) {
        return all[rolls.below(all.size())];
    }

    [[noreturn]] void fail() {
        ++thrown;
        throw failure();
    }
    void may_fail() {
        if (!is_ending && rolls.one_in(40)) fail();
    }
    /// Whose end is it?
    void sees(const std::exception_ptr& error) {
        try {
            std::rethrow_exception(error);
        } catch (const failure&) {
            ++seen;
        } catch (const rondo::timeout_error&) {
            ++timeouts;
        } catch (const std::exception& other) {
            violation(std::string("an exception that nobody has thrown: ") + other.what());
        }
    }

    /// For the parameter that each coroutine here has: counts its frame.
    tally frame() { return tally(frames); }

    dice rolls;
    std::deque<lane> lanes;
    std::deque<counter> counters;
    std::deque<room> rooms;
    std::deque<hall> halls;
    std::deque<shelf> shelves;
    std::deque<rondo::event> events;
    std::vector<slot> slots;
    rondo::bounded_queue<letter> dead_letters;
    desk questions;
    post_office letters;

    std::vector<std::size_t> ended;  // slots whose tasks are gone
    std::vector<std::size_t> ended_before;
    std::vector<rondo::join_handle<>> helpers;

    std::size_t frames = 0;   // of coroutines that are written here, and records of tasks in groups
    std::size_t handles = 0;  // with a record, of slots
    std::size_t beside = 0;   // frames that the library makes
    std::size_t perhaps = 0;  // frames that the library makes, and may have destroyed by now
    std::size_t living[kinds] = {};
    std::size_t spawned = 0;
    std::size_t gone = 0;
    std::size_t with_value = 0;
    std::size_t with_failure = 0;
    std::size_t with_cancellation = 0;
    std::size_t cancels = 0;
    std::size_t timeouts = 0;
    std::size_t unhandled = 0;
    std::atomic<std::size_t> thrown = 0;
    std::size_t seen = 0;
    std::size_t group_children = 0;
    std::size_t stocked = 0;
    std::size_t bought = 0;
    std::size_t bodies = 0;
    std::size_t cleanups = 0;
    std::size_t turns[kinds] = {};
    std::atomic<std::size_t> accepted_posts = 0;
    std::size_t run_posts = 0;
    std::atomic<std::size_t> calls_begun = 0;
    std::atomic<std::size_t> calls_ended = 0;
    bool is_full = false;    // every slot has its task
    bool is_frozen = false;  // nothing new
    bool is_ending = false;  // who wakes goes
};

/// The life of a task in a slot.
class life {
public:
    life(world& w, std::size_t place, kind what) noexcept : world_(&w), place_(place) {
        slot& s = w.slots[place];
        s.what = what;
        s.lives = true;
        ++w.living[what];
        ++w.spawned;
        ++w.frames;
    }
    life(life&& other) noexcept : world_(std::exchange(other.world_, nullptr)), place_(other.place_) {}
    life& operator=(life&&) = delete;
    ~life() {
        if (world_ == nullptr) return;
        slot& s = world_->slots[place_];
        if (!std::exchange(s.lives, false)) violation("a task has ended twice");
        --world_->living[s.what];
        ++world_->gone;
        --world_->frames;
        world_->ended.push_back(place_);
    }
    world* operator->() const noexcept { return world_; }
    world& operator*() const noexcept { return *world_; }

    std::size_t place() const noexcept { return place_; }

    /// Who has just been given something, and has yet to hear of it, may be cancelled: it must go on to the next.
    void robs(const line& waiting) const {
        if (waiting.empty() || world_->is_ending || !world_->rolls.one_in(8)) return;
        const std::size_t first = waiting.front();
        if (first == place_) return;
        ++world_->cancels;
        world_->slots[first].handle.cancel();
    }

    /// How often a task does what it does.
    std::size_t times() const { return 1 + world_->rolls.below(6); }
    void turn() const { ++world_->turns[world_->slots[place_].what]; }

private:
    world* world_;
    std::size_t place_;
};

/// A place in a line, while it lives.
class waits_in {
public:
    waits_in(line& all, const life& me) : all_(&all), place_(me.place()) { all_->push_back(place_); }
    waits_in(const waits_in&) = delete;
    waits_in& operator=(const waits_in&) = delete;
    ~waits_in() { all_->erase(std::find(all_->begin(), all_->end(), place_)); }

private:
    line* all_;
    std::size_t place_;
};

// ---- The tasks ----

task<int> sleeps(life me) {
    for (std::size_t i = me.times(); i > 0; --i) {
        me.turn();
        co_await rondo::sleep(me->long_time());
        me->may_fail();
    }
    co_return 1;
}

task<int> link(world& w, std::size_t depth, [[maybe_unused]] tally counted) {
    int below = 0;
    if (depth == 0)
        co_await rondo::sleep(w.long_time());
    else
        below = co_await link(w, depth - 1, w.frame());
    w.may_fail();
    co_return below + 1;
}

task<int> chains(life me) {
    me.turn();
    const std::size_t depth = me->rolls.below(8);
    const int links = co_await link(*me, depth, me->frame());
    if (static_cast<std::size_t>(links) != depth + 1) violation("a chain of tasks has lost links");
    co_return 1;
}

template <class Place>
task<int> puts(life me, Place& place) {
    auto& queue = place.queue;
    for (std::size_t i = me.times(); i > 0 && !queue.is_closed(); --i) {
        co_await rondo::sleep(me->nap());
        me.turn();
        sender from(me->letters);
        bool sent = false;
        try {
            if (const std::size_t how = me->rolls.below(8); how == 0) {
                sent = queue.try_push(std::move(from.own));
            } else if (how <= 2) {
                const clock::duration patience = me->moment();
                sent = co_await rondo::try_with_timeout(patience, queue.push(std::move(from.own)));
            } else {
                co_await queue.push(std::move(from.own));
                sent = true;
            }
        } catch (const rondo::queue_closed&) {
        }
        from.was_sent(sent);
        if (sent) me.robs(place.waiting_here);
        me->may_fail();
    }
    co_return 1;
}

task<int> pops(life me) {
    lane& l = me->any(me->lanes);
    rondo::bounded_queue<letter>& queue = l.queue;
    for (std::size_t i = me.times(); i > 0 || me->is_ending; --i) {
        me.turn();
        const std::size_t how = me->rolls.below(8);
        if (how == 0) {
            if (const std::optional<letter> got = queue.try_pop()) got->ends(post_office::place::processed);
        } else if (how == 1) {
            const clock::duration patience = me->nap();
            const auto first = co_await rondo::when_any(queue.pop(), rondo::sleep(patience));
            if (const auto* const got = std::get_if<0>(&first); got != nullptr && *got)
                (*got)->ends(post_office::place::processed);
        } else {
            std::optional<waits_in> waiting(std::in_place, l.waiting_here, me);
            const std::optional<letter> got = co_await queue.pop();
            waiting.reset();
            if (!got) break;
            got->ends(post_office::place::processed);
        }
        me->may_fail();
        co_await rondo::sleep(me->nap());
    }
    co_return 1;
}

task<int> receives(life me) {
    counter& c = me->any(me->counters);
    rondo::message_queue<letter>& queue = c.queue;
    for (std::size_t i = me.times(); i > 0 || me->is_ending; --i) {
        me.turn();
        std::optional<rondo::delivery<letter>> got;
        if (me->rolls.one_in(8)) {
            const clock::duration patience = me->nap();
            auto first = co_await rondo::when_any(queue.receive(), rondo::sleep(patience));
            if (first.index() != 0) continue;
            got = std::get<0>(std::move(first));
        } else {
            const waits_in waiting(c.waiting_here, me);
            got = co_await queue.receive();
        }
        if (!got) break;
        me->letters.leased((*got)->id(), got->attempt());
        const std::size_t what = me->rolls.below(16);
        if (what == 0) {
            got->nack();
            me.robs(c.waiting_here);
            continue;
        }
        if (what == 1 && !me->is_ending) me->fail();  // with the lease in hand
        if (what == 2) co_return 1;                   // so, too
        if (what < 6) co_await rondo::sleep(me->moment());
        if (what == 6) co_await rondo::sleep(me->nap());  // may be cancelled meanwhile
        (*got)->ends(post_office::place::processed);
        got->ack();
        got.reset();
        co_await rondo::sleep(me->nap());
    }
    co_return 1;
}

task<> group_child(world& w, [[maybe_unused]] tally counted, [[maybe_unused]] tally in_group,
                   [[maybe_unused]] tally everywhere) {
    co_await rondo::sleep(w.nap());
    if (!w.is_ending && w.rolls.one_in(8)) w.fail();
}

task<int> group_body(world& w, rondo::task_group& group, std::size_t& children, [[maybe_unused]] tally counted) {
    for (std::size_t i = w.rolls.below(5); i > 0; --i)
        group.spawn(group_child(w, tally(w.frames, 2), tally(children), tally(w.group_children)));
    if (w.rolls.one_in(2)) co_await rondo::sleep(w.nap());
    if (w.rolls.one_in(4)) {
        group.cancel();
        if (group.size() != 0) violation("a group that was cancelled has children left");
    }
    w.may_fail();
    co_return 1;
}

task<int> groups(life me) {
    for (std::size_t i = me.times(); i > 0 && !me->is_ending; --i) {
        me.turn();
        world& w = *me;
        std::size_t children = 0;
        const auto body = [&w, &children](rondo::task_group& group) {
            return group_body(w, group, children, w.frame());
        };
        try {
            co_await rondo::with_task_group(body);
        } catch (const failure&) {
            ++me->seen;
        }
        if (children != 0) violation("a group has returned while a child of it lives");
        co_await rondo::sleep(me->nap());
    }
    co_return 1;
}

task<int> tree(world& w, std::size_t depth, std::size_t& leaves, [[maybe_unused]] tally counted) {
    if (depth == 0) {
        const tally here(leaves);
        co_await rondo::sleep(w.nap());
        w.may_fail();
        co_return 1;
    }
    std::size_t below = 0;
    const std::size_t how = w.rolls.below(4);
    if (how == 0) {
        co_await rondo::when_all(tree(w, depth - 1, below, w.frame()), tree(w, depth - 1, below, w.frame()));
    } else if (how == 1) {
        const auto settled = co_await rondo::when_all_settled(tree(w, depth - 1, below, w.frame()),
                                                              tree(w, depth - 1, below, w.frame()));
        if (const std::exception_ptr error = std::get<0>(settled).error()) w.sees(error);
        if (const std::exception_ptr error = std::get<1>(settled).error()) w.sees(error);
    } else if (how == 2) {
        const clock::duration patience = w.nap();
        co_await rondo::when_any(tree(w, depth - 1, below, w.frame()), tree(w, depth - 1, below, w.frame()),
                                 rondo::sleep(patience));
    } else {
        const clock::duration patience = w.nap();
        if (w.rolls.one_in(2))
            co_await rondo::try_with_timeout(patience, tree(w, depth - 1, below, w.frame()));
        else
            co_await rondo::with_timeout(patience, tree(w, depth - 1, below, w.frame()));
    }
    if (below != 0) violation("a combinator has returned while a child of it lives");
    co_return 1;
}

task<int> branches(life me) {
    std::size_t leaves = 0;
    for (std::size_t i = me.times(); i > 0 && !me->is_ending; --i) {
        me.turn();
        if (me->rolls.one_in(4)) {
            // A combinator in a combinator, of operations.
            rondo::bounded_queue<letter>& queue = me->any(me->lanes).queue;
            rondo::event& event = me->any(me->events);
            const clock::duration patience = me->nap();
            const tally one(me->perhaps);
            const auto first = co_await rondo::try_with_timeout(patience, rondo::when_any(queue.pop(), event.wait()));
            if (first && first->index() == 0 && std::get<0>(*first))
                std::get<0>(*first)->ends(post_office::place::processed);
        } else {
            try {
                co_await tree(*me, 1 + me->rolls.below(3), leaves, me->frame());
            } catch (const failure&) {
                ++me->seen;
            } catch (const rondo::timeout_error&) {
                ++me->timeouts;
            }
        }
    }
    co_return 1;
}

task<int> locks(life me) {
    for (std::size_t i = me.times(); i > 0 && !me->is_ending; --i) {
        co_await rondo::sleep(me->nap());
        me.turn();
        room& r = me->any(me->rooms);
        std::optional<waits_in> waiting(std::in_place, r.waiting_here, me);
        auto guard = co_await r.door.scoped_lock();
        waiting.reset();
        {
            const tally here(r.inside);
            if (r.inside != 1) violation("two tasks hold one mutex");
            co_await rondo::sleep(me->moment());
        }
        guard.unlock();
        me.robs(r.waiting_here);
        me->may_fail();
    }
    co_return 1;
}

task<int> acquires(life me) {
    for (std::size_t i = me.times(); i > 0 && !me->is_ending; --i) {
        co_await rondo::sleep(me->nap());
        me.turn();
        hall& h = me->any(me->halls);
        std::optional<rondo::semaphore::permit> permit;
        if (me->rolls.one_in(3)) {
            const clock::duration patience = me->moment();
            permit = co_await rondo::try_with_timeout(patience, h.seats.scoped_acquire());
        } else {
            const waits_in waiting(h.waiting_here, me);
            permit = co_await h.seats.scoped_acquire();
        }
        if (!permit) continue;
        {
            const tally here(h.inside);
            if (h.inside > static_cast<std::size_t>(permits)) violation("more tasks hold permits than there are");
            co_await rondo::sleep(me->moment() * 4);
        }
        permit.reset();
        me.robs(h.waiting_here);
        me->may_fail();
    }
    co_return 1;
}

task<int> stocks(life me) {
    for (std::size_t i = me.times(); i > 0 && !me->is_frozen; --i) {
        co_await rondo::sleep(me->nap());
        me.turn();
        shelf& s = me->any(me->shelves);
        const auto guard = co_await s.lock.scoped_lock();
        if (me->rolls.one_in(4)) co_await rondo::sleep(me->moment());
        ++s.goods;
        ++me->stocked;
        s.changed.notify_one();
        me.robs(s.waiting_here);
    }
    co_return 1;
}

task<int> buys(life me) {
    for (std::size_t i = me.times(); i > 0 && !me->is_ending; --i) {
        me.turn();
        world& w = *me;
        shelf& s = me->any(me->shelves);
        auto guard = co_await s.lock.scoped_lock();
        {
            const tally here(s.waiting);
            const tally one(me->beside);
            const waits_in waiting(s.waiting_here, me);
            const auto is_time = [&w, &s] { return s.goods != 0 || w.is_ending; };
            if (me->rolls.one_in(4)) {
                const clock::duration patience = me->nap();
                co_await s.changed.wait_for(guard, patience, is_time);
            } else {
                co_await s.changed.wait(guard, is_time);
            }
        }
        if (!guard.owns_lock()) violation("a wait on a condition variable has returned without the mutex");
        if (s.goods != 0) {
            --s.goods;
            ++me->bought;
        }
        guard.unlock();
        me->may_fail();
        if (me->rolls.one_in(4)) co_await rondo::sleep(me->nap());
    }
    co_return 1;
}

task<int> watches(life me) {
    for (std::size_t i = me.times(); i > 0 && !me->is_ending; --i) {
        me.turn();
        co_await me->any(me->events).wait();
        me->may_fail();
        co_await rondo::sleep(me->nap());
    }
    co_return 1;
}

rondo::async_generator<letter> writes(world& w, [[maybe_unused]] tally counted) {
    for (std::size_t i = w.rolls.below(6); i > 0; --i) {
        co_await rondo::sleep(w.nap());
        w.may_fail();
        letter one(w.letters);
        one.ends(post_office::place::processed);
        co_yield std::move(one);
    }
}

task<int> generates(life me) {
    for (std::size_t i = me.times(); i > 0 && !me->is_ending; --i) {
        me.turn();
        auto letters = writes(*me, me->frame());
        for (;;) {
            if (me->rolls.one_in(8)) {
                const clock::duration patience = me->nap();
                const auto got = co_await rondo::try_with_timeout(patience, letters.next());
                if (!got || !*got) break;
            } else {
                const auto got = co_await letters.next();
                if (!got) break;
                if (!got->is_here()) violation("a generator gave a value without contents");
            }
            if (me->rolls.one_in(8)) break;
        }
    }
    co_return 1;
}

task<> cleans_up(world& w, [[maybe_unused]] tally counted) {
    co_await rondo::sleep(w.moment());
    ++w.cleanups;
}

task<int> cleaned_up(world& w, [[maybe_unused]] tally counted) {
    ++w.bodies;
    co_await rondo::sleep(w.nap());
    w.may_fail();
    co_return 1;
}

task<int> short_nap(world& w, [[maybe_unused]] tally counted) {
    co_await rondo::sleep(w.moment());
    w.may_fail();
    co_return 1;
}

task<int> cleans(life me) {
    for (std::size_t i = me.times(); i > 0 && !me->is_ending; --i) {
        me.turn();
        world& w = *me;
        const auto cleanup = [&w] { return cleans_up(w, w.frame()); };
        const tally one(w.perhaps, 2);
        co_await rondo::finally(cleaned_up(w, w.frame()), cleanup);
        if (w.rolls.one_in(2)) co_await rondo::uncancellable(short_nap(w, w.frame()));
    }
    co_return 1;
}

task<int> uses_threads(life me) {
    for (std::size_t i = me.times(); i > 0 && !me->is_ending; --i) {
        co_await rondo::sleep(me->nap());
        me.turn();
        world& w = *me;
        int local = 20;
        const bool fails = !w.is_ending && w.rolls.one_in(16);
        const clock::duration length = w.moment() / 10;
        const auto job = [&w, &local, fails, length] {
            ++w.calls_begun;
            std::this_thread::sleep_for(length);
            local += 1;
            ++w.calls_ended;
            if (fails) w.fail();
            return local;
        };
        const clock::duration patience = w.moment() / 8;
        if (w.rolls.one_in(3)) {
            const auto got = co_await rondo::try_with_timeout(patience, rondo::to_thread(job));
            if (got && *got != 21) violation("to_thread gave a wrong result");
            if (!got && local != 20) violation("a call was made that try_with_timeout said was not");
        } else {
            const int got = co_await rondo::to_thread(job);
            if (got != 21 || local != 21) violation("to_thread gave a wrong result");
        }
    }
    co_return 1;
}

task<int> asks(life me) {
    for (std::size_t i = me.times(); i > 0 && !me->is_ending; --i) {
        co_await rondo::sleep(me->nap());
        me.turn();
        world& w = *me;
        const auto start = [&w](rondo::callback<int> done) { w.questions.ask(std::move(done)); };
        try {
            if (w.rolls.one_in(3)) {
                const clock::duration patience = w.moment() / 10;
                const auto got = co_await rondo::try_with_timeout(patience, rondo::from_callback<int>(start));
                if (got && *got != 7) violation("a callback brought a wrong value");
            } else {
                const int got = co_await rondo::from_callback<int>(start);
                if (got != 7) violation("a callback brought a wrong value");
            }
        } catch (const refusal&) {
        } catch (const rondo::callback_dropped&) {
        }
    }
    co_return 1;
}

task<int> make(world& w, kind what, life me) {
    switch (what) {
        case chaining:
            return chains(std::move(me));
        case pushing:
            return puts(std::move(me), w.any(w.lanes));
        case popping:
            return pops(std::move(me));
        case sending:
            return puts(std::move(me), w.any(w.counters));
        case receiving:
            return receives(std::move(me));
        case grouping:
            return groups(std::move(me));
        case branching:
            return branches(std::move(me));
        case locking:
            return locks(std::move(me));
        case acquiring:
            return acquires(std::move(me));
        case stocking:
            return stocks(std::move(me));
        case buying:
            return buys(std::move(me));
        case watching:
            return watches(std::move(me));
        case generating:
            return generates(std::move(me));
        case cleaning:
            return cleans(std::move(me));
        case threading:
            return uses_threads(std::move(me));
        case asking:
            return asks(std::move(me));
        default:
            return sleeps(std::move(me));
    }
}

void fill(world& w, std::size_t place) {
    std::size_t roll = w.rolls.below(1000);
    std::size_t what = 0;
    while (roll >= shares[what]) roll -= shares[what++];
    const kind k = static_cast<kind>(what);
    w.slots[place].handle = rondo::spawn(make(w, k, life(w, place, k)));
    ++w.handles;
}

// ---- Those who keep the world going ----

/// Notes how each ended that is gone.
task<> collect(world& w, [[maybe_unused]] tally counted) {
    std::swap(w.ended, w.ended_before);
    for (const std::size_t place : w.ended_before) {
        slot& s = w.slots[place];
        if (!s.handle.done()) violation("the frame of a task is gone, and its handle says that it lives");
        {
            const auto end = co_await s.handle.settled();
            if (end.has_value())
                ++w.with_value;
            else if (const std::exception_ptr error = end.error())
                ++w.with_failure, w.sees(error);
            else
                ++w.with_cancellation;
        }
        s.handle = {};
        --w.handles;
        if (w.is_full && !w.is_frozen) fill(w, place);
    }
    w.ended_before.clear();
}

task<> keeps_full(world& w, [[maybe_unused]] tally counted) {
    for (;;) {
        co_await collect(w, w.frame());
        co_await rondo::sleep(5ms);
    }
}

/// In 50 s, as many as there are.
task<> cancels_some(world& w, [[maybe_unused]] tally counted) {
    double owed = 0;
    while (!w.is_frozen) {
        co_await rondo::sleep(5ms);
        for (owed += static_cast<double>(w.slots.size()) * 0.005 / 50; owed >= 1; --owed) {
            ++w.cancels;
            w.slots[w.rolls.below(w.slots.size())].handle.cancel();
        }
    }
}

task<> sets_events(world& w, [[maybe_unused]] tally counted) {
    while (!w.is_ending) {
        rondo::event& e = w.any(w.events);
        e.set();
        if (w.rolls.one_in(2)) co_await rondo::sleep(w.moment());
        e.reset();
        co_await rondo::sleep(w.moment());
    }
    for (rondo::event& e : w.events) e.set();
}

task<> buries(world& w, [[maybe_unused]] tally counted) {
    while (const auto got = co_await w.dead_letters.pop()) {
        got->ends(post_office::place::dead);
        if (w.letters.attempts(got->id()) < attempts_before_death) violation("a message died before its last attempt");
        if (w.rolls.one_in(8)) co_await rondo::sleep(w.moment());
    }
}

/// How late: in finer classes than those that are shown.
class lateness {
public:
    void add(clock::duration late) {
        const auto us = std::max(0.0, std::chrono::duration<double, std::micro>(late).count());
        const double place = us < 1 ? 0 : 1 + std::log2(us) * fine;
        ++counts_[std::min(counts_.size() - 1, static_cast<std::size_t>(place))];
        ++all_;
        longest_ = std::max(longest_, us);
    }
    void show_in_short(const char* what) const {
        std::printf("%s: p50 %.0f  p99 %.0f  p99.9 %.0f  max %.0f\n", what, quantile(0.5), quantile(0.99),
                    quantile(0.999), longest_);
    }
    void show() const {
        if (all_ == 0) return;
        std::printf(
            "heartbeat: %zu sleeps of 10 ms; late by, in microseconds:\n  p50 %.0f  p99 %.0f  p99.9 %.0f  max %.0f\n",
            all_, quantile(0.5), quantile(0.99), quantile(0.999), longest_);
        std::size_t in_row = counts_[0];
        for (std::size_t i = 1; i <= counts_.size(); ++i) {
            if (i == counts_.size() || (i - 1) % fine == 0) {
                const double upper = std::exp2(static_cast<double>((i - 1) / fine));
                if (in_row != 0)
                    std::printf("  below %9.0f: %8zu  %5.1f %%\n", upper, in_row,
                                100.0 * static_cast<double>(in_row) / static_cast<double>(all_));
                in_row = 0;
            }
            if (i < counts_.size()) in_row += counts_[i];
        }
    }

private:
    static constexpr std::size_t fine = 8;

    double quantile(double part) const {
        const auto wanted = static_cast<std::size_t>(part * static_cast<double>(all_));
        std::size_t below = 0;
        for (std::size_t i = 0; i < counts_.size(); ++i)
            if ((below += counts_[i]) > wanted)
                return std::min(longest_, std::exp2(static_cast<double>(i) / static_cast<double>(fine)));
        return longest_;
    }

    std::array<std::size_t, 32 * fine + 1> counts_{};
    std::size_t all_ = 0;
    double longest_ = 0;
};

task<> beats(const bool& counts, lateness& late, [[maybe_unused]] tally counted) {
    for (;;) {
        const clock::time_point before = clock::now();
        co_await rondo::sleep(10ms);
        if (counts) late.add(clock::now() - before - 10ms);
    }
}

void posts(world& w, const rondo::loop_handle& loop, std::uint64_t seed, const std::atomic<bool>& stops) {
    dice d(seed);
    while (!stops) {
        for (std::size_t i = d.below(4); i > 0; --i) {
            if (loop.post([&w] { ++w.run_posts; }))
                ++w.accepted_posts;
            else
                violation("post says that the loop is gone, and it is not");
        }
        std::this_thread::sleep_for(1ms);
    }
}

// ---- The books are checked ----

/// Bytes; nothing where the system does not tell.
std::optional<double> resident() {
#if __has_include(<unistd.h>)
    unsigned long all = 0;
    unsigned long pages = 0;
    std::FILE* const file = std::fopen("/proc/self/statm", "r");
    if (file == nullptr) return std::nullopt;
    const int read = std::fscanf(file, "%lu %lu", &all, &pages);
    std::fclose(file);
    if (read != 2) return std::nullopt;
    return static_cast<double>(pages) * static_cast<double>(sysconf(_SC_PAGESIZE));
#else
    return std::nullopt;
#endif
}

std::size_t living(const world& w) {
    std::size_t all = 0;
    for (const std::size_t n : w.living) all += n;
    return all;
}

void check_frames(const world& w) {
    const std::size_t there = rondo::testing::live_frames();
    const std::size_t known = w.frames + w.handles + w.helpers.size() + w.beside;
    if (there < known || there > known + w.perhaps)
        violation("frames: " + number(there) + " live, " + number(known) + " to " + number(known + w.perhaps) +
                  " are accounted for");
}

/// Between two steps.
void check(const world& w) {
    must_be("tasks that live", living(w), w.spawned - w.gone);
    must_be("tasks that have ended, by how they did", w.with_value + w.with_failure + w.with_cancellation,
            w.spawned - w.handles);
    must_be("messages that are neither processed, nor dead, nor with their senders", w.letters.places_under_way(),
            w.letters.under_way());
    must_be(
        "goods on the shelves",
        [&w] {
            std::size_t all = 0;
            for (const shelf& s : w.shelves) all += s.goods;
            return all;
        }(),
        w.stocked - w.bought);
    for (const hall& h : w.halls)
        if (h.inside + h.seats.available() > static_cast<std::size_t>(permits))
            violation("a semaphore has more permits than at the beginning");
    check_frames(w);
}

/// Waits until `is_so()`; false if `count()`, which tells what has been done so far, stands still for too long.
template <class F, class G>
task<bool> comes_true(world& w, const char* what, F is_so, G count, [[maybe_unused]] tally counted) {
    std::size_t progress = 0;
    clock::time_point last = clock::now();
    while (!is_so()) {
        if (const std::size_t now = count(); now != progress) {
            progress = now;
            last = clock::now();
        }
        if (clock::now() - last > stalled) {
            std::string text = std::string("all is stuck, waiting until ") + what + "; what is left:";
            for (std::size_t k = 0; k < kinds; ++k)
                if (w.living[k] != 0) text += std::string(" ") + names[k] + " " + number(w.living[k]);
            violation(text);
            co_return false;
        }
        co_await rondo::sleep(10ms);
    }
    co_return true;
}

class memory {
public:
    void sample(bool warm) {
        const auto now = resident();
        if (!now) return;
        last = *now;
        if (!warm) at_first = *now;
        highest = std::max(highest, *now);
    }
    double at_first = 0;  // at the end of the warm-up
    double last = 0;
    double highest = 0;
};

class report {
public:
    lateness late;
    lateness late_without;  // a loop: of a thread that only sleeps
    memory bytes;
    clock::duration check_took{};
    clock::duration fill_took{};
    clock::duration drain_took{};
    std::size_t checks = 0;
    std::size_t least_tasks = static_cast<std::size_t>(-1);
    std::size_t most_children = 0;
    std::size_t frames_at_first = 0;
    std::size_t frames_at_last = 0;
    bool is_warm = false;
};

class threads {
public:
    threads() = default;
    threads(const threads&) = delete;
    threads& operator=(const threads&) = delete;
    ~threads() { stop(); }

    void start(world& w, report& r, const rondo::loop_handle& loop) {
        all_.emplace_back([this, &r] { beats(r.late_without); });
        for (std::uint64_t i = 0; i < 2; ++i) {
            all_.emplace_back([this, &w, loop, i] { posts(w, loop, i, stops_); });
            all_.emplace_back([&w, i] { w.questions.answers(i); });
        }
        questions_ = &w.questions;
    }
    void stop() {
        stops_ = true;
        if (questions_ != nullptr) questions_->close();
        for (std::thread& one : all_) one.join();
        all_.clear();
    }

private:
    /// What the machine makes of such sleeps by itself.
    void beats(lateness& late) const {
        while (!stops_) {
            const clock::time_point before = clock::now();
            std::this_thread::sleep_for(10ms);
            late.add(clock::now() - before - 10ms);
        }
    }

    std::atomic<bool> stops_ = false;
    desk* questions_ = nullptr;
    std::vector<std::thread> all_;
};

task<> fills(world& w, [[maybe_unused]] tally counted) {
    for (std::size_t i = 0; i < w.slots.size(); ++i) {
        fill(w, i);
        if (i % 100 == 99) co_await rondo::yield();
    }
    w.is_full = true;
}

/// The load.
task<> watches_over(world& w, report& r, clock::duration length, [[maybe_unused]] tally counted) {
    const clock::time_point start = clock::now();
    const clock::time_point warm = start + std::min<clock::duration>(15s, length / 4);
    const clock::time_point end = start + length;
    for (clock::time_point next = start; next < end;) {
        next = std::min(next + 1s, end);
        co_await rondo::sleep_until(next);
        const clock::time_point before = clock::now();
        check(w);
        r.bytes.sample(r.is_warm);
        r.most_children = std::max(r.most_children, w.group_children);
        if (r.is_warm) r.least_tasks = std::min(r.least_tasks, living(w));
        r.frames_at_last = rondo::testing::live_frames();
        if (!r.is_warm) r.frames_at_first = r.frames_at_last;
        r.is_warm = next >= warm;
        r.check_took = std::max(r.check_took, clock::now() - before);
        ++r.checks;
    }
}

void cancels_many(world& w) {
    for (slot& s : w.slots) {
        if (!s.lives) continue;
        const std::size_t of = s.what == sleeping ? 10 : s.what == chaining ? 0 : 2;
        if (of == 0 || !w.rolls.one_in(of)) {
            ++w.cancels;
            s.handle.cancel();
        }
    }
}

/// What is in the queues when nobody takes anything any more.
void empties(world& w) {
    for (lane& l : w.lanes)
        while (const std::optional<letter> got = l.queue.try_pop()) got->ends(post_office::place::processed);
    for (counter& c : w.counters) {
        must_be("messages in flight when no consumer is left", c.queue.in_flight(), 0);
        while (auto got = c.queue.try_receive()) {
            w.letters.leased((*got)->id(), got->attempt());
            (*got)->ends(post_office::place::processed);
            got->ack();
        }
        must_be("messages in an empty queue", c.queue.size() + c.queue.in_flight(), 0);
    }
}

/// All goes its way to the end, but for some sleepers.
task<> ends(world& w, threads& others, [[maybe_unused]] tally counted) {
    w.is_frozen = true;
    const auto are_settled = [&w] {
        return std::all_of(w.shelves.begin(), w.shelves.end(), [](const shelf& s) { return s.is_settled(); });
    };
    const auto sales = [&w] { return w.bought + w.living[stocking]; };
    co_await comes_true(w, "nobody waits for goods that lie on the shelf", are_settled, sales, w.frame());

    w.is_ending = true;
    for (lane& l : w.lanes) l.queue.close();
    for (counter& c : w.counters) c.queue.close();
    for (shelf& s : w.shelves) s.changed.notify_all();
    cancels_many(w);
    const auto sleep_only = [&w] { return living(w) == w.living[sleeping]; };
    const auto gone = [&w] { return living(w) - w.living[sleeping]; };
    const bool have_ended = co_await comes_true(w, "all but sleepers have ended", sleep_only, gone, w.frame());
    if (!have_ended) co_return;
    others.stop();

    empties(w);
    for (counter& c : w.counters) {
        const bool joined = co_await rondo::try_with_timeout(1s, c.queue.join());
        if (!joined) violation("join() of a queue with nothing in it waits");
    }
    w.dead_letters.close();
    const auto are_collected = [&w] {
        return w.letters.existing() == 0 && w.handles == living(w) &&
               std::all_of(w.helpers.begin(), w.helpers.end(), [](const auto& one) { return one.done(); });
    };
    co_await comes_true(w, "the dead are buried", are_collected, gone, w.frame());
    w.helpers.clear();

    for (const hall& h : w.halls) must_be("permits at the end", h.seats.available(), static_cast<std::size_t>(permits));
    for (room& r : w.rooms) {
        if (r.door.is_locked()) violation("a mutex is locked at the end");
    }
    must_be("messages at the end", w.letters.existing(), 0);
    must_be("messages, by how they ended", w.letters.processed + w.letters.dead + w.letters.kept, w.letters.written);
    must_be("posted functions that ran", w.run_posts, w.accepted_posts);
    must_be("calls on threads that have ended", w.calls_ended, w.calls_begun);
    must_be("exceptions that were seen", w.seen, w.thrown);
    must_be("cleanups", w.cleanups, w.bodies);
    must_be("children of groups", w.group_children, 0);
}

task<> soaks(world& w, report& r, clock::duration length, threads& others, [[maybe_unused]] tally counted) {
    auto heart = rondo::spawn(beats(r.is_warm, r.late, w.frame()), "heartbeat");
    auto keeper = rondo::spawn(keeps_full(w, w.frame()), "keeper");
    w.helpers.push_back(rondo::spawn(cancels_some(w, w.frame()), "canceller"));
    w.helpers.push_back(rondo::spawn(sets_events(w, w.frame()), "events"));
    w.helpers.push_back(rondo::spawn(buries(w, w.frame()), "dead letters"));
    const tally records(w.frames, 2);  // of heart and keeper
    const clock::time_point start = clock::now();
    co_await fills(w, w.frame());
    const clock::time_point full = clock::now();
    co_await watches_over(w, r, length, w.frame());
    r.is_warm = false;
    const clock::time_point before_end = clock::now();
    co_await ends(w, others, w.frame());
    heart.cancel();
    keeper.cancel();
    check_frames(w);
    r.fill_took = full - start;
    r.drain_took = clock::now() - before_end;
}

double milliseconds(clock::duration d) { return std::chrono::duration<double, std::milli>(d).count(); }

void show(const world& w, const report& r) {
    std::printf("filled in %.0f ms, drained in %.0f ms; %zu checks of the books, of %.1f ms at most\n",
                milliseconds(r.fill_took), milliseconds(r.drain_took), r.checks, milliseconds(r.check_took));
    std::printf("tasks: %zu spawned; %zu ended with a value, %zu with an exception, %zu cancelled\n", w.spawned,
                w.with_value, w.with_failure, w.with_cancellation);
    std::printf("       at least %zu lived at each check, and up to %zu children of groups\n", r.least_tasks,
                r.most_children);
    std::printf("exceptions: %zu thrown, %zu seen, of these %zu by the handler of the unhandled; %zu timeouts\n",
                w.thrown.load(), w.seen, w.unhandled, w.timeouts);
    std::printf("messages: %zu written, %zu processed, %zu dead letters, %zu kept by their senders; %zu leases\n",
                w.letters.written, w.letters.processed, w.letters.dead, w.letters.kept, w.letters.leases);
    std::printf("          %zu lost, %zu duplicated\n", w.letters.lost, w.letters.repeated);
    std::printf("threads: %zu calls, %zu posts\n", w.calls_ended.load(), w.run_posts);
    std::printf("turns:");
    for (std::size_t k = 0; k < kinds; ++k) std::printf(" %s %zu%s", names[k], w.turns[k], k + 1 < kinds ? "," : "\n");
    std::printf("frames: %zu after the warm-up, %zu at the end of the load, %zu left when the loop is gone\n",
                r.frames_at_first, r.frames_at_last, rondo::testing::live_frames());
    if (r.bytes.last != 0)
        std::printf(
            "memory: %.1f MiB after the warm-up, %.1f MiB at the end of the load, %.1f MiB at most (allowed: %.1f MiB "
            "more%s)\n",
            r.bytes.at_first / 1048576, r.bytes.last / 1048576, r.bytes.highest / 1048576, allowed_growth / 1048576,
            is_sanitized ? "; not judged under a sanitizer" : "");
    else
        std::printf("memory: the system does not tell; frames only\n");
    r.late.show();
    r.late_without.show_in_short("a thread that does nothing else, for comparison");
}

std::optional<std::size_t> count_in(const char* text) {
    if (text == nullptr || *text < '1' || *text > '9') return std::nullopt;
    char* end = nullptr;
    const unsigned long long n = std::strtoull(text, &end, 10);
    return *end == '\0' ? std::optional(static_cast<std::size_t>(n)) : std::nullopt;
}

int usage() {
    std::fputs(
        "soak [--seconds N] [--tasks N]\n  Default: 600 seconds, 100,000 tasks (20,000 under a sanitizer).\n"
        "  RONDO_SEED chooses what happens.\n",
        stderr);
    return 2;
}

}  // namespace

int main(int argc, char** argv) {
    std::size_t seconds = 600;
    std::size_t tasks = is_sanitized ? 20'000 : 100'000;
    for (int i = 1; i < argc; i += 2) {
        const auto value = count_in(i + 1 < argc ? argv[i + 1] : nullptr);
        if (!value) return usage();
        if (std::strcmp(argv[i], "--seconds") == 0)
            seconds = *value;
        else if (std::strcmp(argv[i], "--tasks") == 0)
            tasks = *value;
        else
            return usage();
    }
    const std::size_t seed = count_in(std::getenv("RONDO_SEED")).value_or(1);
    std::printf("soak: %zu tasks for %zu s, RONDO_SEED=%zu\n", tasks, seconds, seed);
    std::fflush(stdout);

    const auto w = std::make_unique<world>(tasks, seed);
    report r;
    {
        rondo::event_loop loop;
        loop.on_unhandled_exception([&w](std::exception_ptr error) {
            ++w->unhandled;
            w->sees(error);
        });
        threads others;
        others.start(*w, r, loop.handle());
        try {
            loop.run(soaks(*w, r, std::chrono::seconds(seconds), others, w->frame()));
        } catch (const std::exception& error) {
            violation(std::string("the run has ended with: ") + error.what());
        }
        others.stop();
        if (living(*w) == 0) violation("nobody was left for close() to cancel");
        while (!loop.close()) loop.poll();
        must_be("tasks that live on a closed loop", living(*w), 0);
        w->helpers.clear();
        w->with_cancellation += w->handles;
        for (slot& s : w->slots) {
            if (!s.handle.done()) violation("a handle says that its task lives on a closed loop");
            s.handle = {};
        }
        must_be("frames on a closed loop", rondo::testing::live_frames(), 0);
    }
    must_be("frames without a loop", rondo::testing::live_frames(), 0);
    must_be("frames by the program's own count", w->frames, 0);
    must_be("tasks, by how they ended", w->with_value + w->with_failure + w->with_cancellation, w->spawned);
    must_be("messages without a loop", w->letters.existing(), 0);
    show(*w, r);
    if (!is_sanitized && r.bytes.last - r.bytes.at_first > allowed_growth)
        violation("memory is not flat: it has grown by " + std::to_string((r.bytes.last - r.bytes.at_first) / 1048576) +
                  " MiB");
    if (violations != 0) {
        std::printf("soak: FAILED, %d violations\n", violations.load());
        return 1;
    }
    std::printf("soak: all is well\n");
    return 0;
}
