// An operation of one's own: waiting until a file descriptor can be read, on a driver that waits in
// poll(2). The driver is the loop's only contact with the world; the awaiter is four functions.
//
// For POSIX systems; elsewhere the program says so and ends.

#include "stopwatch.hpp"

#if __has_include(<poll.h>)

#include <rondo/rondo.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

using example::say;

// A pipe, neither end of which ever blocks.
class pipe_pair {
public:
    pipe_pair() {
        if (::pipe(ends_.data()) != 0) {
            throw std::system_error(errno, std::generic_category(), "pipe");
        }
        ::fcntl(ends_[0], F_SETFL, O_NONBLOCK);
        ::fcntl(ends_[1], F_SETFL, O_NONBLOCK);
    }
    ~pipe_pair() {
        close_writer();
        ::close(ends_[0]);
    }
    pipe_pair(const pipe_pair&) = delete;
    pipe_pair& operator=(const pipe_pair&) = delete;

    int reader() const noexcept { return ends_[0]; }

    void write(const std::string& text) noexcept {
        // A full pipe is no problem here: it holds more than these programs write.
        [[maybe_unused]] const ssize_t written = ::write(ends_[1], text.data(), text.size());
    }

    // What there is to read; empty at the end.
    std::string read() noexcept {
        std::array<char, 256> buffer{};
        const ssize_t size = ::read(ends_[0], buffer.data(), buffer.size());
        return std::string(buffer.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
    }

    void close_writer() noexcept {
        if (ends_[1] >= 0) {
            ::close(std::exchange(ends_[1], -1));
        }
    }

private:
    std::array<int, 2> ends_{};
};

// [driver]
class poll_driver final : public rondo::driver {
public:
    struct waiter {
        int fd = -1;
        rondo::resumer resumer;
    };

    rondo::time_point now() noexcept override { return std::chrono::steady_clock::now(); }

    void wait(std::optional<rondo::time_point> deadline) override {
        std::vector<pollfd> fds{{wake_.reader(), POLLIN, 0}};
        for (const waiter* each : waiters_) {
            fds.push_back({each->fd, POLLIN, 0});
        }
        ::poll(fds.data(), static_cast<nfds_t>(fds.size()), timeout(deadline));

        if (fds[0].revents != 0) {
            wake_.read();
        }
        const std::vector<waiter*> waiters = waiters_;
        for (std::size_t i = 0; i < waiters.size(); ++i) {
            if (fds[i + 1].revents != 0) {
                remove(*waiters[i]);
                waiters[i]->resumer.resume();  // makes the task a ready step; it does not run in here
            }
        }
    }

    void wake() noexcept override { wake_.write("!"); }

    void add(waiter& one) { waiters_.push_back(&one); }
    void remove(waiter& one) noexcept { std::erase(waiters_, &one); }

private:
    // In milliseconds, rounded up: never early.
    int timeout(std::optional<rondo::time_point> deadline) noexcept {
        using std::chrono::milliseconds;
        if (!deadline) {
            return -1;
        }
        const auto left = std::chrono::ceil<milliseconds>(*deadline - now());
        return static_cast<int>(std::clamp(left, milliseconds(0), milliseconds(60'000)).count());
    }

    std::vector<waiter*> waiters_;
    pipe_pair wake_;
};
// [/driver]

// [awaiter]
/// co_await readable(driver, fd) waits until fd can be read, or has come to its end.
class [[nodiscard("co_await it")]] readable {
public:
    readable(poll_driver& driver, int fd) : driver_(driver) { waiter_.fd = fd; }
    readable(const readable&) = delete;
    readable& operator=(const readable&) = delete;

    bool await_ready() const noexcept { return false; }

    void await_suspend(rondo::resumer resumer) {
        waiter_.resumer = std::move(resumer);
        driver_.add(waiter_);
    }

    void await_resume() const noexcept {}

    bool await_cancel() noexcept {
        driver_.remove(waiter_);
        return true;  // withdrawn: the resumer will not be used
    }

private:
    poll_driver& driver_;
    poll_driver::waiter waiter_;
};
// [/awaiter]

// [tasks]
rondo::task<> write_lines(pipe_pair& pipe) {
    for (int n = 1; n <= 3; ++n) {
        co_await rondo::sleep(example::second);
        pipe.write("line " + std::to_string(n));
    }
    pipe.close_writer();
}

rondo::task<> read_lines(poll_driver& driver, pipe_pair& pipe) {
    for (;;) {
        co_await readable(driver, pipe.reader());
        const std::string text = pipe.read();
        if (text.empty()) {
            break;
        }
        say("read: ", text);
    }
    say("end of file");
}

rondo::task<> both(poll_driver& driver, pipe_pair& pipe) {
    co_await rondo::when_all(read_lines(driver, pipe), write_lines(pipe));
}
// [/tasks]

int main(int argc, char** argv) {
    example::begin(argc, argv);

    // [loop]
    auto driver = std::make_unique<poll_driver>();
    poll_driver& files = *driver;
    rondo::event_loop loop(std::move(driver));

    pipe_pair pipe;
    loop.run(both(files, pipe));
    // [/loop]
}

#else

int main() { example::say("poll(2) is not to be had here"); }

#endif

// Output:
// [0.0 s] started
// [1.0 s] read: line 1
// [2.0 s] read: line 2
// [3.0 s] read: line 3
// [3.0 s] end of file
