// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// What is behind when_all and when_all_settled: children that are all waited for, and two ways to take a failure (cancel the others
// and throw; or hand out every outcome).

#include <rondo/core/outcome.hpp>
#include <rondo/scope/detail/element.hpp>
#include <rondo/scope/detail/holders.hpp>

#include <cstddef>
#include <exception>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace rondo::inline RONDO_ABI::detail {

enum class failures { throw_first, settle };

/// One child's part of what the combinator gives.
template <failures Mode, class Child>
auto harvest(Child& child) {
    if constexpr (Mode == failures::settle) {
        result<typename Child::value_type> ended;
        child.settle(ended);
        return outcome<typename Child::value_type>(std::move(ended));
    } else {
        return take_element(child);
    }
}

template <failures Mode>
class gatherer : public combinator {
public:
    bool await_ready() const noexcept { return false; }
    wait_info describe() const noexcept final {
        return wait_info(Mode == failures::settle ? "when_all_settled" : "when_all", nullptr);
    }

protected:
    gatherer() noexcept
        : combinator(Mode == failures::settle ? combinator::settles::never : combinator::settles::on_failure) {}
    ~gatherer() {
        if (first_) loop().report(std::move(first_));
    }

    virtual void cancel_children(std::size_t spared) noexcept = 0;

    bool has_failed() const noexcept { return failed_; }
    void throw_failure() {
        if (first_) rethrow(std::exchange(first_, nullptr));
    }

private:
    bool settle(std::exception_ptr* error) noexcept final {
        if (failed_ || error == nullptr) return false;
        failed_ = true;
        first_ = std::exchange(*error, nullptr);
        const bool others = others_run();
        cancel_children(nobody);  // what others have been granted goes back, too
        return others;
    }
    bool is_decided() const noexcept final { return failed_; }

    std::exception_ptr first_;
    bool failed_ = false;
};

template <failures Mode, class... As>
class gather_each final : public each_of<gatherer<Mode>, As...> {
public:
    explicit gather_each(As&&... operands) : gather_each::each_of(static_cast<As&&>(operands)...) {}

    auto await_resume() {
        if (this->has_failed()) [[unlikely]] {
            this->throw_failure();
            this->for_each([](auto& child) { child.throw_failure(); });
        }
        constexpr bool is_all_void = sizeof...(As) != 0 && (std::is_void_v<await_result_t<As>> && ...);
        return std::apply(
            [](auto&... child) {
                if constexpr (Mode == failures::throw_first && is_all_void)
                    (child.take(), ...);
                else
                    return std::tuple<decltype(harvest<Mode>(child))...>{harvest<Mode>(child)...};
            },
            this->children_);
    }
};

template <failures Mode, class T>
class gather_range final : public range_of<gatherer<Mode>, T> {
public:
    explicit gather_range(std::vector<task_child<T>>&& children) noexcept
        : gather_range::range_of(std::move(children)) {}

    auto await_resume() {
        if (this->has_failed()) [[unlikely]]
            this->throw_failure();
        if constexpr (Mode == failures::settle || !std::is_void_v<T>) {
            std::vector<decltype(harvest<Mode>(this->children_.front()))> results;
            results.reserve(this->children_.size());
            for (task_child<T>& child : this->children_) results.push_back(harvest<Mode>(child));
            return results;
        }
    }
};

template <failures Mode, class... As>
using gathering_each = combining<gather_each<Mode, As...>, As...>;

template <failures Mode, class Range>
auto gather_tasks(Range&& tasks) {
    using child = task_child<range_task_value<Range>>;
    return combining<gather_range<Mode, range_task_value<Range>>, std::vector<child>>(
        std::in_place, take_tasks<child>(std::forward<Range>(tasks)));
}

}  // namespace rondo::inline RONDO_ABI::detail
