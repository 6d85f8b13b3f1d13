// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// What is behind when_any: the first child that ends decides, and the others are cancelled.

#include <rondo/scope/detail/element.hpp>
#include <rondo/scope/detail/holders.hpp>

#include <cstddef>
#include <exception>
#include <stdexcept>
#include <utility>
#include <variant>
#include <vector>

namespace rondo::inline RONDO_ABI {

template <class T>
class any_result;

namespace detail {

class racer : public combinator {
public:
    bool await_ready() const noexcept { return false; }
    wait_info describe() const noexcept final { return wait_info("when_any", nullptr); }

protected:
    racer() noexcept : combinator(settles::on_any_end) {}
    ~racer() = default;

    virtual void cancel_children(std::size_t spared) noexcept = 0;
    /// The one child that has a result.
    virtual std::size_t find_winner() noexcept = 0;

    std::size_t winner() const noexcept { return winner_; }

private:
    bool settle(std::exception_ptr*) noexcept final {
        if (decided_) return false;
        decided_ = true;
        winner_ = find_winner();
        const bool others = others_run();
        cancel_children(winner_);
        return others;
    }
    bool is_decided() const noexcept final { return decided_; }

    bool decided_ = false;
    std::size_t winner_ = 0;
};

template <class... As>
class race_each final : public each_of<racer, As...> {
public:
    using result_type = std::variant<element_t<await_result_t<As>>...>;

    explicit race_each(As&&... operands) : race_each::each_of(static_cast<As&&>(operands)...) {}

    result_type await_resume() { return take<0>(); }

private:
    template <std::size_t I>
    result_type take() {
        if constexpr (I + 1 < sizeof...(As))
            if (this->winner() != I) return take<I + 1>();
        return element<I>();
    }
    // Not inlined, or g++ 16 finds that what the variant has room for besides "may be used uninitialized".
    template <std::size_t I>
    [[gnu::noinline]] result_type element() {
        return result_type(std::in_place_index<I>, take_element(std::get<I>(this->children_)));
    }

    std::size_t find_winner() noexcept override {
        std::size_t i = 0, found = 0;
        this->for_each([&](auto& child) {
            if (child.has_result()) found = i;
            ++i;
        });
        return found;
    }
};

template <class T>
class race_range final : public range_of<racer, T> {
public:
    explicit race_range(std::vector<task_child<T>>&& children) noexcept : race_range::range_of(std::move(children)) {}

    any_result<T> await_resume() {
        const std::size_t won = this->winner();
        return any_result<T>(won, take_element(this->children_[won]));
    }

private:
    std::size_t find_winner() noexcept override {
        std::size_t i = 0;
        while (!this->children_[i].has_result()) ++i;
        return i;
    }
};

template <class Range>
auto race_tasks(Range&& tasks) {
    using T = range_task_value<Range>;
    auto children = take_tasks<task_child<T>>(std::forward<Range>(tasks));
    if (children.empty()) raise<std::invalid_argument>("rondo: when_any of an empty range would never end");
    return combining<race_range<T>, std::vector<task_child<T>>>(std::in_place, std::move(children));
}

}  // namespace detail
}  // namespace rondo::inline RONDO_ABI
