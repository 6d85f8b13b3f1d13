// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// What is behind async_generator: a body whose frame hangs below the task that asks it for a value, and below nobody in between.

#include <rondo/base/misuse.hpp>
#include <rondo/core/detail/promise.hpp>
#include <rondo/core/errors.hpp>

#include <coroutine>
#include <optional>
#include <stdexcept>
#include <type_traits>
#include <utility>

namespace rondo::inline RONDO_ABI {

template <class T>
class async_generator;

namespace detail {

/// As much of an iterator as a range-for asks for, to have it compile up to the message.
template <class T>
class no_iterator {
public:
    std::add_lvalue_reference_t<T> operator*() const noexcept;
    no_iterator& operator++() noexcept;
    bool operator!=(const no_iterator&) const noexcept;
};

template <class T>
class next_awaiter;

template <class T>
class generator_promise final : public promise_base<T> {
    static_assert(std::is_reference_v<T> || alignof(stored_t<T>) <= alignof(std::max_align_t),
                  "rondo: an over-aligned value would be misaligned in the coroutine's frame: yield a pointer to it");

public:
    async_generator<T> get_return_object() noexcept;
    void return_void() noexcept {}

    /// Hands the value to the one who asked, who goes on in this step.
    class handing_over {
    public:
        handing_over() noexcept = default;
        bool await_ready() const noexcept { return false; }
        void await_suspend(std::coroutine_handle<generator_promise> body) const noexcept {
            frame& asker = *body.promise().reports_to->parent();
            if (asker.waits_on != nullptr) scheduler::current()->go_on_with(asker);
        }
        void await_resume() const noexcept {}
    };
    template <class U>
    auto yield_value(U&&) {
        static_assert(never<U>, "rondo: co_yield gives something that is no T of this async_generator<T>");
        return std::suspend_always();
    }
    template <class U = T>
        requires(std::is_reference_v<T> ? binds_to<T, U> : std::is_convertible_v<U, T>)
    handing_over yield_value(U&& value) {
        this->outcome.set_value(std::forward<U>(value));
        return handing_over();
    }
};

/// What a generator object owns: the body, as long as there is one, and a link to the next() that is under way.
template <class T>
class generator_state {
public:
    explicit generator_state(generator_promise<T>& body) noexcept : body_(&body), is_empty_(false) {}
    generator_state(generator_state&& other) noexcept { take_over(other); }
    generator_state& operator=(generator_state&& other) noexcept {
        if (this != &other) {
            drop();
            take_over(other);
        }
        return *this;
    }
    ~generator_state() { drop(); }

private:
    friend next_awaiter<T>;

    void take_over(generator_state& other) noexcept {
        body_ = std::exchange(other.body_, nullptr);
        asker_ = std::exchange(other.asker_, nullptr);
        is_cancelled_ = other.is_cancelled_;
        is_empty_ = std::exchange(other.is_empty_, true);
        if (asker_ != nullptr) asker_->state_ = this;
    }
    void drop() noexcept {
        if (asker_ != nullptr)
            std::exchange(asker_, nullptr)->state_ = nullptr;  // who destroys the body, then
        else if (body_ != nullptr)
            std::exchange(body_, nullptr)->destroy();
    }

    generator_promise<T>* body_ = nullptr;  // null: has ended
    next_awaiter<T>* asker_ = nullptr;
    bool is_cancelled_ = false;
    bool is_empty_ = true;  // moved from
};

template <class T>
class next_awaiter final : public suspension {
public:
    using value_type =
        std::conditional_t<std::is_reference_v<T>, std::reference_wrapper<std::remove_reference_t<T>>, T>;

    explicit next_awaiter(generator_state<T>& state) : state_(&state), body_(state.body_) {
        if (state.is_empty_) raise<std::logic_error>("rondo: this generator is empty: it was moved from");
        if (state.asker_ != nullptr) raise<std::logic_error>("rondo: a next() of this generator is under way already");
        if (state.is_cancelled_) raise<cancelled>();
        if (body_ != nullptr) state.asker_ = this;
    }

    bool await_ready() const noexcept { return body_ == nullptr; }

    template <std::derived_from<frame> Promise>
    bool await_suspend(std::coroutine_handle<Promise> h) noexcept {
        parent_ = &h.promise();
        body_->reports_to = this;
        if (scheduler::current()->start(*body_) || body_->outcome.has_value()) return false;
        parent_->waits_on = this;
        return true;
    }

    std::optional<value_type> await_resume() {
        if (body_ == nullptr) return std::nullopt;
        if (body_->done()) return end();
        const release guard(*this);
        return std::optional<value_type>(body_->outcome.take());
    }

    frame* child_ended(frame&) noexcept override { return parent_; }
    frame* child_unwound(frame&) noexcept override {
        body_ = nullptr;
        if (state_ != nullptr) {
            state_->is_cancelled_ = true;
            leave();
            state_->body_ = nullptr;
        }
        return parent_;
    }
    frame* parent() noexcept override { return parent_; }
    frame* next_child(frame* after) noexcept override { return after == nullptr ? body_ : nullptr; }
    withdrawal withdraw(bool) noexcept override { return withdrawal::of_children; }
    wait_info describe() const noexcept override { return wait_info("async_generator::next", nullptr); }

private:
    friend generator_state<T>;

    /// Takes the value away, whatever becomes of the move, and lets the next next() come.
    class release {
    public:
        explicit release(next_awaiter& n) noexcept : next_(n) {}
        release(const release&) = delete;
        ~release() {
            next_.body_->outcome.clear();
            if (next_.state_ != nullptr)
                next_.leave();
            else
                next_.body_->destroy();
        }

    private:
        next_awaiter& next_;
    };

    void leave() noexcept { state_->asker_ = nullptr; }

    std::optional<value_type> end() {
        result<T> last(std::move(body_->outcome));
        if (state_ != nullptr) {
            leave();
            state_->body_ = nullptr;
        }
        body_->destroy();
        if (last.has_error()) rethrow(std::move(last.error()));
        return std::nullopt;
    }

    generator_state<T>* state_;  // null: the generator is gone
    generator_promise<T>* body_;
    frame* parent_ = nullptr;
};

template <class T>
class [[nodiscard("co_await it")]] asking : public unawaited<std::optional<typename next_awaiter<T>::value_type>> {
public:
    explicit asking(generator_state<T>& state) noexcept : state_(&state) {}
    auto operator co_await() const { return next_awaiter<T>(*state_); }

private:
    generator_state<T>* state_;
};

}  // namespace detail
}  // namespace rondo::inline RONDO_ABI
