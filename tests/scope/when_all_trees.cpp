// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

// Random trees of when_all and when_all_settled, over tasks, ranges and operations, whose leaves wait, fail, cancel
// their own or another tree, or sit in a foreign awaitable. Whatever happens, no parent goes on while a child lives, a
// cancelled tree is gone when cancel() returns, every exception reaches one place, and nothing is left behind; also
// when destructors of the tasks' locals use the queue, cancel trees, or plant new ones.
//
// RONDO_TREES: how many forests (200). RONDO_SEED: of the first one; each further one adds 1.

#include <support/clocks.hpp>
#include <support/foreign.hpp>
#include <support/leak_check.hpp>
#include <support/repeating.hpp>
#include <support/tracked.hpp>

#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <catch2/catch_test_macros.hpp>

#include <chrono>
#include <cstddef>
#include <deque>
#include <exception>
#include <memory>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace {

using rondo::task;
using rondo::when_all;
using rondo::when_all_settled;

class oops : public std::runtime_error {
public:
    explicit oops(std::size_t id) : std::runtime_error("oops"), id_(id) {}
    std::size_t id() const noexcept { return id_; }

private:
    std::size_t id_;
};

struct tree {
    std::optional<rondo::join_handle<int>> handle;
    int foreign = 0;  // of its tasks, how many are inside something that cannot be withdrawn
};

class counted {
public:
    explicit counted(int& count) : count_(count) { ++count_; }
    counted(const counted&) = delete;
    counted& operator=(const counted&) = delete;
    ~counted() { --count_; }

private:
    int& count_;
};

class forest {
public:
    explicit forest(unsigned seed) : random_(seed), queue(seed % 2 == 0 ? narrow : wide) {
        loop_.emplace(clock_.driver());
        loop_->on_unhandled_exception([this](std::exception_ptr error) { reaches(error); });
    }
    forest(const forest&) = delete;
    forest& operator=(const forest&) = delete;

    std::string live_through(int rounds);

    std::size_t pick(std::size_t n) { return static_cast<std::size_t>(random_()) % n; }

    // What the tasks call.

    [[noreturn]] void fails(bool below_settled) {
        exceptions_.emplace_back(below_settled);
        throw oops(exceptions_.size() - 1);
    }
    void reaches(std::size_t id) { ++exceptions_[id].reached; }
    void reaches(const std::exception_ptr& error) {
        try {
            std::rethrow_exception(error);
        } catch (const oops& e) {
            reaches(e.id());
        } catch (const rondo::queue_closed&) {
        }
    }
    void expect(bool fulfilled, const char* what) {
        if (!fulfilled && objection_.empty()) objection_ = what;
    }
    void cancels_some_tree(const tree* from) {
        tree& victim = *trees_[pick(trees_.size())];
        victim.handle->cancel();
        if (&victim != from && victim.foreign == 0) expect(victim.handle->done(), "a cancelled tree is still there");
    }
    // For destructors: whom it cancels may run right now, or be unwinding already.
    void meddles() {
        if (ending_ || pick(6) != 0) return;
        switch (pick(4)) {
            case 0:
                queue.try_push(5);
                break;
            case 1:
                queue.try_pop();
                break;
            case 2:
                trees_[pick(trees_.size())]->handle->cancel();
                break;
            case 3:
                plant();
                break;
        }
    }
    support::parking& parking_place() { return *places_.emplace_back(std::make_unique<support::parking>()); }

private:
    static constexpr std::size_t narrow = 2;
    static constexpr std::size_t wide = 10'000;
    std::mt19937 random_;

public:
    rondo::bounded_queue<int> queue;

private:
    struct exception_record {
        explicit exception_record(bool b) : below_settled(b) {}
        bool below_settled;  // then it may die as part of a result that nobody sees
        int reached = 0;
    };

    void plant();
    void resume_parked();

    support::manual_clock clock_;
    std::deque<std::unique_ptr<tree>> trees_;
    std::vector<std::unique_ptr<support::parking>> places_;
    std::vector<exception_record> exceptions_;
    std::string objection_;
    bool ending_ = false;
    std::optional<rondo::event_loop> loop_;
};

class meddler {
public:
    explicit meddler(forest& f) : forest_(f) {}
    meddler(const meddler&) = delete;
    meddler& operator=(const meddler&) = delete;
    ~meddler() { forest_.meddles(); }

private:
    forest& forest_;
};

task<int> grow(forest& f, tree& t, int depth, bool below_settled, int& siblings);

task<int> leaf(forest& f, tree& t, bool below_settled) {
    switch (f.pick(10)) {
        case 0:
            co_return 1;
        case 1:
            f.fails(below_settled);
        case 2:
            co_await rondo::yield();
            break;
        case 3:
        case 4:
            co_await rondo::sleep(std::chrono::milliseconds(f.pick(4)));
            break;
        case 5:
            co_await f.queue.pop();
            break;
        case 6:
            co_await f.queue.push(1);
            break;
        case 7:
            f.cancels_some_tree(&t);
            break;
        case 8: {
            counted inside(t.foreign);
            co_await f.parking_place();
            break;
        }
        case 9: {
            co_await rondo::sleep(std::chrono::milliseconds(f.pick(3)));
            f.fails(below_settled);
        }
    }
    if (f.pick(4) == 0) co_await rondo::yield();
    co_return 1;
}

std::vector<task<int>> grow_some(forest& f, tree& t, int depth, bool below_settled, int& siblings) {
    std::vector<task<int>> tasks;
    for (std::size_t i = f.pick(5); i > 0; --i) tasks.push_back(grow(f, t, depth, below_settled, siblings));
    return tasks;
}

void see(forest& f, const rondo::outcome<int>& ended) {
    f.expect(!ended.is_cancelled(), "a child is said to be cancelled");
    if (!ended.has_value()) f.reaches(ended.error());
}

task<int> inner(forest& f, tree& t, int depth, bool below_settled, int& children) {
    switch (f.pick(8)) {
        case 6: {
            const counted inside(t.foreign);
            support::parking& place = f.parking_place();
            const auto all = co_await when_all(grow(f, t, depth, below_settled, children), place);
            co_return std::get<0>(all);
        }
        case 0: {
            const auto all = co_await when_all(grow(f, t, depth, below_settled, children),
                                               grow(f, t, depth, below_settled, children));
            co_return std::get<0>(all) + std::get<1>(all);
        }
        case 1: {
            const auto all =
                co_await when_all(f.queue.pop(), grow(f, t, depth, below_settled, children), rondo::yield());
            co_return std::get<1>(all);
        }
        case 2: {
            const auto all = co_await when_all(grow(f, t, depth, below_settled, children), f.queue.push(2));
            co_return std::get<0>(all);
        }
        case 3: {
            std::vector<task<int>> tasks = grow_some(f, t, depth, below_settled, children);
            const std::vector<int> all = co_await when_all(std::move(tasks));
            int sum = 0;
            for (const int n : all) sum += n;
            co_return sum;
        }
        case 4: {
            auto all = co_await when_all_settled(grow(f, t, depth, true, children), f.queue.pop(),
                                                 grow(f, t, depth, true, children));
            see(f, std::get<0>(all));
            see(f, std::get<2>(all));
            co_return 1;
        }
        case 5: {
            std::vector<task<int>> tasks = grow_some(f, t, depth, true, children);
            const std::vector<rondo::outcome<int>> all = co_await when_all_settled(std::move(tasks));
            for (const auto& ended : all) see(f, ended);
            co_return 1;
        }
        default: {
            const auto all = co_await when_all(when_all(grow(f, t, depth, below_settled, children), rondo::yield()),
                                               f.queue.push(3));
            co_return std::get<0>(std::get<0>(all));
        }
    }
}

task<int> grow(forest& f, tree& t, int depth, bool below_settled, int& siblings) {
    const counted here(siblings);
    const support::tracked local(1);
    const meddler nuisance(f);
    int children = 0;
    int result = 0;
    std::optional<std::size_t> caught;
    try {
        if (depth == 0 || f.pick(4) == 0)
            result = co_await leaf(f, t, below_settled);
        else
            result = co_await inner(f, t, depth - 1, below_settled, children);
    } catch (const oops& e) {
        caught = e.id();
    } catch (const rondo::queue_closed&) {
    }
    f.expect(children == 0, "a parent goes on while a child lives");
    if (caught) {
        if (f.pick(2) == 0) throw oops(*caught);
        f.reaches(*caught);
    }
    if (f.pick(5) == 0) co_await rondo::yield();
    co_return result;
}

task<int> root(forest& f, tree& t) {
    int trunk = 0;
    const int result = co_await grow(f, t, 1 + static_cast<int>(f.pick(4)), false, trunk);
    f.expect(trunk == 0, "a parent goes on while a child lives");
    co_return result;
}

void forest::plant() {
    tree& t = *trees_.emplace_back(std::make_unique<tree>());
    t.handle.emplace(loop_->spawn(root(*this, t)));
}

void forest::resume_parked() {
    for (const auto& place : places_)
        if (place->occupied() && pick(3) == 0) place->resume();
}

std::string forest::live_through(int rounds) {
    for (int i = 0; i < rounds; ++i) {
        if (pick(2) == 0 || trees_.empty()) plant();
        loop_->poll();
        if (pick(3) == 0) clock_.now += std::chrono::milliseconds(1);
        if (pick(4) == 0) resume_parked();
        if (pick(6) == 0) cancels_some_tree(nullptr);
        if (pick(10) == 0) queue.try_pop();
        if (pick(10) == 0) queue.try_push(4);
        if (trees_.size() > 20) trees_[pick(trees_.size() - 10)]->handle->cancel();
    }
    if (pick(2) == 0) {  // let them end by themselves
        if (queue.capacity() == narrow) queue.close();
        for (int i = 0; i < 200; ++i) {
            resume_parked();
            loop_->poll();
            clock_.now += std::chrono::milliseconds(1);
            while (queue.empty() && queue.try_push(6)) {  // one for each who waits, and one more
            }
        }
        // In a narrow queue tasks may wait for messages that their own siblings were given.
        if (queue.capacity() == wide)
            for (const auto& t : trees_) expect(t->handle->done(), "a tree is stuck");
    }
    ending_ = true;
    for (const auto& t : trees_) t->handle->cancel();
    for (const auto& place : places_)
        if (place->occupied()) place->resume();
    while (loop_->poll() != 0) {
        for (const auto& place : places_)
            if (place->occupied()) place->resume();
    }
    for (const auto& t : trees_) {
        expect(t->handle->done(), "a cancelled tree is left");
        t->handle.reset();
    }
    while (loop_->poll() != 0) {
    }
    expect(rondo::testing::live_frames() == 0, "frames are left");
    expect(support::tracked::live() == 0, "locals are left");
    loop_.reset();
    for (const exception_record& e : exceptions_) {
        expect(e.reached <= 1, "an exception reaches two places");
        expect(e.reached == 1 || e.below_settled, "an exception is lost");
    }
    return objection_;
}

}  // namespace

TEST_CASE("random trees of when_all end in order, or are cancelled without a trace") {
    std::size_t seed = support::number_in("RONDO_SEED").value_or(30'000);
    for (std::size_t left = support::number_in("RONDO_TREES").value_or(200); left > 0; --left, ++seed) {
        std::string objection;
        {
            forest f(static_cast<unsigned>(seed));
            objection = f.live_through(200);
        }
        if (!objection.empty())
            FAIL(objection << '\n' << support::command_with("RONDO_TREES=1 RONDO_SEED=" + std::to_string(seed)));
    }
}
