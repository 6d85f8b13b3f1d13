// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// A doubly linked list of nodes that live in their owners: no allocation, removal in O(1) without knowing
// which list a node is in. Ready tasks, waiters and spawned tasks are kept in such lists.

#include <rondo/base/config.hpp>

#include <type_traits>

namespace rondo::inline RONDO_ABI::detail {

/// A place in a list. Base of what is to be listed; neither copied nor moved, for neighbours point to it.
class list_node {
public:
    list_node() noexcept = default;
    list_node(const list_node&) = delete;
    list_node& operator=(const list_node&) = delete;

    bool is_linked() const noexcept { return next_ != nullptr; }

    /// Takes the node out of the list it is in; it must be in one.
    void unlink() noexcept {
        prev_->next_ = next_;
        next_->prev_ = prev_;
        next_ = nullptr;
    }

    /// Takes the place of `other`, which must be in a list, and is in none then; this one must be in none.
    void take_place_of(list_node& other) noexcept {
        prev_ = other.prev_;
        next_ = other.next_;
        prev_->next_ = this;
        next_->prev_ = this;
        other.next_ = nullptr;
    }

private:
    template <class Node>
    friend class intrusive_list;

    list_node* prev_;
    list_node* next_ = nullptr;  // null: in no list
};

/// A list of `Node`s, which derive from list_node. First in, first out when filled at the back.
template <class Node>
class intrusive_list {
public:
    intrusive_list() noexcept { clear(); }
    intrusive_list(const intrusive_list&) = delete;
    intrusive_list& operator=(const intrusive_list&) = delete;

    bool empty() const noexcept { return head_.next_ == &head_; }
    /// Of one that is not empty.
    bool has_one() const noexcept { return head_.next_ == head_.prev_; }
    Node& front() noexcept { return static_cast<Node&>(*head_.next_); }

    void push_back(Node& node) noexcept { insert_before(head_, node); }

    /// Puts `node` behind `place`; in front for null.
    void insert_after(Node* place, Node& node) noexcept {
        insert_before(place == nullptr ? *head_.next_ : *static_cast<list_node*>(place)->next_, node);
    }

    /// Takes the first node out; the list must not be empty.
    Node& pop_front() noexcept {
        list_node& first = *head_.next_;
        head_.next_ = first.next_;
        first.next_->prev_ = &head_;
        first.next_ = nullptr;
        return static_cast<Node&>(first);
    }

    /// Moves all of `other` behind what is here, in order.
    void splice_back(intrusive_list& other) noexcept {
        if (other.empty()) return;
        list_node* const last = head_.prev_;
        last->next_ = other.head_.next_;
        last->next_->prev_ = last;
        head_.prev_ = other.head_.prev_;
        head_.prev_->next_ = &head_;
        other.clear();
    }

    /// The node behind `node`, or null at the end; the first one for null.
    Node* next(const Node* node) noexcept {
        list_node* const after = node == nullptr ? head_.next_ : static_cast<const list_node*>(node)->next_;
        return after == &head_ ? nullptr : static_cast<Node*>(after);
    }

private:
    void clear() noexcept { head_.prev_ = head_.next_ = &head_; }

    static void insert_before(list_node& place, list_node& node) noexcept {
        list_node& before =
            *place.prev_;  // in this order: g++ takes longer to pair two of the stores than to make them
        node.next_ = &place;
        before.next_ = &node;
        node.prev_ = &before;
        place.prev_ = &node;
    }

    list_node head_;  // before the first and behind the last
};

}  // namespace rondo::inline RONDO_ABI::detail
