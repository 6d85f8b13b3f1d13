// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// A posted function on its way to its turn.

#include <rondo/core/detail/scheduler.hpp>
#include <rondo/loop/detail/mailbox.hpp>

#include <exception>
#include <memory>
#include <utility>

namespace rondo::inline RONDO_ABI::detail {

class call : public step, public mail {
public:
    call() noexcept : step(kind::call) {}
    virtual ~call() = default;
    virtual void operator()() = 0;

    void arrive(scheduler& loop) noexcept final { loop.make_ready(*this); }
    void bounce() noexcept final { delete this; }
};

template <class F>
class call_of final : public call {
public:
    template <class G>
    explicit call_of(G&& f) : f_(std::forward<G>(f)) {}
    void operator()() override { std::move(f_)(); }

private:
    F f_;
};

/// Hands `f` to the loop of `box`: one ready step. False when the loop is gone.
template <class F>
bool post_to(mailbox& box, F&& f) {
    auto letter = std::make_unique<call_of<std::decay_t<F>>>(std::forward<F>(f));
    if (box.is_here())
        box.loop().make_ready(*letter);
    else if (!box.send(*letter))
        return false;
    letter.release();
    return true;
}

}  // namespace rondo::inline RONDO_ABI::detail
