// Why a message queue, reason 2: heavy work comes in bursts, and only so much of it can be done at a
// time. Four clients send a hundred photos at once. With a queue, two workers take from it what they
// can bear, and the clients wait at the door while it is full. Without one, every photo is let in at
// once, and all of them wait inside.

#include "claims.hpp"
#include "stopwatch.hpp"

#include <rondo/rondo.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

using example::claim;
using example::say;

constexpr int bursts = 2;
constexpr int clients = 4;
constexpr int photos_each = 25;
constexpr int a_burst = clients * photos_each;
constexpr int places = 4;  // in the queue

double now() { return std::chrono::duration<double>(example::clock::now() - example::start_time) / example::second; }

// --- Photos are big, and take a processor a while ---

// Counts how many of them are in memory.
class bitmap {
public:
    static constexpr std::size_t bytes = 64 * 1024;

    bitmap() : pixels(bytes) { most = std::max(most, ++alive); }
    bitmap(const bitmap&) = delete;
    bitmap& operator=(const bitmap&) = delete;
    ~bitmap() { --alive; }

    std::vector<unsigned char> pixels;

    static inline int alive = 0;
    static inline int most = 0;
};

struct photo {
    photo(std::size_t done, double burst) : bits(std::make_unique<bitmap>()), done_before(done), burst_began(burst) {}

    std::unique_ptr<bitmap> bits;
    double offered = now();
    std::size_t done_before;
    double burst_began;
};

// Ordinary code, which keeps a processor busy for some thousandths of a second.
void blur(photo& p) {
    std::vector<unsigned char>& pixels = p.bits->pixels;
    const auto passes = std::max<std::int64_t>(1, example::second / std::chrono::milliseconds(40));
    for (std::int64_t pass = 0; pass < passes; ++pass) {
        for (std::size_t n = 1; n < pixels.size(); ++n) {
            pixels[n] = static_cast<unsigned char>((pixels[n - 1] + pixels[n] + 1) / 2);
        }
    }
}

// What is measured.
class figures {
public:
    photo take() const { return photo(done(), burst_began); }
    void has_done(const photo& p) {
        others_first.push_back(done() - p.done_before);
        inside.push_back(now() - p.offered);
        in_all.push_back(now() - p.burst_began);
    }
    std::size_t done() const { return inside.size(); }

    double burst_began = 0;
    std::vector<double> inside;             // how long each photo took, from when it was offered
    std::vector<std::size_t> others_first;  // and how many others were done in this time
    std::vector<double> in_all;             // how long, from the beginning of the burst
    double at_the_door = 0;                 // how long a client had to wait there with all its photos, at most
    int most_in_memory = 0;
};

// Starts so many tasks in each burst, and waits for all of them.
rondo::task<> in_bursts(int tasks, figures& seen, std::function<rondo::task<>()> start) {
    co_await rondo::with_task_group([&](rondo::task_group& group) -> rondo::task<> {
        for (int n = 0; n < bursts; ++n) {
            if (n > 0) {
                co_await rondo::sleep(example::second);
            }
            say("    a burst of ", a_burst, " photos");
            seen.burst_began = now();
            for (int m = 0; m < tasks; ++m) {
                group.spawn(start());
            }
        }
    });
}

// --- With a queue ---

// [worker]
using photo_queue = rondo::message_queue<photo>;

rondo::task<> worker(photo_queue& photos, figures& seen) {
    while (auto job = co_await photos.receive()) {
        photo& p = **job;
        co_await rondo::to_thread(blur, std::ref(p));  // the loop's thread stays free
        seen.has_done(p);
        job->ack();  // the photo goes, and the next one is let in
    }
}
// [/worker]

// [client]
rondo::task<> client(photo_queue& photos, figures& seen) {
    double waited = 0;
    for (int n = 0; n < photos_each; ++n) {
        photo p = seen.take();
        const double came = now();
        co_await photos.push(std::move(p));  // waits while the queue is full
        waited += now() - came;
    }
    seen.at_the_door = std::max(seen.at_the_door, waited);
}
// [/client]

// [queue]
rondo::task<> all_clients(photo_queue& photos, figures& seen) {
    co_await in_bursts(clients, seen, [&] { return client(photos, seen); });
    photos.close();  // sends the workers home
}

rondo::task<> with_a_queue(figures& seen) {
    photo_queue photos(places);  // for what waits, and what is in work
    co_await rondo::when_all(all_clients(photos, seen), worker(photos, seen), worker(photos, seen));
}
// [/queue]

// --- Without ---

// [without]
rondo::task<> handle(photo p, figures& seen) {
    co_await rondo::to_thread(blur, std::ref(p));
    seen.has_done(p);
}

rondo::task<> without_a_queue(figures& seen) {
    co_await in_bursts(a_burst, seen, [&] { return handle(seen.take(), seen); });  // nobody says stop
}
// [/without]

// --- To compare ---

figures measure(rondo::task<> (*way)(figures&)) {
    figures seen;
    bitmap::most = 0;
    rondo::run(way(seen));
    say("    all done");
    seen.most_in_memory = bitmap::most;
    return seen;
}

template <class T>
T middle_of(std::vector<T> all) {
    std::sort(all.begin(), all.end());
    return all[all.size() / 2];
}
template <class T>
T most_of(const std::vector<T>& all) {
    return *std::max_element(all.begin(), all.end());
}

void print(const char* way, const figures& seen) {
    const double mebibytes = static_cast<double>(seen.most_in_memory) * bitmap::bytes / 0x1p20;
    std::printf("%-9s %6zu   %7d = %4.1f MiB   %12zu   %5.2f s   %9.2f s   %5.2f s\n", way, seen.done(),
                seen.most_in_memory, mebibytes, middle_of(seen.others_first), most_of(seen.inside), seen.at_the_door,
                most_of(seen.in_all));
}

int main(int argc, char** argv) {
    example::begin(argc, argv);
    say("with a queue");
    const figures with = measure(with_a_queue);
    say("without a queue");
    const figures without = measure(without_a_queue);

    std::printf("\n          photos     most in memory   others first    inside   at the door    in all\n");
    print("with", with);
    print("without", without);
    claim("both have done all of it", with.done() == bursts * a_burst && without.done() == bursts * a_burst);
    claim("with a queue the clients were held back, and memory stayed flat",
          with.at_the_door > 0 && with.most_in_memory <= places + bursts * clients);
    claim("without one, a whole burst was in memory", without.most_in_memory >= a_burst);
    claim("with a queue, what has been let in is done sooner, before most others",
          middle_of(with.others_first) < middle_of(without.others_first) &&
              middle_of(with.inside) < middle_of(without.inside));
    return example::verdict();
}

// Output:
// [0.0 s] started
// [0.0 s] with a queue
// [0.0 s]     a burst of 100 photos
// [1.0 s]     a burst of 100 photos
// [1.3 s]     all done
// [1.3 s] without a queue
// [1.3 s]     a burst of 100 photos
// [2.3 s]     a burst of 100 photos
// [2.6 s]     all done
//
//           photos     most in memory   others first    inside   at the door    in all
// with         200 ...
// without      200 ...
// true:  both have done all of it
// true:  with a queue the clients were held back, and memory stayed flat
// true:  without one, a whole burst was in memory
// true:  with a queue, what has been let in is done sooner, before most others
