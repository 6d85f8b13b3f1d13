// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// How combinators hold their children: a fixed number of any kind, any number of tasks of one type, or one. `Base` is a
// combinator: what it makes of its children's ends is its own.

#include <rondo/base/misuse.hpp>
#include <rondo/scope/detail/children.hpp>

#include <coroutine>
#include <cstddef>
#include <iterator>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace rondo::inline RONDO_ABI::detail {

inline constexpr std::size_t nobody = static_cast<std::size_t>(-1);

template <class Base, class... As>
class each_of : public Base {
public:
    template <std::derived_from<frame> Promise>
    bool await_suspend(std::coroutine_handle<Promise> h) {
        return this->start(h.promise(), sizeof...(As), [this](std::size_t nth) {
            std::size_t i = 0;
            for_each([&](auto& child) {
                if (i++ == nth) child.start(*this);
            });
        });
    }

    frame* next_child(frame* after) noexcept final {
        frame* found = nullptr;
        bool is_behind = after == nullptr;
        for_each([&](auto& child) {
            frame* const top = child.running();
            if (top == nullptr) return;
            if (is_behind && found == nullptr) found = top;
            if (top == after) is_behind = true;
        });
        return found;
    }
    bool describe_operand(std::size_t index, wait_info& info) const noexcept final {
        bool found = false;
        std::apply(
            [&](const auto&... child) {
                ((!found && child.describe(info) && index-- == 0 ? void(found = true) : void()), ...);
            },
            children_);
        return found;
    }

protected:
    explicit each_of(As&&... operands) : children_(static_cast<As&&>(operands)...) {}
    ~each_of() = default;

    template <class F>
    void for_each(F&& f) {
        std::apply([&](auto&... child) { (f(child), ...); }, children_);
    }

    void cancel_children(std::size_t spared) noexcept final {
        std::size_t i = 0;
        for_each([&](auto& child) {
            if (i++ != spared) child.cancel();
        });
    }
    void withdraw_operands() noexcept final {
        for_each([](auto& child) { child.withdraw(); });
    }

    std::tuple<typename child_for<As>::type...> children_;
};

template <class Base, class T>
class range_of : public Base {
public:
    template <std::derived_from<frame> Promise>
    bool await_suspend(std::coroutine_handle<Promise> h) {
        return this->start(h.promise(), children_.size(), [this](std::size_t nth) { children_[nth].start(*this); });
    }

    frame* next_child(frame* after) noexcept final {
        const task_child<T>* const last = after == nullptr ? nullptr : static_cast<task_child<T>*>(after->reports_to);
        for (std::size_t i = last == nullptr ? 0 : static_cast<std::size_t>(last - children_.data()) + 1;
             i < children_.size(); ++i)
            if (frame* const top = children_[i].running()) return top;
        return nullptr;
    }

protected:
    explicit range_of(std::vector<task_child<T>>&& children) noexcept : children_(std::move(children)) {}
    ~range_of() = default;

    void cancel_children(std::size_t spared) noexcept final {
        for (std::size_t i = 0; i < children_.size(); ++i)
            if (i != spared) children_[i].cancel();
    }
    void withdraw_operands() noexcept final {}

    std::vector<task_child<T>> children_;
};

/// `A`: the awaitable, or a reference to it.
template <class A>
class one_of : public combinator {
public:
    bool await_ready() const noexcept { return false; }
    template <std::derived_from<frame> Promise>
    bool await_suspend(std::coroutine_handle<Promise> h) {
        return start(h.promise(), 1, [this](std::size_t) { start_child(); });
    }

    frame* next_child(frame* after) noexcept override { return after == nullptr ? child_.running() : nullptr; }
    bool describe_operand(std::size_t index, wait_info& info) const noexcept override {
        return index == 0 && child_.describe(info);
    }

protected:
    using value_type = await_result_t<A>;

    explicit one_of(A&& operand) : combinator(settles::never), child_(static_cast<A&&>(operand)) {}
    ~one_of() = default;

    virtual void start_child() noexcept { child_.start(*this); }
    void withdraw_operands() noexcept override { child_.withdraw(); }

    typename child_for<A>::type child_;
};

/// What the functions return: an awaitable whose awaiter is made from `parts` when it is awaited.
template <class Awaiter, class... Parts>
class [[nodiscard("co_await it")]] combining {
public:
    template <class... Ps>
    explicit combining(std::in_place_t, Ps&&... parts) : parts_(std::forward<Ps>(parts)...) {}
    auto operator co_await() && { return std::make_from_tuple<Awaiter>(std::move(parts_)); }

private:
    std::tuple<Parts...> parts_;
};

// --- Ranges of tasks ---

template <class Range>
using range_reference = decltype(*std::begin(std::declval<Range&>()));

/// A range whose tasks may be taken: it makes them as it goes (a view), or owns them and is given up (an rvalue container).
template <class Range>
concept task_range =
    task_like<range_reference<Range>> &&
    (!std::is_lvalue_reference_v<range_reference<Range>> ||
     (!std::is_reference_v<Range> && std::is_const_v<std::remove_reference_t<range_reference<const Range>>>));

template <class Range>
using range_task_value = typename task_traits<std::remove_cvref_t<range_reference<Range>>>::value_type;

/// Each task of `tasks`, as a `Child`.
template <class Child, class Range>
std::vector<Child> take_tasks(Range&& tasks) {
    std::vector<Child> children;
    if constexpr (requires { tasks.size(); }) children.reserve(static_cast<std::size_t>(tasks.size()));
    for (auto&& t : tasks) children.emplace_back(static_cast<std::remove_cvref_t<decltype(t)>&&>(t));
    return children;
}

}  // namespace rondo::inline RONDO_ABI::detail

/// For auto [a, b] = when_all(...).
template <class Awaiter, class... Parts>
struct std::tuple_size<rondo::detail::combining<Awaiter, Parts...>> {
    static_assert(rondo::detail::never<Awaiter>, "rondo: these are not the results yet: auto [a, b] = co_await ...");
    static constexpr std::size_t value = 0;
};
