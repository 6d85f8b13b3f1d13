// A pool of workers on a message_queue, which keeps each message until somebody has acknowledged it. A
// worker dies in the middle of a job, and another one does the job; a job that nobody can do ends
// among the dead letters.

#include "stopwatch.hpp"

#include <rondo/rondo.hpp>

#include <stdexcept>
#include <string>

using example::say;

using job_queue = rondo::message_queue<std::string>;

rondo::task<> shrink(const std::string& image) {
    co_await rondo::sleep(example::second);
    if (image == "broken.jpg") {
        throw std::runtime_error("not an image");
    }
}

// [worker]
rondo::task<> worker(std::string name, job_queue& jobs) {
    while (auto job = co_await jobs.receive()) {  // a lease: the message stays in the queue
        const std::string image = **job;
        say(name, ": ", image, ", attempt ", job->attempt());
        try {
            co_await shrink(image);
            job->ack();  // done: now it leaves the queue
            say(name, ": ", image, " is done");
        } catch (const std::runtime_error& error) {
            say(name, ": ", image, " failed: ", error.what());
        }
    }  // a job without ack goes back to the front, however this is left
}
// [/worker]

// [pool]
rondo::task<> pool() {
    rondo::bounded_queue<std::string> rejected(10);
    job_queue jobs(10);
    jobs.dead_letters(2, rejected);  // where a job goes after two attempts

    co_await rondo::with_task_group([&](rondo::task_group& group) -> rondo::task<> {
        auto first = group.spawn(worker("A", jobs));
        group.spawn(worker("B", jobs));
        group.spawn(worker("C", jobs));
        co_await jobs.push("1.jpg");
        co_await jobs.push("2.jpg");
        co_await jobs.push("broken.jpg");
        co_await jobs.push("3.jpg");
        co_await jobs.push("4.jpg");

        co_await rondo::sleep(example::second / 2);
        say("A dies");
        first.cancel();

        co_await jobs.join();  // until each is acknowledged, or rejected
        jobs.close();          // sends the workers home
    });

    while (const auto image = rejected.try_pop()) {
        say("rejected: ", *image);
    }
}
// [/pool]

int main(int argc, char** argv) {
    example::begin(argc, argv);
    rondo::run(pool());
    say("finished");
}

// Output:
// [0.0 s] started
// [0.0 s] A: 1.jpg, attempt 1
// [0.0 s] B: 2.jpg, attempt 1
// [0.0 s] C: broken.jpg, attempt 1
// [0.5 s] A dies
// [1.0 s] B: 2.jpg is done
// [1.0 s] B: 1.jpg, attempt 2
// [1.0 s] C: broken.jpg failed: not an image
// [1.0 s] C: broken.jpg, attempt 2
// [2.0 s] B: 1.jpg is done
// [2.0 s] B: 3.jpg, attempt 1
// [2.0 s] C: broken.jpg failed: not an image
// [2.0 s] C: 4.jpg, attempt 1
// [3.0 s] B: 3.jpg is done
// [3.0 s] C: 4.jpg is done
// [3.0 s] rejected: broken.jpg
// [3.0 s] finished
