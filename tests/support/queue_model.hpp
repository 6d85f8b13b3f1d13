// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// Random operations on a bounded_queue or a message_queue, under every combinator, each checked against a model of the queue.
//
// Tasks on one or two loops take, push, join, acknowledge, give back, drop, keep, cancel and close; alone, with timeouts (also of zero, and
// due in the step that serves them), in races, in when_all and uncancellable. From outside they are polled, time passes, and
// queue and loops are destroyed under them. Each operation is awaited through a `watched` operation, which tells the model when it starts, is
// withdrawn and resumes. So the model need not know when a deadline or a race ends: it is told, and says what must be true of the queue then.
// What is checked after each step: who was served, with which message, in which attempt; sizes; that no value is lost or touched by a
// push that has not happened; that served tasks go on in order; and, when nothing moves any more, that whoever waits has to.

#include <support/choices.hpp>
#include <support/clocks.hpp>
#include <support/tracked.hpp>

#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <deque>
#include <exception>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace support::queue_model {

using message = move_only_tracked;

enum class action { take, push, join };

/// Operations of which the first to end (or to fail) withdraws the others.
class rivals;

/// What the model knows of an operation. Lies in the frame of the task that awaits it.
class call {
public:
    enum class state { idle, waiting, granted, ended, withdrawn, given_back, detached };

    call(action w, int n) : what(w), number(n), value(n) {}
    call(const call&) = delete;
    call& operator=(const call&) = delete;
    ~call() = default;

    bool is_open() const { return now == state::waiting || now == state::granted; }

    action what;
    int number;     // of the message that it pushes; of the one that it takes, when it is served
    message value;  // what it pushes
    state now = state::idle;
    bool empty_handed = false;  // granted: nothing more will come, or the push was refused
    bool stored = false;        // the push has happened
    bool told = false;          // before its queue went
    std::size_t turn = 0;       // of being granted
    rivals* race = nullptr;
    std::size_t id = 0;
    std::size_t loop = 0;
    bool plain = false;    // awaited by itself
    bool at_once = false;  // did not have to suspend
};

class rivals {
public:
    enum class rule { first_end, first_failure };
    explicit rivals(rule r) : when(r) {}
    rivals(const rivals&) = delete;
    rivals& operator=(const rivals&) = delete;

    void add(call& c) {
        members.push_back(&c);
        c.race = this;
    }

    rule when;
    bool decided = false;
    std::vector<call*> members;
};

/// What became of a message that its consumer did not acknowledge.
enum class burial { not_asked, refused, done };

/// The reference: a line of messages, and those who wait.
class reference {
public:
    reference(bool leasing, std::size_t room) : leases_(leasing), capacity(room) {}

    class message_in_line {
    public:
        explicit message_in_line(int n) : number(n) {}
        int number;
        std::size_t attempts = 0;
        const call* reserved_for = nullptr;  // when messages are leased
    };

    std::size_t free() const {
        if (!leases_) return line.size() - promised_;
        std::size_t count = 0;
        for (const message_in_line& one : line) count += one.reserved_for == nullptr ? 1U : 0U;
        return count;
    }
    std::size_t used() const { return line.size() + leased.size(); }
    bool full() const { return used() >= capacity; }
    std::size_t promised() const { return promised_; }

    bool may_go(const call& c) const {
        switch (c.what) {
            case action::take:
                return free() > 0 || (closed && used() == 0);
            case action::push:
                return closed || !full();
            case action::join:
                return used() == 0;
        }
        return false;
    }

    // ---- Operations of tasks ----

    /// It suspends: is granted something, or waits.
    void start(call& c) {
        if (!may_go(c)) {
            c.now = call::state::waiting;
            line_of(c.what).push_back(&c);
            return;
        }
        serve(c);  // a push is given room first, and what it brings is handed out then
        settle();
    }

    /// It goes on, having been granted something. Gives the message it takes.
    message_in_line finish(call& c) {
        c.now = call::state::ended;
        if (c.what != action::take || c.empty_handed) return message_in_line(-1);
        if (leases_) return lease(position_of(c));
        --promised_;
        return remove(0);
    }

    /// It goes on without having suspended.
    message_in_line do_at_once(call& c) {
        c.now = call::state::ended;
        if (c.what == action::push) {
            if (closed)
                c.empty_handed = true;
            else
                store(c);
            settle();
        } else if (c.what == action::take) {
            return take_free();
        }
        return message_in_line(-1);
    }

    void withdraw(call& c) {
        if (c.now == call::state::waiting) {
            std::erase(line_of(c.what), &c);
            c.now = call::state::withdrawn;
        } else if (c.now == call::state::granted) {
            c.now = call::state::given_back;
            if (c.what != action::take || c.empty_handed) return;
            if (leases_)
                line[position_of(c)].reserved_for = nullptr;
            else
                --promised_;
            settle();
        }
    }

    // ---- Operations that never wait ----

    bool try_push(int number) {
        if (closed || full()) return false;
        line.emplace_back(number);
        settle();
        return true;
    }

    /// Number -1 if there is none.
    message_in_line take_free() {
        if (free() == 0) return message_in_line(-1);
        if (!leases_) return remove(promised_);
        std::size_t at = 0;
        while (line[at].reserved_for != nullptr) ++at;
        return lease(at);
    }

    void close() {
        closed = true;
        while (!pushers_.empty()) {
            call& c = *pushers_.front();
            pushers_.pop_front();
            serve(c);
        }
        settle();
    }

    void acknowledge(int number) {
        leased.erase(number);
        acknowledged.insert(number);
        settle();
    }

    void give_back(int number, burial dead) {
        message_in_line back(number);
        back.attempts = leased.at(number);
        leased.erase(number);
        if (dead == burial::done)
            buried.insert(number);
        else
            line.push_front(back);
        settle();
    }

    const bool leases_;
    const std::size_t capacity;
    bool closed = false;
    std::deque<message_in_line> line;   // queued, and reserved where they stand
    std::map<int, std::size_t> leased;  // and in which attempt
    std::multiset<int> acknowledged;    // or popped
    std::multiset<int> buried;

private:
    std::deque<call*>& line_of(action what) {
        return what == action::take ? takers_ : what == action::push ? pushers_ : joiners_;
    }

    void store(call& c) {
        c.stored = true;
        line.emplace_back(c.number);
    }

    void serve(call& c) {
        c.now = call::state::granted;
        c.turn = ++turns_;
        if (c.what == action::push) {
            c.empty_handed = closed;
            if (!closed) store(c);
        } else if (c.what == action::take) {
            c.empty_handed = free() == 0;
            if (!c.empty_handed && leases_) {
                for (message_in_line& one : line) {
                    if (one.reserved_for != nullptr) continue;
                    one.reserved_for = &c;
                    break;
                }
            } else if (!c.empty_handed) {
                ++promised_;
            }
        }
        rivals* const race = c.race;
        if (race == nullptr || race->decided) return;
        if (race->when == rivals::rule::first_failure && !(c.what == action::push && c.empty_handed)) return;
        race->decided = true;
        for (call* const other : race->members)
            if (other != &c) withdraw(*other);
    }

    void settle() {
        while (!closed && !pushers_.empty() && !full()) {
            call& c = *pushers_.front();
            pushers_.pop_front();
            serve(c);
        }
        while (!takers_.empty() && may_go(*takers_.front())) {
            call& c = *takers_.front();
            takers_.pop_front();
            serve(c);
        }
        while (used() == 0 && !joiners_.empty()) {
            call& c = *joiners_.front();
            joiners_.pop_front();
            serve(c);
        }
    }

    std::size_t position_of(const call& c) const {
        std::size_t at = 0;
        while (line.at(at).reserved_for != &c) ++at;
        return at;
    }

    message_in_line lease(std::size_t at) {
        message_in_line one = line[at];
        line.erase(line.begin() + static_cast<std::ptrdiff_t>(at));
        leased[one.number] = ++one.attempts;
        return one;
    }

    message_in_line remove(std::size_t at) {
        const message_in_line one = line[at];
        line.erase(line.begin() + static_cast<std::ptrdiff_t>(at));
        acknowledged.insert(one.number);
        settle();
        return one;
    }

    std::size_t promised_ = 0;  // so many belong to takers who have not gone on, when messages are not leased
    std::size_t turns_ = 0;
    std::deque<call*> pushers_;
    std::deque<call*> takers_;
    std::deque<call*> joiners_;
};

class boom : public std::runtime_error {
public:
    boom() : std::runtime_error("boom") {}
};

/// Where dead letters go: as it is told, it takes them, refuses, or throws.
class cemetery {
public:
    enum class mood { takes, refuses, throws };

    bool try_push(message&& letter) {
        if (now == mood::throws) throw boom();
        if (now == mood::refuses) return false;
        letters.push_back(std::move(letter));
        return true;
    }

    mood now = mood::takes;
    std::vector<message> letters;
};

template <class Queue>
constexpr bool leases = requires(Queue& q) { q.receive(); };

template <class Queue>
class world {
public:
    explicit world(support::choices c)
        : choices_(std::move(c)), model_(leases<Queue>, 1 + pick(pick(2) == 0 ? 1 : 5)), queue_(model_.capacity) {
        for (std::size_t i = 0, count = 1 + pick(2); i != count; ++i) {
            auto driver = std::make_unique<rondo::testing::virtual_driver>();
            drivers_.push_back(driver.get());
            loops_.push_back(std::make_unique<rondo::event_loop>(std::move(driver)));
            loops_.back()->on_unhandled_exception([](std::exception_ptr) {});
        }
        wants_takes_ = pick(4);
        if constexpr (leases<Queue>) {
            if (pick(2) == 0) {
                dead_limit_ = 1 + pick(3);
                queue_->dead_letters(dead_limit_, cemetery_);
            }
        }
    }
    world(const world&) = delete;
    world& operator=(const world&) = delete;
    ~world() {
        loops_.clear();
        stash_.clear();
    }

    std::size_t run_scenario();
    const std::string& objection() const { return objection_; }
    std::string history() const {
        std::string text;
        const std::size_t shown = std::min<std::size_t>(history_.size(), 80);
        for (std::size_t i = history_.size() - shown; i < history_.size(); ++i) text += history_[i] + '\n';
        return text;
    }

private:
    using duration = std::chrono::milliseconds;

    // ---- A lease, the release of which the model hears of ----

    class lease {
    public:
        lease(world& w, int n, rondo::delivery<message>&& d) : world_(&w), number_(n), delivery_(std::move(d)) {}
        lease(lease&& other) noexcept
            : world_(std::exchange(other.world_, nullptr)),
              number_(other.number_),
              delivery_(std::move(other.delivery_)) {}
        lease& operator=(lease&&) = delete;
        ~lease() {
            if (world_ == nullptr) return;
            give_back("drops", [this] { delivery_.reset(); });
        }

        void acknowledge() {
            world_->note("ack", number_);
            if (world_->queue_) world_->model_.acknowledge(number_);
            world_->inside([this] { delivery_->ack(); });
            end();
        }
        void nack() {
            give_back("nack", [this] { delivery_->nack(); });
            end();
        }

    private:
        template <class F>
        void give_back(const char* how, F f) {
            world_->note(how, number_);
            if (world_->queue_) world_->model_.give_back(number_, world_->fate_of(number_));
            world_->inside(f);
        }
        void end() {
            try {
                delivery_->ack();
                world_->object("a delivery was ended twice");
            } catch (const std::logic_error&) {
            }
            world_ = nullptr;
        }

        world* world_;
        int number_;
        std::optional<rondo::delivery<message>> delivery_;
    };
    // What a call takes along with what the model knows of it.
    class operation : public call {
    public:
        operation(world& w, action a, bool p = false) : call(a, w.next_message_++), world_(&w) {
            id = ++w.next_id_;
            plain = p;
            w.operations_[id] = this;
        }
        ~operation() { world_->operations_.erase(id); }

        std::optional<lease> got;

    private:
        world* world_;
    };

    // ---- An operation of the queue, watched ----

    static auto make_take(Queue& q) {
        if constexpr (leases<Queue>)
            return q.receive();
        else
            return q.pop();
    }
    using take_awaiter = decltype(make_take(std::declval<Queue&>()).operator co_await());
    using push_awaiter = decltype(std::declval<Queue&>().push(std::declval<message>()).operator co_await());
    static auto join_awaiter_of(Queue& q) {
        if constexpr (leases<Queue>)
            return std::unique_ptr<decltype(q.join().operator co_await())>();
        else
            return std::unique_ptr<take_awaiter>();
    }
    using join_awaiter = typename decltype(join_awaiter_of(std::declval<Queue&>()))::element_type;

    class awaiter {
    public:
        awaiter(world& w, operation& o) : world_(w), operation_(o) {
            Queue& q = *w.queue_;
            if (o.what == action::take) {
                take_.reset(new take_awaiter(make_take(q).operator co_await()));
            } else if (o.what == action::push) {
                push_.reset(new push_awaiter(q.push(std::move(o.value)).operator co_await()));
            } else {
                if constexpr (leases<Queue>) join_.reset(new join_awaiter(q.join().operator co_await()));
            }
        }
        awaiter(const awaiter&) = delete;
        awaiter& operator=(const awaiter&) = delete;
        ~awaiter() {
            world_.note(operation_, "is over");
            if (operation_.is_open()) {
                world_.expect(false, operation_, "was destroyed without being withdrawn");
                world_.model_.withdraw(operation_);
            }
            world_.check_value(operation_);
        }

        bool await_ready() noexcept {
            const bool may = world_.model_.may_go(operation_);
            bool ready = false;
            each([&](auto& a) { ready = a.await_ready(); });
            world_.expect(may || !ready, operation_, "should have waited");
            operation_.at_once = ready;
            return ready;
        }
        void await_suspend(rondo::detail::waker w) {
            world_.note(operation_, "starts");
            world_.model_.start(operation_);
            world_.inside([&] { each([&](auto& a) { a.await_suspend(w); }); });
        }
        void await_resume() { world_.go_on(*this, operation_); }
        bool await_cancel() noexcept {
            world_.note(operation_, "is withdrawn");
            if (operation_.now == call::state::granted) world_.check_loss(operation_);
            world_.model_.withdraw(operation_);
            bool withdrawn = false;
            world_.inside([&] { each([&](auto& a) { withdrawn = a.await_cancel(); }); });
            world_.expect(withdrawn, operation_, "could not be withdrawn");
            return withdrawn;
        }
        bool await_failed() const noexcept { return push_ != nullptr && push_->await_failed(); }
        rondo::wait_info await_describe() const noexcept {
            rondo::wait_info info("", nullptr);
            const_cast<awaiter*>(this)->each([&](auto& a) { info = a.await_describe(); });
            return info;
        }

    private:
        friend world;
        template <class F>
        void each(F f) {
            if (take_ != nullptr) f(*take_);
            if (push_ != nullptr) f(*push_);
            if (join_ != nullptr) f(*join_);
        }

        world& world_;
        operation& operation_;
        std::unique_ptr<take_awaiter> take_;
        std::unique_ptr<push_awaiter> push_;
        std::unique_ptr<join_awaiter> join_;
    };

    class watched {
    public:
        watched(world& w, operation& o) noexcept : world_(&w), operation_(&o) {}
        auto operator co_await() const { return awaiter(*world_, *operation_); }

    private:
        world* world_;
        operation* operation_;
    };
    watched await(operation& o) noexcept { return watched(*this, o); }

    void go_on(awaiter& a, operation& o) {
        note(o, "goes on");
        expect(depth_ == 0, o, "was resumed inside a call");
        reference::message_in_line expected(-1);
        if (o.now == call::state::detached) {
            expect(o.told, o, "goes on though its queue is gone");
            o.now = call::state::ended;
        } else if (o.at_once) {
            expected = model_.do_at_once(o);
        } else if (o.now == call::state::granted) {
            check_turn(o);
            expected = model_.finish(o);
        } else {
            object("operation " + std::to_string(o.id) + " goes on without having been served");
            return;
        }
        if (a.take_ != nullptr) {
            int number = -1;
            std::size_t attempts = expected.attempts;
            inside([&] {
                auto got = a.take_->await_resume();
                if (!got) return;
                if constexpr (leases<Queue>) {
                    number = (**got).number();
                    attempts = got->attempt();
                    o.got.emplace(*this, number, std::move(*got));
                } else {
                    number = got->number();
                }
            });
            expect(number == expected.number, o, "has taken the wrong message", number);
            expect(attempts == expected.attempts, o, "has the wrong attempt");
        } else if (a.push_ != nullptr) {
            bool refused = false;
            inside([&] {
                try {
                    a.push_->await_resume();
                } catch (const rondo::queue_closed&) {
                    refused = true;
                }
            });
            expect(refused == o.empty_handed, o, refused ? "was refused" : "was not refused");
            check_value(o);
            if (refused) throw rondo::queue_closed();
        } else {
            inside([&] { a.join_->await_resume(); });
        }
    }

    // ---- Tasks ----

    class actor {
    public:
        actor(int n, std::size_t l) : number(n), loop(l) {}
        int number;
        std::size_t loop;
        std::optional<rondo::join_handle<>> handle;
        bool started = false;
        bool completed = false;
        bool gone = false;
        bool cancelled = false;
        int shields = 0;  // in uncancellable
    };

    class presence {
    public:
        presence(world& w, actor& a) : world_(w), actor_(a) {
            w.expect(!a.gone, "a task has started that was cancelled before");
            a.started = true;
            world_.note("task starts", a.number);
        }
        presence(const presence&) = delete;
        presence& operator=(const presence&) = delete;
        ~presence() {
            world_.note(actor_.completed ? "task completes" : "task is unwound", actor_.number);
            if (!actor_.completed && !actor_.cancelled) world_.object("a task was unwound that nobody had cancelled");
            actor_.gone = true;
        }

    private:
        world& world_;
        actor& actor_;
    };

    action any_action() {
        const std::size_t dice = pick(10);
        if (leases<Queue> && dice == 0) return action::join;
        return dice % 3 < wants_takes_ || dice == 9 ? action::take : action::push;
    }
    duration any_time() { return duration(pick(2) == 0 ? 0 : pick(3)); }

    rondo::task<> yields(std::size_t times) {
        for (std::size_t i = 0; i < times; ++i) co_await rondo::yield();
    }
    rondo::task<> fails(std::size_t times) {
        for (std::size_t i = 0; i < times; ++i) co_await rondo::yield();
        throw boom();
    }

    /// Does something with the message that `o` has taken.
    rondo::task<> works(operation& o) {
        if (!o.got) co_return;
        switch (pick(8)) {
            case 0:
                throw boom();  // and drops it with its frame
            case 1:
                co_await yields(pick(3));
                break;
            case 2:
                co_await rondo::sleep(duration(1));
                break;
            case 3:
                if (stash_.size() >= 2) break;
                stash_.push_back(std::move(*o.got));
                o.got.reset();
                co_return;
            default:
                break;
        }
        switch (pick(5)) {
            case 0:
                o.got->nack();
                break;
            case 1:
                break;
            default:
                o.got->acknowledge();
                break;
        }
        o.got.reset();
    }

    rondo::task<> does_alone(actor& a) {
        operation one(*this, any_action(), true);
        one.loop = a.loop;
        co_await await(one);
        expect(one.now == call::state::ended, one, "has not ended");
        co_await works(one);
    }
    rondo::task<> does_with_timeout() {
        operation one(*this, any_action());
        protected_.insert(one.id);
        bool in_time = true;
        try {
            co_await rondo::with_timeout(any_time(), await(one));
        } catch (const rondo::timeout_error&) {
            in_time = false;
        }
        expect(one.now == (in_time ? call::state::ended : call::state::withdrawn) || !queue_, one,
               "and its deadline disagree");
        co_await works(one);
    }
    rondo::task<> does_or_sleeps(bool sleep_first) {
        operation one(*this, any_action());
        protected_.insert(one.id);
        bool won = false;
        if (sleep_first) {
            const auto first = co_await rondo::when_any(rondo::sleep(any_time()), await(one));
            won = first.index() == 1;
        } else {
            const auto first = co_await rondo::when_any(await(one), rondo::sleep(any_time()));
            won = first.index() == 0;
        }
        expect(one.now == (won ? call::state::ended : call::state::withdrawn) || !queue_, one, "and its race disagree");
        co_await works(one);
    }
    rondo::task<> does_or_yields() {
        operation one(*this, any_action());
        const auto first = co_await rondo::when_any(await(one), yields(pick(4)));
        expect((first.index() == 0) == (one.now == call::state::ended), one, "and its race disagree");
        co_await works(one);
    }
    rondo::task<> does_one_of() {
        operation one(*this, any_action());
        operation two(*this, any_action());
        rivals race(rivals::rule::first_end);
        race.add(one);
        race.add(two);
        const auto first = co_await rondo::when_any(await(one), await(two));
        expect((first.index() == 0 ? one : two).now == call::state::ended, one, "and its rival disagree");
        expect((first.index() == 0 ? two : one).now != call::state::ended, one, "and its rival have both ended");
        co_await works(first.index() == 0 ? one : two);
    }
    rondo::task<> does_one_of_in_time() {
        operation one(*this, any_action());
        operation two(*this, any_action());
        rivals race(rivals::rule::first_end);
        race.add(one);
        race.add(two);
        protected_.insert(one.id);
        protected_.insert(two.id);
        const bool in_time =
            co_await rondo::try_with_timeout(any_time(), rondo::when_any(await(one), await(two))) != std::nullopt;
        const bool ended = one.now == call::state::ended || two.now == call::state::ended;
        expect(in_time == ended || !queue_, one, "and its rival and their deadline disagree");
        co_await works(one);
        co_await works(two);
    }
    rondo::task<> does_both() {
        operation one(*this, any_action());
        operation two(*this, any_action());
        rivals race(rivals::rule::first_failure);
        race.add(one);
        race.add(two);
        co_await rondo::when_all(await(one), await(two));
        expect(one.now == call::state::ended && two.now == call::state::ended, one, "and its sibling have not ended");
        co_await works(one);
        co_await works(two);
    }
    rondo::task<> does_both_settled() {
        operation one(*this, any_action());
        operation two(*this, any_action());
        const auto both = co_await rondo::when_all_settled(await(one), await(two));
        expect(one.now == call::state::ended && two.now == call::state::ended, one, "and its sibling have not ended");
        expect(std::get<0>(both).has_value() == !(one.what == action::push && one.empty_handed), one, "ended wrongly");
        expect(std::get<1>(both).has_value() == !(two.what == action::push && two.empty_handed), two, "ended wrongly");
        co_await works(two);
        co_await works(one);
    }
    rondo::task<> does_and_fails() {
        operation one(*this, any_action());
        co_await rondo::when_all(await(one), fails(pick(4)));
    }
    rondo::task<> does_uncancellably(actor& a) {
        operation one(*this, any_action());
        ++a.shields;
        co_await rondo::uncancellable(await(one));
        --a.shields;
        co_await works(one);
    }
    rondo::task<> does_both_in_tasks(actor& a) { co_await rondo::when_all(does_alone(a), does_alone(a)); }
    rondo::task<> does_one_of_tasks(actor& a) {
        co_await rondo::when_any(does_alone(a), does_alone(a), yields(pick(5)));
    }

    rondo::task<> acts(actor& a, std::size_t length) {
        presence here(*this, a);
        for (std::size_t i = 0; i < length && queue_; ++i) {
            ++done_;
            try {
                switch (pick(18)) {
                    case 0:
                        co_await does_with_timeout();
                        break;
                    case 1:
                        co_await does_or_sleeps(pick(2) == 0);
                        break;
                    case 2:
                        co_await does_or_yields();
                        break;
                    case 3:
                        co_await does_one_of();
                        break;
                    case 4:
                        co_await does_one_of_in_time();
                        break;
                    case 5:
                        co_await does_both();
                        break;
                    case 6:
                        co_await does_both_settled();
                        break;
                    case 7:
                        co_await does_and_fails();
                        break;
                    case 8:
                        co_await does_uncancellably(a);
                        break;
                    case 9:
                        co_await does_both_in_tasks(a);
                        break;
                    case 10:
                        co_await does_one_of_tasks(a);
                        break;
                    case 11:
                        cancel_someone(&a);
                        break;
                    case 12:
                        does_without_waiting();
                        break;
                    default:
                        co_await does_alone(a);
                        break;
                }
            } catch (const rondo::queue_closed&) {
            } catch (const boom&) {
            }
            if (a.shields > 0) --a.shields;
        }
        a.completed = true;
    }

    // ---- What tasks and the world outside do ----

    void does_without_waiting() {
        switch (pick(12)) {
            case 0:
            case 1:
            case 2:
                try_push();
                break;
            case 3:
            case 4:
                try_take();
                break;
            case 5:
                if (pick(30) == 0) close();
                break;
            case 6:
                cemetery_.now = static_cast<cemetery::mood>(pick(3));
                break;
            default:
                end_a_lease();
                break;
        }
    }

    void try_push() {
        message value(next_message_++);
        const int number = value.number();
        note("try_push", number);
        const bool expected = model_.try_push(number);
        bool pushed = false;
        inside([&] { pushed = queue_->try_push(std::move(value)); });
        expect(pushed == expected, expected ? "try_push was refused" : "try_push was not refused");
        expect(value.number() == (pushed ? message::moved_from : number), "try_push has treated its value wrongly");
        if (pushed) pushed_.insert(number);
    }

    void try_take() {
        const reference::message_in_line expected = model_.take_free();
        note("try to take", expected.number);
        int number = -1;
        inside([&] {
            if constexpr (leases<Queue>) {
                if (auto got = queue_->try_receive()) {
                    number = (**got).number();
                    expect(got->attempt() == expected.attempts, "try_receive tells of the wrong attempt");
                    stash_.emplace_back(*this, number, std::move(*got));
                }
            } else {
                if (auto got = queue_->try_pop()) number = got->number();
            }
        });
        expect(number == expected.number, "the wrong message was taken without waiting: " + std::to_string(number));
    }

    void end_a_lease() {
        if (stash_.empty()) return;
        const std::size_t which = pick(stash_.size());
        lease one = std::move(stash_[which]);
        // Not erased by assignment: a lease is not assignable.
        std::vector<lease> others;
        for (std::size_t i = 0; i < stash_.size(); ++i)
            if (i != which) others.push_back(std::move(stash_[i]));
        stash_.swap(others);
        others.clear();
        const std::size_t dice = pick(5);
        if (dice < 3) one.acknowledge();
        if (dice == 3) one.nack();
    }

    void close() {
        note("close");
        model_.close();
        inside([&] { queue_->close(); });
    }

    void cancel_someone(const actor* self) {
        if (!actors_.empty()) cancel(*actors_[pick(actors_.size())], self);
    }

    void cancel(actor& victim, const actor* self) {
        if (victim.gone) return;
        note("task is cancelled", victim.number);
        victim.cancelled = true;
        const bool runs = &victim == self;
        const bool had_started = victim.started;
        inside([&] { victim.handle->cancel(); });
        if (!had_started)
            victim.gone = true;
        else if (!runs && victim.shields == 0)
            expect(victim.gone, "cancel has returned too early");
    }

    // ---- Checks ----

    void object(const std::string& what) {
        if (objection_.empty()) objection_ = what;
    }
    void expect(bool fulfilled, const char* what) {
        if (!fulfilled) object(what);
    }
    void expect(bool fulfilled, const std::string& what) {
        if (!fulfilled) object(what);
    }
    void expect(bool fulfilled, const operation& o, const char* what, int number = -1) {
        if (fulfilled) return;
        object("operation " + std::to_string(o.id) + " " + what + (number == -1 ? "" : " " + std::to_string(number)));
    }

    void note(const std::string& what, int number = -1) {
        history_.push_back(number == -1 ? what : what + " " + std::to_string(number));
        if (history_.size() > 1000) history_.pop_front();
    }
    void note(const operation& o, const char* what) {
        static const char* const names[] = {"take", "push", "join"};
        note("operation " + std::to_string(o.id) + ", " + names[static_cast<std::size_t>(o.what)] + ", " + what);
    }

    /// Calls into the library must not resume anybody; after the outermost one the queue is as the model says.
    template <class F>
    void inside(F f) {
        class one_deeper {
        public:
            explicit one_deeper(world& w) : world_(w) { ++w.depth_; }
            one_deeper(const one_deeper&) = delete;
            one_deeper& operator=(const one_deeper&) = delete;
            ~one_deeper() {
                if (--world_.depth_ == 0) world_.check_queue();
            }

        private:
            world& world_;
        };
        const one_deeper guard(*this);
        f();
    }

    void check_queue() {
        if (!queue_) return;
        expect(queue_->empty() == (model_.free() == 0), "empty() is wrong");
        expect(queue_->is_closed() == model_.closed, "is_closed() is wrong");
        expect(queue_->size() == model_.free(), "size() is wrong");
        if (!model_.closed) expect(queue_->full() == model_.full(), "full() is wrong");
        if constexpr (leases<Queue>)
            expect(queue_->in_flight() == model_.used() - model_.free(), "in_flight() is wrong");
    }

    /// A push that has not happened leaves its value as it was; one that has happened has taken it.
    void check_value(operation& o) {
        if (o.what != action::push || o.now == call::state::detached) return;
        expect(
            o.value.number() == (o.stored ? message::moved_from : o.number), o,
            o.stored ? "has pushed, and its value is still there" : "has not pushed, and its value is not as it was");
        if (o.stored) pushed_.insert(o.number);
    }

    /// Whoever awaits by himself goes on in the order in which he was served.
    void check_turn(const operation& o) {
        if (!o.plain) return;
        for (const auto& [id, other] : operations_) {
            if (other == &o || !other->plain || other->now != call::state::granted) continue;
            if (other->loop == o.loop && other->what == o.what)
                expect(other->turn > o.turn, o, "has overtaken another");
        }
    }

    /// What was granted beside a deadline is not lost to it.
    void check_loss(const operation& o) {
        if (protected_.contains(o.id) && !may_lose_ && queue_ && depth_ == 0)
            object("operation " + std::to_string(o.id) + " was served, and then lost to its deadline");
    }

    burial fate_of(int number) const {
        if (dead_limit_ == 0 || model_.leased.at(number) < dead_limit_) return burial::not_asked;
        return cemetery_.now == cemetery::mood::takes ? burial::done : burial::refused;
    }

    /// When nothing moves any more, whoever is left waits for something that has not come.
    void check_rest() {
        for (const auto& a : actors_) {
            if (a->gone) continue;
            expect(a->started, "a task was never started");
        }
        std::size_t waiting = 0;
        for (const auto& [id, o] : operations_) {
            if (o->now != call::state::waiting) continue;
            ++waiting;
            expect(!model_.may_go(*o), *o, "waits for what is there");
        }
        std::size_t left = 0;
        for (const auto& a : actors_) left += a->gone ? 0U : 1U;
        expect(left == 0 || waiting > 0, "a task is left that waits for nothing");
    }

    // ---- The scenario ----

    std::size_t pick(std::size_t n) { return choices_.pick(n); }

    void add_actor() {
        actor& a = *actors_.emplace_back(std::make_unique<actor>(next_actor_++, pick(loops_.size())));
        note("task is spawned", a.number);
        a.handle.emplace(loops_[a.loop]->spawn(acts(a, 1 + pick(3))));
    }

    std::size_t poll(std::size_t loop) {
        note("poll", static_cast<int>(loop));
        std::vector<std::size_t> served;
        for (const auto& [id, o] : operations_)
            if (o->plain && o->loop == loop && o->now == call::state::granted) served.push_back(id);
        const std::size_t steps = loops_[loop]->poll();
        for (const std::size_t id : served) {
            const auto still = operations_.find(id);
            if (still != operations_.end())
                expect(still->second->now != call::state::granted, *still->second, "was served and has not gone on");
        }
        check_queue();
        return steps;
    }

    void rest() {
        while (objection_.empty()) {
            std::size_t steps = 0;
            for (std::size_t i = 0; i < loops_.size(); ++i) steps += poll(i);
            if (steps != 0) continue;
            bool later = false;
            for (std::size_t i = 0; i < loops_.size(); ++i) {
                const auto next = loops_[i]->next_deadline();
                if (!next) continue;
                drivers_[i]->advance(*next - loops_[i]->now());
                later = true;
            }
            if (!later) return;
        }
    }

    void forget_gone() {
        std::erase_if(actors_, [](const auto& a) { return a->gone; });
    }

    void take_and_acknowledge_all() {
        while (objection_.empty()) {
            while (!stash_.empty()) {
                lease one = std::move(stash_.back());
                stash_.pop_back();
                one.acknowledge();
            }
            if (model_.free() == 0) return;
            try_take();
        }
    }

    void end_by_closing() {
        note("close, to end");
        close();
        while (objection_.empty()) {
            rest();
            if (model_.free() != 0 || !stash_.empty()) {
                take_and_acknowledge_all();
                continue;
            }
            forget_gone();
            check_rest();
            if (actors_.empty()) break;
            // A when_all that has a message reserved, and waits for another, waits for itself.
            expect(model_.used() != 0, "a task waits on a queue that is closed and empty");
            cancel(*actors_.front(), nullptr);
            rest();
            expect(actors_.front()->gone || actors_.front()->shields != 0, "a cancelled task is left");
            if (!actors_.front()->gone) std::rotate(actors_.begin(), actors_.begin() + 1, actors_.end());
        }
        if (!objection_.empty()) return;
        expect(model_.used() == 0, "messages are left");
        std::multiset<int> ended = model_.acknowledged;
        ended.insert(model_.buried.begin(), model_.buried.end());
        expect(std::equal(ended.begin(), ended.end(), pushed_.begin(), pushed_.end()),
               "not every message that was pushed has come to its end, once");
        std::multiset<int> letters;
        for (const message& letter : cemetery_.letters) letters.insert(letter.number());
        expect(letters == model_.buried, "not every dead letter has arrived, once");
    }

    void end_by_destroying_the_queue() {
        note("the queue is destroyed");
        may_lose_ = true;
        for (const auto& [id, o] : operations_) {
            if (!o->is_open()) continue;
            o->told = o->what != action::take && o->now == call::state::granted;  // there is nothing to be taken back
            o->now = call::state::detached;
        }
        queue_.reset();
        rest();
        while (!stash_.empty()) {
            lease one = std::move(stash_.back());
            stash_.pop_back();
            if (pick(2) == 0) one.acknowledge();
        }
        for (const auto& a : actors_) cancel(*a, nullptr);
        rest();
        forget_gone();
        for (const auto& a : actors_) expect(a->shields != 0, "a cancelled task is left");
    }

    void end_by_destroying_the_loops() {
        may_lose_ = true;
        for (std::size_t i = 0; i < loops_.size(); ++i) {
            note("a loop is destroyed", static_cast<int>(i));
            for (const auto& a : actors_)
                if (a->loop == i) a->cancelled = true;
            loops_[i].reset();
            for (const auto& a : actors_)
                if (a->loop == i) expect(a->gone || !a->started, "a task has survived its loop");
            check_queue();
            for (std::size_t other = i + 1; other < loops_.size(); ++other) poll(other);
        }
        if (pick(2) == 0) take_and_acknowledge_all();
    }

    choices choices_;
    reference model_;
    cemetery cemetery_;
    std::optional<Queue> queue_;
    std::vector<rondo::testing::virtual_driver*> drivers_;
    std::vector<std::unique_ptr<rondo::event_loop>> loops_;
    std::vector<std::unique_ptr<actor>> actors_;
    std::vector<lease> stash_;
    std::map<std::size_t, operation*> operations_;  // those whose tasks live
    std::set<std::size_t> protected_;               // ids of those that race with time alone
    std::set<int> pushed_;                          // whose values were seen to be taken
    std::size_t dead_limit_ = 0;
    std::size_t wants_takes_ = 1;
    std::size_t next_id_ = 0;
    int next_actor_ = 0;
    int next_message_ = 1000;
    std::size_t done_ = 0;
    int depth_ = 0;
    bool may_lose_ = false;
    std::deque<std::string> history_;
    std::string objection_;
};

template <class Queue>
std::size_t world<Queue>::run_scenario() {
    const std::size_t length = 20 + pick(200);
    while (done_ < length && objection_.empty() && !choices_.are_used_up()) {
        ++done_;
        const std::size_t dice = pick(100);
        if (dice < 35 && actors_.size() < 20) {
            add_actor();
        } else if (dice < 60) {
            poll(pick(loops_.size()));
        } else if (dice < 70) {
            const std::size_t loop = pick(loops_.size());
            note("time passes on", static_cast<int>(loop));
            drivers_[loop]->advance(duration(1));
        } else if (dice < 90) {
            does_without_waiting();
        } else if (dice < 98) {
            cancel_someone(nullptr);
        } else {
            rest();
            check_rest();
        }
        forget_gone();
    }
    if (!objection_.empty()) return done_;
    const std::size_t how = pick(4);
    if (how == 0)
        end_by_destroying_the_queue();
    else if (how == 1)
        end_by_destroying_the_loops();
    else
        end_by_closing();
    if (!objection_.empty()) return done_;
    note("the end");
    may_lose_ = true;
    for (const auto& a : actors_) a->cancelled = true;
    loops_.clear();
    for (const auto& a : actors_) expect(a->gone || !a->started, "a task was left behind");
    return done_;
}

}  // namespace support::queue_model
