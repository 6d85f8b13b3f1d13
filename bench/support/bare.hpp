// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// The yardstick: the least that a loop for one thread can do, as one would write it by hand for one program. Recycled
// frames, a list of what is ready, a heap of timers, a stack of posts, symmetric transfer. No cancellation (but what
// sleeps may be destroyed), no errors, no reports, no owner of tasks, and with g++ -O0 a long loop of awaits overflows
// the stack. What a library takes beyond this is the price of what it does beyond this.

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <coroutine>
#include <cstddef>
#include <exception>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

namespace bare {

using clock = std::chrono::steady_clock;

/// Memory of frames: a free list for each size, in steps of 16 bytes.
class pool {
public:
    static void* allocate(std::size_t size) {
        const std::size_t index = (size - 1) / 16;
        if (index >= classes) return ::operator new(size);
        block* const first = free_[index];
        if (first == nullptr) return ::operator new((index + 1) * 16);
        free_[index] = first->next;
        return first;
    }
    static void deallocate(void* memory, std::size_t size) noexcept {
        const std::size_t index = (size - 1) / 16;
        if (index >= classes) return ::operator delete(memory);
        free_[index] = ::new (memory) block{free_[index]};
    }

private:
    struct block {
        block* next;
    };
    static constexpr std::size_t classes = 64;
    static inline constinit thread_local block* free_[classes] = {};
};

struct pooled {
    static void* operator new(std::size_t size) { return pool::allocate(size); }
    static void operator delete(void* memory, std::size_t size) noexcept { pool::deallocate(memory, size); }
};

/// A coroutine in a list. It lies in the coroutine's frame.
struct node {
    std::coroutine_handle<> handle;
    node* next;
};

class list {
public:
    list() = default;
    list(const list&) = delete;
    list& operator=(const list&) = delete;

    bool empty() const noexcept { return first_ == nullptr; }
    void push(node& n) noexcept {
        n.next = nullptr;
        *last_ = &n;
        last_ = &n.next;
    }
    node& pop() noexcept {
        node& n = *first_;
        first_ = n.next;
        if (first_ == nullptr) last_ = &first_;
        return n;
    }
    /// All of them, linked by `next`.
    node* take() noexcept {
        last_ = &first_;
        return std::exchange(first_, nullptr);
    }

private:
    node* first_ = nullptr;
    node** last_ = &first_;
};

struct timer {
    static constexpr std::size_t not_set = static_cast<std::size_t>(-1);
    std::coroutine_handle<> handle;
    std::size_t place = not_set;
};

/// A heap in which each timer knows its place. Four children to a node.
class heap {
public:
    bool empty() const noexcept { return entries_.empty(); }
    clock::time_point next() const noexcept { return entries_.front().due; }

    void insert(timer& t, clock::time_point due) {
        entries_.emplace_back();
        rise(entries_.size() - 1, {due, &t});
    }
    void remove(timer& t) noexcept {
        const std::size_t hole = std::exchange(t.place, timer::not_set);
        const entry last = entries_.back();
        entries_.pop_back();
        if (hole == entries_.size()) return;
        if (hole > 0 && last.due < entries_[(hole - 1) / 4].due)
            rise(hole, last);
        else
            sink(hole, last);
    }
    timer& pop() noexcept {
        timer& t = *entries_.front().what;
        remove(t);
        return t;
    }

private:
    struct entry {
        clock::time_point due;
        timer* what;
    };

    void put(std::size_t place, const entry& e) noexcept {
        entries_[place] = e;
        e.what->place = place;
    }
    void rise(std::size_t hole, const entry e) noexcept {
        for (std::size_t parent; hole > 0 && e.due < entries_[parent = (hole - 1) / 4].due; hole = parent)
            put(hole, entries_[parent]);
        put(hole, e);
    }
    void sink(std::size_t hole, const entry e) noexcept {
        for (std::size_t child; (child = hole * 4 + 1) < entries_.size(); hole = child) {
            const std::size_t end = child + 4 < entries_.size() ? child + 4 : entries_.size();
            for (std::size_t other = child + 1; other < end; ++other)
                if (entries_[other].due < entries_[child].due) child = other;
            if (e.due <= entries_[child].due) break;
            put(hole, entries_[child]);
        }
        put(hole, e);
    }

    std::vector<entry> entries_;
};

/// What another thread sends: a function to call.
struct letter {
    letter* next;
    void (*call)(letter*);  // and delete
};

class loop {
public:
    loop() { current_ = this; }
    loop(const loop&) = delete;
    loop& operator=(const loop&) = delete;

    /// This thread's: the one that was made last.
    static loop& current() noexcept { return *current_; }

    void ready(node& n) noexcept { ready_.push(n); }
    void set(timer& t, clock::time_point due) { timers_.insert(t, due); }
    void unset(timer& t) noexcept {
        if (t.place != timer::not_set) timers_.remove(t);
    }

    /// From any thread.
    template <class F>
    void post(F f) {
        struct call final : letter {
            explicit call(F&& g) : letter{nullptr, run_and_delete}, f(std::move(g)) {}
            static void run_and_delete(letter* l) {
                f_of(l)();
                delete static_cast<call*>(l);
            }
            static F& f_of(letter* l) { return static_cast<call*>(l)->f; }
            F f;
        };
        send(new call(std::move(f)));
    }

    /// Round by round: posts, timers, what is ready; until nothing is ready and is_done(). Waits when there is nothing
    /// to do, for ever if need be.
    template <class Done>
    void run_until(Done is_done) {
        for (;;) {
            if (posts_.load(std::memory_order_relaxed) != nullptr) call_posts();
            if (!timers_.empty()) fire();
            for (node* n = ready_.take(); n != nullptr;) std::exchange(n, n->next)->handle.resume();
            if (!ready_.empty()) continue;
            if (is_done()) return;
            wait();
        }
    }
    /// Until nothing is ready and no timer is set.
    void run() {
        run_until([this] { return timers_.empty(); });
    }

private:
    void send(letter* l) {
        letter* first = posts_.load(std::memory_order_relaxed);
        do l->next = first;
        while (!posts_.compare_exchange_weak(first, l, std::memory_order_release, std::memory_order_relaxed));
        if (first != nullptr) return;  // it has been woken already
        std::lock_guard lock(mutex_);
        posted_.notify_one();
    }
    void call_posts() {
        letter* oldest = nullptr;
        for (letter* l = posts_.exchange(nullptr, std::memory_order_acquire); l != nullptr;) {
            letter* const next = std::exchange(l->next, oldest);
            oldest = std::exchange(l, next);
        }
        while (oldest != nullptr) {
            letter* const l = std::exchange(oldest, oldest->next);
            l->call(l);
        }
    }
    void fire() {
        const clock::time_point now = clock::now();
        while (!timers_.empty() && timers_.next() <= now) timers_.pop().handle.resume();
    }
    void wait() {
        if (!timers_.empty() && timers_.next() <= clock::now()) return;
        std::unique_lock lock(mutex_);
        const auto is_posted = [this] { return posts_.load(std::memory_order_relaxed) != nullptr; };
        if (timers_.empty())
            posted_.wait(lock, is_posted);
        else
            posted_.wait_until(lock, timers_.next(), is_posted);
    }

    list ready_;
    heap timers_;
    std::atomic<letter*> posts_{nullptr};
    std::mutex mutex_;
    std::condition_variable posted_;

    static inline constinit thread_local loop* current_ = nullptr;
};

template <class T>
class task;

struct promise_base : pooled {
    struct final_awaiter {
        bool await_ready() const noexcept { return false; }
        template <class P>
        std::coroutine_handle<> await_suspend(std::coroutine_handle<P> h) const noexcept {
            promise_base& p = h.promise();
            if (p.left != nullptr && --*p.left != 0) return std::noop_coroutine();
            return p.continuation;
        }
        void await_resume() const noexcept {}
    };

    std::suspend_always initial_suspend() const noexcept { return {}; }
    final_awaiter final_suspend() const noexcept { return {}; }
    void unhandled_exception() const noexcept { std::terminate(); }

    std::coroutine_handle<> continuation;
    std::size_t* left = nullptr;  // of several: how many have to end before the continuation
    node in_list;                 // of one that is spawned
};

template <class T>
struct promise : promise_base {
    task<T> get_return_object() noexcept;
    void return_value(T v) noexcept { value = std::move(v); }
    T take() noexcept { return std::move(value); }
    T value;
};

template <>
struct promise<void> : promise_base {
    task<void> get_return_object() noexcept;
    void return_void() const noexcept {}
    void take() const noexcept {}
};

/// Starts when it is awaited; whoever owns it destroys the frame.
template <class T = void>
class [[nodiscard]] task {
public:
    using promise_type = promise<T>;

    explicit task(promise_type& p) noexcept : handle_(std::coroutine_handle<promise_type>::from_promise(p)) {}
    task(task&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
    task& operator=(task&&) = delete;
    ~task() {
        if (handle_) handle_.destroy();
    }

    bool await_ready() const noexcept { return false; }
    std::coroutine_handle<> await_suspend(std::coroutine_handle<> parent) const noexcept {
        handle_.promise().continuation = parent;
        return handle_;
    }
    T await_resume() const noexcept { return handle_.promise().take(); }

    std::coroutine_handle<promise_type> handle() const noexcept { return handle_; }

private:
    std::coroutine_handle<promise_type> handle_;
};

template <class T>
task<T> promise<T>::get_return_object() noexcept {
    return task<T>(*this);
}
inline task<void> promise<void>::get_return_object() noexcept { return task<void>(*this); }

class [[nodiscard]] yield {
public:
    yield() = default;
    yield(const yield&) = delete;

    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> h) noexcept {
        node_.handle = h;
        loop::current().ready(node_);
    }
    void await_resume() const noexcept {}

private:
    node node_;
};

class [[nodiscard]] sleep {
public:
    explicit sleep(clock::duration length) noexcept : length_(length) {}
    sleep(const sleep&) = delete;
    ~sleep() { loop::current().unset(timer_); }

    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> h) {
        timer_.handle = h;
        loop::current().set(timer_, clock::now() + length_);
    }
    void await_resume() const noexcept {}

private:
    clock::duration length_;
    timer timer_;
};

/// Runs `t` to its end, on a loop of its own.
inline void run(task<> t) {
    loop one;
    node start{t.handle(), nullptr};
    t.handle().promise().continuation = std::noop_coroutine();
    one.ready(start);
    one.run_until([&] { return t.handle().done(); });
}

/// A coroutine that starts on the next round, and goes when it has ended.
struct detached {
    struct promise_type : pooled {
        detached get_return_object() const noexcept { return {}; }
        yield initial_suspend() const noexcept { return {}; }
        std::suspend_never final_suspend() const noexcept { return {}; }
        void return_void() const noexcept {}
        void unhandled_exception() const noexcept { std::terminate(); }
    };
};

/// A task that starts on the next round. Awaiting it waits for its end.
template <class T>
class spawned {
public:
    explicit spawned(task<T> t) noexcept : task_(std::move(t)) {
        promise<T>& p = task_.handle().promise();
        p.continuation = std::noop_coroutine();
        p.in_list.handle = task_.handle();
        loop::current().ready(p.in_list);
    }

    bool await_ready() const noexcept { return task_.handle().done(); }
    void await_suspend(std::coroutine_handle<> joiner) const noexcept {
        task_.handle().promise().continuation = joiner;
    }
    T await_resume() const noexcept { return task_.await_resume(); }

private:
    task<T> task_;
};

/// Base of what starts several tasks at once, and waits until so many have ended. Their results are in their frames.
class several {
protected:
    explicit several(std::size_t enough) noexcept : left_(enough + 1) {}
    several(const several&) = delete;

    template <class T>
    void start(const task<T>& t, std::coroutine_handle<> parent) noexcept {
        t.handle().promise().continuation = parent;
        t.handle().promise().left = &left_;
        t.handle().resume();
    }
    /// Whether it has to wait.
    bool all_started() noexcept { return --left_ != 0; }

private:
    std::size_t left_;
};

template <class T>
class [[nodiscard]] all : several {
public:
    explicit all(std::vector<task<T>> tasks) noexcept : several(tasks.size()), tasks_(std::move(tasks)) {}

    bool await_ready() const noexcept { return false; }
    bool await_suspend(std::coroutine_handle<> parent) noexcept {
        for (const task<T>& t : tasks_) start(t, parent);
        return all_started();
    }
    auto await_resume() const {
        if constexpr (!std::is_void_v<T>) {
            std::vector<T> results(tasks_.size());
            T* result = results.data();
            for (const task<T>& t : tasks_) *result++ = t.await_resume();
            return results;
        }
    }

private:
    std::vector<task<T>> tasks_;
};

template <class... T>
class [[nodiscard]] all_of : several {
public:
    explicit all_of(task<T>... tasks) noexcept : several(sizeof...(T)), tasks_(std::move(tasks)...) {}

    bool await_ready() const noexcept { return false; }
    bool await_suspend(std::coroutine_handle<> parent) noexcept {
        std::apply([&](const task<T>&... each) { (start(each, parent), ...); }, tasks_);
        return all_started();
    }
    std::tuple<T...> await_resume() const noexcept {
        return std::apply([](const task<T>&... each) { return std::tuple<T...>(each.await_resume()...); }, tasks_);
    }

private:
    std::tuple<task<T>...> tasks_;
};

/// The first of two; the other one is destroyed.
template <class A, class B>
class [[nodiscard]] any_of : several {
public:
    any_of(task<A> a, task<B> b) noexcept : several(1), a_(std::move(a)), b_(std::move(b)) {}

    bool await_ready() const noexcept { return false; }
    bool await_suspend(std::coroutine_handle<> parent) noexcept {
        start(a_, parent);
        start(b_, parent);
        return all_started();
    }
    /// The result of `b` if that was the one.
    std::optional<B> await_resume() const noexcept {
        if (b_.handle().done()) return b_.await_resume();
        return std::nullopt;
    }

private:
    task<A> a_;
    task<B> b_;
};

/// The result of `t`, or nothing once time is up. The time counts from where `t` first waits.
template <class T>
class [[nodiscard]] with_timeout : several {
public:
    with_timeout(clock::duration length, task<T> t) noexcept : several(1), task_(std::move(t)), length_(length) {}
    ~with_timeout() { loop::current().unset(timer_); }

    bool await_ready() const noexcept { return false; }
    bool await_suspend(std::coroutine_handle<> parent) {
        start(task_, parent);
        if (!all_started()) return false;
        timer_.handle = parent;
        loop::current().set(timer_, clock::now() + length_);
        return true;
    }
    std::optional<T> await_resume() const noexcept {
        if (task_.handle().done()) return task_.await_resume();
        return std::nullopt;
    }

private:
    task<T> task_;
    clock::duration length_;
    timer timer_;
};

/// A queue with room for so many messages. Who waits is served in turn, and what is handed to it is its own.
template <class T>
class queue {
public:
    explicit queue(std::size_t capacity) : capacity_(capacity), ring_(new T[capacity]) {}

    class [[nodiscard]] pushing {
    public:
        pushing(queue& q, T value) noexcept : queue_(q), value_(std::move(value)) {}
        pushing(const pushing&) = delete;
        bool await_ready() noexcept {
            if (!queue_.poppers_.empty()) {
                popping& p = static_cast<popping&>(queue_.poppers_.pop());
                p.take(std::move(value_));
                loop::current().ready(p);
                return true;
            }
            if (queue_.size_ == queue_.capacity_) return false;
            queue_.put(value_);
            return true;
        }
        void await_suspend(std::coroutine_handle<> h) noexcept {
            node_.handle = h;
            node_.value = &value_;
            queue_.pushers_.push(node_);
        }
        void await_resume() const noexcept {}

    private:
        friend queue;
        struct waiting : node {
            T* value;
        };
        queue& queue_;
        T value_;
        waiting node_;
    };

    /// Nothing: it has been closed, and is empty.
    class [[nodiscard]] popping : node {
    public:
        explicit popping(queue& q) noexcept : queue_(q) {}
        popping(const popping&) = delete;
        bool await_ready() noexcept {
            if (queue_.size_ == 0) return queue_.closed_;
            take(queue_.get());
            if (!queue_.pushers_.empty()) {
                typename pushing::waiting& w = static_cast<typename pushing::waiting&>(queue_.pushers_.pop());
                queue_.put(*w.value);
                loop::current().ready(w);
            }
            return true;
        }
        void await_suspend(std::coroutine_handle<> h) noexcept {
            this->handle = h;
            queue_.poppers_.push(*this);
        }
        std::optional<T> await_resume() noexcept {
            if (!has_value_) return std::nullopt;
            return std::move(value_);
        }

    private:
        friend queue;
        void take(T&& value) noexcept {
            value_ = std::move(value);
            has_value_ = true;
        }
        queue& queue_;
        T value_;  // not a std::optional: it would be read as a whole, where two parts have just been written
        bool has_value_ = false;
    };

    pushing push(T value) noexcept { return pushing(*this, std::move(value)); }
    popping pop() noexcept { return popping(*this); }
    void close() noexcept {
        closed_ = true;
        while (!poppers_.empty()) loop::current().ready(poppers_.pop());
    }

private:
    void put(T& value) noexcept {
        std::size_t place = first_ + size_++;
        if (place >= capacity_) place -= capacity_;
        ring_[place] = std::move(value);
    }
    T get() noexcept {
        T& value = ring_[first_];
        if (++first_ == capacity_) first_ = 0;
        --size_;
        return std::move(value);
    }

    const std::size_t capacity_;
    const std::unique_ptr<T[]> ring_;
    std::size_t first_ = 0;
    std::size_t size_ = 0;
    bool closed_ = false;
    list pushers_, poppers_;
};

class mutex {
public:
    class [[nodiscard]] locking {
    public:
        explicit locking(mutex& m) noexcept : mutex_(m) {}
        locking(const locking&) = delete;
        bool await_ready() const noexcept { return !std::exchange(mutex_.locked_, true); }
        void await_suspend(std::coroutine_handle<> h) noexcept {
            node_.handle = h;
            mutex_.waiters_.push(node_);
        }
        void await_resume() const noexcept {}

    private:
        mutex& mutex_;
        node node_;
    };

    locking lock() noexcept { return locking(*this); }
    void unlock() noexcept {
        if (waiters_.empty())
            locked_ = false;
        else
            loop::current().ready(waiters_.pop());
    }

private:
    bool locked_ = false;
    list waiters_;
};

}  // namespace bare
