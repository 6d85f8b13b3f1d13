// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// What is behind with_task_group: a combinator with a body and any number of children that come and go, and which is the
// home of the latter, as the loop is that of tasks spawned on it.

#include <rondo/loop/detail/root.hpp>
#include <rondo/scope/detail/children.hpp>

#include <coroutine>
#include <cstddef>
#include <exception>
#include <optional>
#include <utility>

namespace rondo::inline RONDO_ABI::detail {

class group : public combinator, public home {
public:
    using home::loop;

    std::size_t size() const noexcept { return size_; }

    /// Cancels the children, and takes no more. Perhaps the end of the group.
    void close() noexcept {
        from_outside([this] { cancel_children(); });
    }

    bool await_ready() const noexcept { return false; }
    wait_info describe() const noexcept final { return wait_info("with_task_group", nullptr); }

    frame* parent() noexcept final { return combinator::parent(); }
    frame* next_child(frame* after) noexcept final {
        root* last = nullptr;
        if (after == nullptr) {
            if (frame* const body = running_body()) return body;
        } else if (after != running_body()) {
            last = static_cast<root*>(after->reports_to);
        }
        root* const next = tasks_.next(last);
        return next == nullptr ? nullptr : next->top();
    }
    withdrawal withdraw(bool woken) noexcept final {
        closed_ = true;
        return combinator::withdraw(woken);
    }
    void withdraw_operands() noexcept final {}

protected:
    group() noexcept : combinator(settles::on_failure), home(*scheduler::current()) {}
    ~group() {
        if (first_) loop().report(std::move(first_));
    }

    void throw_failure() {
        if (first_) rethrow(std::exchange(first_, nullptr));
    }

    /// The body could not be made; but it may have spawned already.
    void no_body(std::exception_ptr error) noexcept {
        settle(&error);
        withdrawn();
    }

    virtual frame* running_body() noexcept = 0;
    virtual void cancel_body() noexcept = 0;

private:
    void cancel_children() noexcept {
        closed_ = true;
        cancel_all();
    }
    void adopted() noexcept final {
        ++size_;
        count_one();
    }
    frame* is_over(root& r, ending how) noexcept final {
        --size_;
        if (how == ending::cancelled) return unwound();
        if (how == ending::with_value) return ended(nullptr);
        scheduler& here = loop();
        std::exception_ptr error = r.failure();
        r.failure_taken();
        frame* const next = ended(&error);
        if (error) here.report(std::move(error));
        return next;
    }
    bool settle(std::exception_ptr* error) noexcept final {
        if (first_ || error == nullptr) return false;
        first_ = std::exchange(*error, nullptr);
        const bool others = others_run();
        cancel_body();
        cancel_children();
        return others;
    }

    std::size_t size_ = 0;
    std::exception_ptr first_;
};

/// `F`: the callable that makes the body, `Face`: what it is given.
template <class F, class Face>
class group_wait final : public group {
public:
    using body_type = decltype(std::declval<F&>()(std::declval<Face&>()));
    using value_type = typename task_traits<body_type>::value_type;

    explicit group_wait(F&& make) : make_(static_cast<F&&>(make)), face_(*this) {}

    template <std::derived_from<frame> Promise>
    bool await_suspend(std::coroutine_handle<Promise> h) {
        return start(h.promise(), 1, [this](std::size_t) {
            guarded([&] { body_.emplace(make_(face_)).start(*this); },
                    [&](std::exception_ptr error) { no_body(std::move(error)); });
        });
    }
    value_type await_resume() {
        throw_failure();
        return body_->take();
    }

private:
    frame* running_body() noexcept override { return body_ ? body_->running() : nullptr; }
    void cancel_body() noexcept override {
        if (body_) body_->cancel();
    }

    F make_;
    Face face_;
    std::optional<task_child<value_type>> body_;
};

}  // namespace rondo::inline RONDO_ABI::detail
