// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

#include <rondo/base/timer_heap.hpp>

#include <catch2/catch_test_macros.hpp>

#include <cstddef>
#include <deque>
#include <map>
#include <random>
#include <utility>
#include <vector>

namespace {

class timer : public rondo::detail::timer_node {
public:
    explicit timer(int number) : number_(number) {}
    int number() const { return number_; }

private:
    int number_;
};

using heap = rondo::detail::timer_heap<int>;

int pop(heap& from) { return static_cast<timer&>(from.pop()).number(); }

}  // namespace

TEST_CASE("timers come out by deadline") {
    heap timers;
    std::deque<timer> all;
    for (const int deadline : {5, 3, 8, 1, 9, 2, 7, 4, 6, 0}) {
        timers.insert(all.emplace_back(deadline), deadline);
    }
    CHECK(timers.size() == 10);
    for (int expected = 0; expected < 10; ++expected) {
        CHECK(timers.next_deadline() == expected);
        CHECK(pop(timers) == expected);
    }
    CHECK(timers.empty());
}

TEST_CASE("equal deadlines come out in the order in which they were set") {
    heap timers;
    std::deque<timer> all;
    for (int i = 0; i < 200; ++i) timers.insert(all.emplace_back(i), i % 2);
    for (int i = 0; i < 100; ++i) CHECK(pop(timers) == 2 * i);
    for (int i = 0; i < 100; ++i) CHECK(pop(timers) == 2 * i + 1);
}

TEST_CASE("the order of equal deadlines survives the removal of others") {
    heap timers;
    std::deque<timer> all;
    for (int i = 0; i < 64; ++i) timers.insert(all.emplace_back(i), 7);
    for (int i = 0; i < 64; i += 3) timers.remove(all[static_cast<std::size_t>(i)]);
    for (int i = 0; i < 64; ++i) {
        if (i % 3 != 0) CHECK(pop(timers) == i);
    }
    CHECK(timers.empty());
}

TEST_CASE("a removed timer may be set again, and counts as set then") {
    heap timers;
    timer first(1), second(2);
    timers.insert(first, 5);
    timers.insert(second, 5);
    timers.remove(first);
    timers.insert(first, 5);
    CHECK(pop(timers) == 2);
    CHECK(pop(timers) == 1);
}

TEST_CASE("the heap does as a multimap does, whatever is set and removed") {
    std::mt19937 random(1);
    heap ours;
    std::map<std::pair<int, int>, timer*> theirs;  // by deadline, then by when it was set
    std::deque<timer> all;
    std::vector<std::pair<int, int>> key_of;  // of each timer; {-1, _}: not set
    for (int i = 0; i < 300; ++i) {
        all.emplace_back(i);
        key_of.emplace_back(-1, 0);
    }
    for (int step = 0; step < 50'000; ++step) {
        const std::size_t which = random() % all.size();
        if (random() % 4 == 0 && !theirs.empty()) {
            const auto first = theirs.begin();
            if (ours.next_deadline() != first->first.first) FAIL("wrong deadline at step " << step);
            const int popped = pop(ours);
            if (popped != first->second->number()) FAIL("wrong timer at step " << step);
            key_of[static_cast<std::size_t>(popped)].first = -1;
            theirs.erase(first);
        } else if (key_of[which].first >= 0) {
            ours.remove(all[which]);
            theirs.erase(std::exchange(key_of[which], {-1, 0}));
        } else {
            key_of[which] = {static_cast<int>(random() % 100), step};
            ours.insert(all[which], key_of[which].first);
            theirs.emplace(key_of[which], &all[which]);
        }
        if (ours.size() != theirs.size()) FAIL("wrong size at step " << step);
    }
    while (!theirs.empty()) {
        CHECK(pop(ours) == theirs.begin()->second->number());
        theirs.erase(theirs.begin());
    }
    CHECK(ours.empty());
}
