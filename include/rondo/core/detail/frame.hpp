// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// The tree that a running program is. Every task's promise is a `frame`. A suspended frame waits on a
// `suspension`, which lies in the frame itself: an awaited child, a combinator with several, or a leaf such
// as a timer. A frame reports its end to its `owner`: the suspension (or a branch of it) that waits for it.
//
//     frame --waits_on--> suspension --next_child--> frame ...        down: cancellation, reports
//     frame <--parent---- owner      <----owner----- frame            up: results, unwinding

#include <rondo/base/config.hpp>
#include <rondo/base/intrusive_list.hpp>

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <source_location>

namespace rondo::inline RONDO_ABI::detail {

class branch;
class frame;
class scheduler;

/// Who holds something: a task, and the part of it that took it, which is the task itself or a child of a combinator. By their
/// numbers; zero: not known.
struct holder {
    std::uint32_t task = 0;
    std::uint32_t part = 0;
};

/// What tasks can hold, and others wait for: a lock, permits.
class holdings {
public:
    /// Writes who holds it, at most `most`. Returns how many.
    virtual std::size_t holders(holder* who, std::size_t most) const noexcept = 0;

protected:
    ~holdings() = default;
};

/// What a suspended task waits for: said in reports.
struct wait_info {
    wait_info(const char* operation, const void* on) noexcept : what(operation), object(on) {}

    const char* what;                // "sleep", "bounded_queue::pop"; a string literal
    const void* object;              // the queue, the lock, the task; null where there is none
    const holdings* held = nullptr;  // what others hold of it
    std::int64_t due = no_deadline;  // when it ends by itself, in ticks of the clock
    static constexpr std::int64_t no_deadline = -1;
};

/// A place in the ready list, and what the loop does when its turn comes.
class step : public list_node {
public:
    enum class kind : unsigned char {
        resume,   // a frame: resume it
        put_off,  // a frame that did not have to wait, but had used up its step: resume it
        unwind,   // a frame: cancelled while it could not be withdrawn; destroy it now
        call,     // a posted function
        operand,  // what a combinator waits for by itself: it is granted now
    };

    explicit step(kind k) noexcept : kind_(k) {}
    kind turn() const noexcept { return kind_; }
    void set_turn(kind k) noexcept { kind_ = k; }

private:
    kind kind_;

protected:
    enum class fate : unsigned char { goes_on, asked, unwinds };
    fate fate_ = fate::goes_on;  // of a frame; here because the two are set in one store
};

/// Who is told when a frame ends.
class owner {
public:
    constexpr owner() noexcept = default;
    owner(const owner&) = delete;
    owner& operator=(const owner&) = delete;

    /// `child` ran to its end and is suspended at its final point. Returns the frame to go on with in the same step, or null.
    virtual frame* child_ended(frame& child) noexcept = 0;

    /// `child`, cancelled, has just been destroyed (its address still tells which it was). Returns the frame to be destroyed next
    /// if that was the last thing which kept a cancelled parent, or null.
    virtual frame* child_unwound(frame& child) noexcept = 0;

    /// The frame that waits; null at the root of a tree.
    virtual frame* parent() noexcept = 0;

    /// This, if its child can be cancelled on its own.
    virtual branch* as_branch() noexcept { return nullptr; }
    /// Whether its child is a task of its own, with a name perhaps.
    inline bool is_root() noexcept;

protected:
    ~owner() = default;
};

/// What a task waits for that awaits another.
inline constexpr const char* a_task = "a task";

/// How far a suspension could be withdrawn.
enum class withdrawal : unsigned char {
    done,         // it will neither happen nor resume anybody: nothing below keeps the frame
    of_children,  // by cancelling its children, which is the caller's to do; they keep the frame until they have ended
    to_follow,    // something is to be done first; the frame is unwound after that
    refused,      // it will end as if nothing had happened; the frame is unwound then
};

/// What a suspended frame waits for.
class suspension : public owner {
public:
    /// Cancels the operation that is waited for directly. `woken` says that the frame was already on the ready list.
    virtual withdrawal withdraw(bool woken) noexcept = 0;

    virtual wait_info describe() const noexcept = 0;

    /// What is waited for directly, one by one, where that is more than describe() says. False: no more.
    virtual bool describe_operand(std::size_t index, wait_info& info) const noexcept {
        (void)index;
        (void)info;
        return false;
    }

    /// The child frame behind `after`, or the first one for null; null when there is none.
    virtual frame* next_child(frame* after) noexcept {
        (void)after;
        return nullptr;
    }

    // Leaves have no children, and nothing reports to them.
    frame* child_ended(frame&) noexcept override { return nullptr; }
    frame* child_unwound(frame&) noexcept override { return nullptr; }
    frame* parent() noexcept override { return nullptr; }

protected:
    ~suspension() = default;
};

/// What a frame that is on the ready list for its first step waits on: nothing that anybody would have to withdraw.
class first_step final : public suspension {
public:
    static suspension& wait() noexcept {
        static constinit first_step only;
        return only;
    }
    withdrawal withdraw(bool) noexcept override { return withdrawal::done; }
    wait_info describe() const noexcept override { return wait_info("its first step", nullptr); }

private:
    constexpr first_step() noexcept = default;
};

/// What a frame waits on that only lets others go first: it is on the ready list, too.
class yielded final : public suspension {
public:
    static suspension& wait() noexcept {
        static constinit yielded only;
        return only;
    }
    withdrawal withdraw(bool) noexcept override { return withdrawal::done; }
    wait_info describe() const noexcept override { return wait_info("yield", nullptr); }

private:
    constexpr yielded() noexcept = default;
};

/// Two pointers come before a promise in its coroutine's frame, and what its alignment needs. The same for all result types, so that
/// the handle can be found from the base alone.
inline constexpr std::size_t promise_alignment =
    2 * sizeof(void*) % alignof(std::max_align_t) == 0 ? alignof(void*) : alignof(std::max_align_t);

/// Base of every promise.
class alignas(promise_alignment) frame : public step {
public:
    frame() noexcept : step(kind::resume) {}

    std::coroutine_handle<frame> handle() noexcept { return std::coroutine_handle<frame>::from_promise(*this); }
    void resume() noexcept { handle().resume(); }
    bool done() noexcept { return handle().done(); }
    void destroy() noexcept { handle().destroy(); }

    /// Cancelled: to be destroyed, never to be resumed.
    bool is_unwinding() const noexcept { return fate_ == fate::unwinds; }
    void set_unwinding() noexcept { fate_ = fate::unwinds; }

    /// Cancelled; or asked to be, which it answers when what it waits for has ended: by passing the result on.
    bool is_cancelled() const noexcept { return fate_ != fate::goes_on; }
    void set_asked() noexcept { fate_ = fate::asked; }

    /// A coroutine of the library that does nothing but wait for something on a user's behalf.
    bool stands_in() const noexcept { return *where.file_name() == '\0'; }

    std::uint32_t since;  // the loop's ticks when it was suspended; not set where it awaits a task, or yields
    suspension* waits_on = nullptr;  // null: running, or not on any list to be started
    owner* reports_to;               // set by whoever starts it
    union {                          // not initialised: most children never wait
        std::source_location where;  // the co_await that it is suspended at
    };
};

}  // namespace rondo::inline RONDO_ABI::detail
