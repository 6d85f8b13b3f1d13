// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

#include <rondo/base/intrusive_list.hpp>

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <cstddef>
#include <deque>
#include <iterator>
#include <list>
#include <random>
#include <type_traits>
#include <vector>

namespace {

class item : public rondo::detail::list_node {
public:
    explicit item(int number) : number_(number) {}
    int number() const { return number_; }

private:
    int number_;
};

using list = rondo::detail::intrusive_list<item>;

std::vector<int> numbers(list& of) {
    std::vector<int> result;
    for (const item* one = of.next(nullptr); one != nullptr; one = of.next(one)) result.push_back(one->number());
    return result;
}

}  // namespace

static_assert(!std::is_copy_constructible_v<item> && !std::is_move_constructible_v<item>);
static_assert(!std::is_copy_constructible_v<list> && !std::is_move_constructible_v<list>);

TEST_CASE("a new list is empty and a new node is in none") {
    list empty;
    const item one(1);
    CHECK(empty.empty());
    CHECK(!one.is_linked());
    CHECK(empty.next(nullptr) == nullptr);
}

TEST_CASE("nodes come out in the order in which they were put in at the back") {
    list all;
    item first(1), second(2), third(3);
    all.push_back(first);
    all.push_back(second);
    all.push_back(third);
    CHECK(numbers(all) == std::vector<int>{1, 2, 3});
    CHECK(&all.front() == &first);
    CHECK(&all.pop_front() == &first);
    CHECK(!first.is_linked());
    CHECK(&all.pop_front() == &second);
    CHECK(&all.pop_front() == &third);
    CHECK(all.empty());
}

TEST_CASE("a node is put in behind another, or in front of all") {
    list all;
    item first(1), second(2), third(3), fourth(4);
    all.insert_after(nullptr, third);  // into an empty list
    CHECK(numbers(all) == std::vector<int>{3});
    all.insert_after(&third, fourth);  // at the end
    all.insert_after(nullptr, first);
    all.insert_after(&first, second);
    CHECK(numbers(all) == std::vector<int>{1, 2, 3, 4});
    CHECK(&all.front() == &first);
    item fifth(5);
    all.push_back(fifth);  // the end is still known
    CHECK(numbers(all) == std::vector<int>{1, 2, 3, 4, 5});
    for (const item* one : {&first, &second, &third, &fourth, &fifth}) {
        CHECK(&all.pop_front() == one);
        CHECK(!one->is_linked());
    }
    CHECK(all.empty());
}

TEST_CASE("a node leaves its list from wherever it is, and may join another") {
    list all, other;
    item first(1), second(2), third(3);
    for (item* one : {&first, &second, &third}) all.push_back(*one);
    second.unlink();
    CHECK(!second.is_linked());
    CHECK(numbers(all) == std::vector<int>{1, 3});
    other.push_back(second);
    third.unlink();
    first.unlink();
    CHECK(all.empty());
    CHECK(numbers(other) == std::vector<int>{2});
    all.push_back(first);
    CHECK(numbers(all) == std::vector<int>{1});
}

TEST_CASE("splicing moves everything behind what is there, in order") {
    list all, more;
    item first(1), second(2), third(3), fourth(4);
    all.splice_back(more);
    CHECK(all.empty());
    all.push_back(first);
    all.splice_back(more);
    CHECK(numbers(all) == std::vector<int>{1});
    for (item* one : {&second, &third}) more.push_back(*one);
    all.splice_back(more);
    CHECK(more.empty());
    CHECK(numbers(all) == std::vector<int>{1, 2, 3});
    more.push_back(fourth);
    CHECK(numbers(more) == std::vector<int>{4});
    third.unlink();
    CHECK(numbers(all) == std::vector<int>{1, 2});
}

TEST_CASE("a list does as a std::list does, whatever happens in whichever order") {
    std::mt19937 random(1);
    std::deque<item> items;
    for (int i = 0; i < 50; ++i) items.emplace_back(i);
    list ours;
    std::list<int> theirs;
    for (int step = 0; step < 20'000; ++step) {
        item& one = items[random() % items.size()];
        if (one.is_linked()) {
            one.unlink();
            theirs.remove(one.number());
        } else if (random() % 3 == 0) {
            ours.insert_after(nullptr, one);
            theirs.push_front(one.number());
        } else if (item& other = items[random() % items.size()]; other.is_linked()) {
            ours.insert_after(&other, one);
            theirs.insert(std::next(std::find(theirs.begin(), theirs.end(), other.number())), one.number());
        } else {
            ours.push_back(one);
            theirs.push_back(one.number());
        }
        if (!theirs.empty() && random() % 5 == 0) {
            const int front = ours.pop_front().number();
            if (front != theirs.front()) FAIL("front is " << front << ", should be " << theirs.front());
            theirs.pop_front();
        }
        if (numbers(ours) != std::vector<int>(theirs.begin(), theirs.end())) FAIL("differs at step " << step);
    }
    CHECK(ours.empty() == theirs.empty());
}

TEST_CASE("a node takes the place of another") {
    item first(1), middle(2), last(3), heir(4);
    list all;
    all.push_back(first);
    all.push_back(middle);
    all.push_back(last);
    heir.take_place_of(middle);
    CHECK(!middle.is_linked());
    CHECK(numbers(all) == std::vector<int>{1, 4, 3});
    middle.take_place_of(first);
    first.take_place_of(last);
    CHECK(numbers(all) == std::vector<int>{2, 4, 1});
    while (!all.empty()) all.pop_front();
}
