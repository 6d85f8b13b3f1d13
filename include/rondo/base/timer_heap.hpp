// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// Timers by deadline: a 4-ary heap of (deadline, timer) in one array, where each timer knows its place. Insertion and
// removal in O(log n), no node allocation; equal deadlines come out in the order in which they were set.
// (Four children rather than two: half the levels, and siblings share a cache line. See LaMarca and Ladner,
// "The influence of caches on the performance of heaps", 1996.)

#include <rondo/base/config.hpp>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace rondo::inline RONDO_ABI::detail {

/// A timer's place in the heap. Base of what is to be timed.
class timer_node {
public:
    timer_node() noexcept = default;
    timer_node(const timer_node&) = delete;
    timer_node& operator=(const timer_node&) = delete;

    /// For one that is never to be in a heap: no more than a mark.
    void set_endless() noexcept { place_ = nowhere; }
    bool is_endless() const noexcept { return place_ == nowhere; }

private:
    template <class Deadline>
    friend class timer_heap;

    bool is_older_than(const timer_node& other) const noexcept {
        return static_cast<std::int32_t>(sequence_ - other.sequence_) < 0;
    }

    static constexpr std::uint32_t nowhere = static_cast<std::uint32_t>(-1);

    // Of 32 bits each: one lies in the frame of every task that sleeps.
    std::uint32_t place_ = 0;     // index in the heap, which has not room for so many
    std::uint32_t sequence_ = 0;  // the how manieth timer it is, counted round
};

template <class Deadline>
class timer_heap {
public:
    timer_heap() = default;
    timer_heap(const timer_heap&) = delete;
    timer_heap& operator=(const timer_heap&) = delete;

    bool empty() const noexcept { return entries_.empty(); }
    std::size_t size() const noexcept { return entries_.size(); }
    const Deadline& next_deadline() const noexcept { return entries_.front().deadline; }
    const Deadline& deadline_of(const timer_node& timer) const noexcept { return entries_[timer.place_].deadline; }

    /// Throws: std::bad_alloc when the array cannot grow; nothing has changed then.
    void insert(timer_node& timer, Deadline deadline) {
        entries_.push_back(entry{deadline, &timer});
        timer.sequence_ = inserted_++;
        rise(entries_.size() - 1, entry{deadline, &timer});
    }

    void remove(timer_node& timer) noexcept {
        const std::size_t hole = timer.place_;
        const entry last = entries_.back();
        entries_.pop_back();
        if (hole == entries_.size()) return;
        if (hole > 0 && last.is_before(entries_[parent(hole)]))
            rise(hole, last);
        else
            sink(hole, last);
    }

    timer_node& pop() noexcept {
        timer_node& first = *entries_.front().timer;
        remove(first);
        return first;
    }

private:
    struct entry {
        entry(Deadline when, timer_node* what) noexcept : deadline(when), timer(what) {}

        bool is_before(const entry& other) const noexcept {
            return deadline < other.deadline || (deadline == other.deadline && timer->is_older_than(*other.timer));
        }

        Deadline deadline;
        timer_node* timer;
    };

    static constexpr std::size_t arity = 4;
    static std::size_t parent(std::size_t place) noexcept { return (place - 1) / arity; }

    void put(std::size_t place, const entry& e) noexcept {
        entries_[place] = e;
        e.timer->place_ = static_cast<std::uint32_t>(place);
    }

    void rise(std::size_t hole, const entry e) noexcept {
        while (hole > 0 && e.is_before(entries_[parent(hole)])) {
            put(hole, entries_[parent(hole)]);
            hole = parent(hole);
        }
        put(hole, e);
    }

    void sink(std::size_t hole, const entry e) noexcept {
        for (;;) {
            const std::size_t first = hole * arity + 1;
            if (first >= entries_.size()) break;
            const std::size_t end = first + arity < entries_.size() ? first + arity : entries_.size();
            std::size_t least = first;
            for (std::size_t child = first + 1; child < end; ++child)
                if (entries_[child].is_before(entries_[least])) least = child;
            if (!entries_[least].is_before(e)) break;
            put(hole, entries_[least]);
            hole = least;
        }
        put(hole, e);
    }

    std::vector<entry> entries_;
    std::uint32_t inserted_ = 0;
};

}  // namespace rondo::inline RONDO_ABI::detail
