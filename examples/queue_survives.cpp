// Why a message queue, reason 1: the one who does the work may be down or dead at any moment, and the
// one who asks for it should not have to care. Readers send reviews of restaurants; three servers
// store them, and die of everything a server can die of. With a message_queue no review is lost. The
// same evening with a plain queue, for comparison.

#include "claims.hpp"
#include "stopwatch.hpp"

#include <rondo/rondo.hpp>

#include <cstddef>
#include <cstdio>
#include <functional>
#include <map>
#include <set>
#include <stdexcept>
#include <string>

using example::claim;
using example::say;

constexpr int reviews_in_all = 40;
const std::set<int> poison = {13, 27};  // no server survives these

// What becomes of the reviews.
struct evening {
    std::map<int, int> stored;  // review -> how often
    int redelivered = 0;
    int without_power = 0;  // servers that the power cut has hit
    std::set<int> dead_letters;

    int lost() const {
        int n = 0;
        for (int review = 1; review <= reviews_in_all; ++review) {
            n += !stored.contains(review) && !dead_letters.contains(review);
        }
        return n;
    }
};

struct crash : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// [store]
rondo::task<> store(int review, std::size_t attempt, evening& tonight) {
    co_await rondo::sleep(example::second / 20);
    if (poison.contains(review)) {
        throw crash("cannot bear review " + std::to_string(review));
    }
    if (review % 10 == 4 && attempt == 1) {
        throw crash("dies in the middle of review " + std::to_string(review));
    }
    ++tonight.stored[review];
    if (review % 10 == 9 && attempt == 1) {
        throw crash("has stored review " + std::to_string(review) + ", and dies before it can say so");
    }
}
// [/store]

// [server]
using review_queue = rondo::message_queue<int>;

rondo::task<> server(review_queue& reviews, evening& tonight) {
    while (auto review = co_await reviews.receive()) {  // a lease: the review stays in the queue
        tonight.redelivered += review->attempt() > 1;
        co_await store(**review, review->attempt(), tonight);
        review->ack();  // now it leaves the queue
    }
}
// [/server]

// [plain]
using plain_queue = rondo::bounded_queue<int>;

rondo::task<> plain_server(plain_queue& reviews, evening& tonight) {
    while (const auto review = co_await reviews.pop()) {  // from now on this server alone has it
        co_await store(*review, 1, tonight);
    }
}
// [/plain]

struct electricity {
    electricity() { is_there.set(); }

    rondo::event is_there;
    rondo::event is_cut;
    int hit = 0;  // servers that ran when it was cut
};

// [supervisor]
// Starts a server, and another one whenever it has died. It need not know what the dead one was at.
rondo::task<> keep_running(std::string name, std::function<rondo::task<>()> start, electricity& power) {
    for (;;) {
        co_await power.is_there.wait();
        try {
            const auto end = co_await rondo::when_any(start(), power.is_cut.wait());
            if (end.index() == 0) {
                co_return;  // the queue is closed, and nothing is left to do
            }
            ++power.hit;
        } catch (const crash& reason) {
            say(name, " ", reason.what());
        }
        co_await rondo::sleep(example::second / 10);  // nobody is there for a while
    }
}
// [/supervisor]

// [readers]
template <class Queue>
rondo::task<> reader(Queue& reviews, int first) {
    for (int review = first; review <= reviews_in_all; review += 2) {
        co_await reviews.push(review);  // knows nothing of servers
        co_await rondo::sleep(example::second / 40);
    }
}

template <class Queue>
rondo::task<> readers(Queue& reviews) {
    co_await rondo::when_all(reader(reviews, 1), reader(reviews, 2));
    reviews.close();
}
// [/readers]

template <class Queue>
rondo::task<> cut_power(Queue& reviews, electricity& power) {
    co_await rondo::sleep(example::second * 73 / 100);
    say("power cut: the servers die where they are");
    power.is_there.reset();
    power.is_cut.set();
    co_await rondo::sleep(example::second / 5);
    say("it hit ", power.hit, " at work; nobody is there, and ", reviews.size(), " reviews wait");
    power.is_cut.reset();
    power.is_there.set();
}

template <class Queue>
rondo::task<> an_evening(Queue& reviews, evening& tonight, std::function<rondo::task<>()> start) {
    electricity power;
    co_await rondo::when_all(readers(reviews), cut_power(reviews, power), keep_running("A", start, power),
                             keep_running("B", start, power), keep_running("C", start, power));
    tonight.without_power = power.hit;
}

evening with_message_queue() {
    evening tonight;
    rondo::bounded_queue<int> dead_letters(reviews_in_all);
    review_queue reviews(reviews_in_all);
    reviews.dead_letters(3, dead_letters);  // what has killed three servers is not given to a fourth
    rondo::run(an_evening(reviews, tonight, [&] { return server(reviews, tonight); }));
    while (const auto review = dead_letters.try_pop()) {
        tonight.dead_letters.insert(*review);
    }
    return tonight;
}

evening with_plain_queue() {
    evening tonight;
    plain_queue reviews(reviews_in_all);
    rondo::run(an_evening(reviews, tonight, [&] { return plain_server(reviews, tonight); }));
    return tonight;
}

void print(const char* queue, const evening& tonight) {
    int twice = 0;
    for (const auto& [review, times] : tonight.stored) {
        twice += times > 1;
    }
    std::printf("%-13s  %4d  %6zu  %11d  %12d  %12zu  %4d\n", queue, reviews_in_all, tonight.stored.size(),
                tonight.redelivered, twice, tonight.dead_letters.size(), tonight.lost());
}

int main(int argc, char** argv) {
    example::begin(argc, argv);
    const evening kept = with_message_queue();
    say("the same with a plain queue");
    const evening plain = with_plain_queue();

    std::printf("\n               sent  stored  redelivered  stored twice  dead letters  lost\n");
    print("message_queue", kept);
    print("bounded_queue", plain);
    claim("the message queue has lost nothing", kept.lost() == 0);
    claim("the dead letters are what no server can bear, and nothing else", kept.dead_letters == poison);
    claim("the power cut has hit servers at work, on both evenings", kept.without_power > 0 && plain.without_power > 0);
    claim("the plain queue has lost what its servers died with", plain.lost() > 0);
    return example::verdict();
}

// Output:
// [0.0 s] started
// ...
// [0.7 s] power cut: the servers die where they are
// ...
// [1.5 s] the same with a plain queue
// ...
//                sent  stored  redelivered  stored twice  dead letters  lost
// message_queue    40      38 ... 2     0
// bounded_queue    40      ... 0             0             0 ...
// true:  the message queue has lost nothing
// true:  the dead letters are what no server can bear, and nothing else
// true:  the power cut has hit servers at work, on both evenings
// true:  the plain queue has lost what its servers died with
