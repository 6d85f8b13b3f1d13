// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// What is behind when_all and when_all_settled: two ways to hold children (a tuple, a vector), and two ways
// to take a failure (cancel the others and throw; or hand out every outcome).

#include <rondo/core/outcome.hpp>
#include <rondo/scope/detail/children.hpp>

#include <coroutine>
#include <cstddef>
#include <iterator>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace rondo::inline RONDO_ABI::detail {

enum class failures { throw_first, settle };

/// What stands for a result T in a tuple or vector: monostate for void, a reference_wrapper for a reference.
template <class T>
struct element {
    using type = T;
};
template <>
struct element<void> {
    using type = std::monostate;
};
template <class T>
    requires std::is_reference_v<T>
struct element<T> {
    using type = std::reference_wrapper<std::remove_reference_t<T>>;
};

/// One child's part of what the combinator gives.
template <failures Mode, class Child>
auto harvest(Child& child) {
    using T = typename Child::value_type;
    if constexpr (Mode == failures::settle) {
        result<T> ended;
        child.settle(ended);
        return outcome<T>(std::move(ended));
    } else if constexpr (std::is_void_v<T>) {
        child.take();
        return std::monostate();
    } else {
        return typename element<T>::type(child.take());
    }
}

template <failures Mode>
class gatherer : public combinator {
public:
    bool await_ready() const noexcept { return false; }

protected:
    gatherer() noexcept
        : combinator(Mode == failures::settle ? combinator::settles::never : combinator::settles::on_failure) {}
    ~gatherer() {
        if (first_) loop().report(std::move(first_));
    }

    virtual void cancel_children() noexcept = 0;

    bool has_failed() const noexcept { return failed_; }
    void throw_failure() {
        if (first_) rethrow(std::exchange(first_, nullptr));
    }

private:
    bool settle(std::exception_ptr* error) noexcept final {
        if (failed_) return false;
        failed_ = true;
        first_ = std::move(*error);
        const bool others = others_run();
        cancel_children();
        return others;
    }
    bool is_decided() const noexcept final { return failed_; }

    std::exception_ptr first_;
    bool failed_ = false;
};

/// A fixed number of children of any kind.
template <failures Mode, class... As>
class gather_each final : public gatherer<Mode> {
public:
    explicit gather_each(std::tuple<As...>&& operands)
        : gather_each(std::move(operands), std::index_sequence_for<As...>()) {}

    template <std::derived_from<frame> Promise>
    bool await_suspend(std::coroutine_handle<Promise> h) {
        return this->start(h.promise(), sizeof...(As), [this](std::size_t nth) {
            std::size_t i = 0;
            for_each([&](auto& child) {
                if (i++ == nth) child.start(*this);
            });
        });
    }

    auto await_resume() {
        if (this->has_failed()) [[unlikely]] {
            this->throw_failure();
            for_each([](auto& child) { child.throw_failure(); });
        }
        constexpr bool is_all_void = sizeof...(As) != 0 && (std::is_void_v<await_result_t<As>> && ...);
        return std::apply(
            [](auto&... child) {
                if constexpr (Mode == failures::throw_first && is_all_void)
                    (child.take(), ...);
                else
                    return std::tuple<decltype(harvest<Mode>(child))...>{harvest<Mode>(child)...};
            },
            children_);
    }

    frame* next_child(frame* after) noexcept override {
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
    wait_info describe() const noexcept override {
        return wait_info(Mode == failures::settle ? "when_all_settled" : "when_all", nullptr);
    }
    bool describe_operand(std::size_t index, wait_info& info) const noexcept override {
        bool found = false;
        std::apply(
            [&](const auto&... child) {
                ((!found && child.describe(info) && index-- == 0 ? void(found = true) : void()), ...);
            },
            children_);
        return found;
    }

private:
    template <std::size_t... I>
    gather_each(std::tuple<As...>&& operands, std::index_sequence<I...>)
        : children_(static_cast<As&&>(std::get<I>(operands))...) {}

    template <class F>
    void for_each(F&& f) {
        std::apply([&](auto&... child) { (f(child), ...); }, children_);
    }

    void cancel_children() noexcept override {
        for_each([](auto& child) { child.cancel(); });
    }
    void withdraw_operands() noexcept override {
        for_each([](auto& child) { child.withdraw(); });
    }

    std::tuple<typename child_for<As>::type...> children_;
};

/// Any number of tasks of one type.
template <failures Mode, class T>
class gather_range final : public gatherer<Mode> {
public:
    explicit gather_range(std::vector<task_child<T>>&& children) noexcept : children_(std::move(children)) {}

    template <std::derived_from<frame> Promise>
    bool await_suspend(std::coroutine_handle<Promise> h) {
        return this->start(h.promise(), children_.size(), [this](std::size_t nth) { children_[nth].start(*this); });
    }

    auto await_resume() {
        if (this->has_failed()) [[unlikely]]
            this->throw_failure();
        if constexpr (Mode == failures::settle || !std::is_void_v<T>) {
            std::vector<decltype(harvest<Mode>(children_.front()))> results;
            results.reserve(children_.size());
            for (task_child<T>& child : children_) results.push_back(harvest<Mode>(child));
            return results;
        }
    }

    frame* next_child(frame* after) noexcept override {
        const task_child<T>* const last = after == nullptr ? nullptr : static_cast<task_child<T>*>(after->reports_to);
        for (std::size_t i = last == nullptr ? 0 : static_cast<std::size_t>(last - children_.data()) + 1;
             i < children_.size(); ++i)
            if (frame* const top = children_[i].running()) return top;
        return nullptr;
    }
    wait_info describe() const noexcept override {
        return wait_info(Mode == failures::settle ? "when_all_settled" : "when_all", nullptr);
    }

private:
    void cancel_children() noexcept override {
        for (task_child<T>& child : children_) child.cancel();
    }
    void withdraw_operands() noexcept override {}

    std::vector<task_child<T>> children_;
};

/// The awaitables that when_all and when_all_settled return.
template <failures Mode, class... As>
class [[nodiscard("co_await it")]] gathering_each {
public:
    template <class... Bs>
    explicit gathering_each(std::in_place_t, Bs&&... operands) : operands_(std::forward<Bs>(operands)...) {}
    auto operator co_await() && { return gather_each<Mode, As...>(std::move(operands_)); }

private:
    std::tuple<As...> operands_;
};

template <failures Mode, class T>
class [[nodiscard("co_await it")]] gathering_range {
public:
    /// Makes the children at once, from the range's tasks.
    template <class Range>
    gathering_range(std::in_place_t, Range&& tasks) {
        if constexpr (requires { tasks.size(); }) children_.reserve(static_cast<std::size_t>(tasks.size()));
        for (auto&& t : tasks) children_.emplace_back(static_cast<task<T>&&>(t));
    }
    auto operator co_await() && noexcept { return gather_range<Mode, T>(std::move(children_)); }

private:
    std::vector<task_child<T>> children_;
};

template <class Range>
using range_reference = decltype(*std::begin(std::declval<Range&>()));

/// A range whose tasks may be taken: it makes them as it goes (a view), or owns them and is given up (an rvalue container).
template <class Range>
concept task_range =
    task_like<range_reference<Range>> &&
    (!std::is_lvalue_reference_v<range_reference<Range>> ||
     (!std::is_reference_v<Range> && std::is_const_v<std::remove_reference_t<range_reference<const Range>>>));

template <class Task>
struct task_value;
template <class T>
struct task_value<task<T>> {
    using type = T;
};
template <class Range>
using range_task_value = typename task_value<std::remove_cvref_t<range_reference<Range>>>::type;

}  // namespace rondo::inline RONDO_ABI::detail
