// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// The threads that to_thread uses: none before the first use, more while all are busy, up to a limit; each leaves after some time
// without work.

#include <rondo/base/intrusive_list.hpp>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <list>
#include <mutex>
#include <thread>
#include <utility>

namespace rondo::inline RONDO_ABI::detail {

class job : public list_node {
public:
    virtual void run() noexcept = 0;
    /// Called after run(), when the thread is free for the next: tells who waits. The last call.
    virtual void tell() noexcept {}

protected:
    ~job() = default;
};

class thread_pool {
public:
    static constexpr std::chrono::seconds idle_time{10};

    static std::size_t limit() noexcept {
        return (std::min)(std::size_t{32}, static_cast<std::size_t>(std::thread::hardware_concurrency()) + 4);
    }

    /// The one of the program.
    static thread_pool& instance() {
        static thread_pool pool(limit());
        return pool;
    }

    explicit thread_pool(std::size_t most) noexcept : most_(most) {}
    thread_pool(const thread_pool&) = delete;
    thread_pool& operator=(const thread_pool&) = delete;
    /// Waits for what runs.
    ~thread_pool() {
        std::unique_lock lock(mutex_);
        ends_ = true;
        work_.notify_all();
        while (!running_.empty()) gone_.wait(lock);
        lock.unlock();
        bury();
    }

    /// Thread-safe. Throws: std::system_error if there is no thread, and none can be started; std::bad_alloc.
    void submit(job& j) {
        bury();
        std::unique_lock lock(mutex_);
        if (waiting_jobs_ >= idle_ && running_.size() < most_) start_thread();
        jobs_.push_back(j);
        ++waiting_jobs_;
        work_.notify_one();
    }

    /// Thread-safe. Takes `j` back. False: a thread has it.
    bool withdraw(job& j) noexcept {
        std::lock_guard lock(mutex_);
        if (!j.is_linked()) return false;
        j.unlink();
        --waiting_jobs_;
        return true;
    }

    /// Thread-safe. The threads that there are.
    std::size_t size() {
        std::lock_guard lock(mutex_);
        return running_.size();
    }

private:
    using threads = std::list<std::thread>;

    void start_thread() {
        threads fresh(1);
        const threads::iterator self = fresh.begin();
        try_start(*self, self);
        if (self->joinable()) running_.splice(running_.end(), fresh);
    }

    void try_start(std::thread& t, threads::iterator self) {
        guarded([&] { t = std::thread([this, self] { work(self); }); },
                [&](std::exception_ptr error) {
                    if (running_.empty()) rethrow(std::move(error));  // else those that are there will do it
                });
    }

    void work(threads::iterator self) {
        std::unique_lock lock(mutex_);
        ++idle_;
        while (work_.wait_for(lock, idle_time, [this] { return !jobs_.empty() || ends_; }) && !jobs_.empty()) {
            job& j = jobs_.pop_front();
            --waiting_jobs_;
            --idle_;
            lock.unlock();
            j.run();
            lock.lock();
            ++idle_;  // before anybody hears of it, so that the next call finds this thread
            lock.unlock();
            j.tell();
            lock.lock();
        }
        --idle_;
        gone_threads_.splice(gone_threads_.end(), running_, self);
        gone_.notify_all();
    }

    /// Joins the threads that have left.
    void bury() {
        threads gone;
        {
            std::lock_guard lock(mutex_);
            gone.swap(gone_threads_);
        }
        for (std::thread& t : gone) t.join();
    }

    const std::size_t most_;
    std::mutex mutex_;
    std::condition_variable work_;  // there is a job, or the end
    std::condition_variable gone_;  // a thread has left
    intrusive_list<job> jobs_;
    std::size_t waiting_jobs_ = 0;
    std::size_t idle_ = 0;
    threads running_;
    threads gone_threads_;
    bool ends_ = false;
};

}  // namespace rondo::inline RONDO_ABI::detail
