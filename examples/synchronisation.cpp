// Tasks that wait for one another: mutex, event, latch, barrier, condition_variable. With one thread
// they are not there to protect data between two lines, but to keep order across a co_await.

#include "stopwatch.hpp"

#include <rondo/rondo.hpp>

#include <deque>
#include <string>

using example::say;

// [mutex]
rondo::task<> print_letter(rondo::mutex& printer, std::string letter) {
    const auto guard = co_await printer.scoped_lock();  // in the order in which they come
    say(letter, ", page 1");
    co_await rondo::sleep(example::second / 10);
    say(letter, ", page 2");
}
// [/mutex]

// [event]
rondo::task<> horse(std::string name, rondo::event& start, rondo::latch& arrived, int tenths) {
    co_await start.wait();  // all go when it is set
    co_await rondo::sleep(example::second * tenths / 10);
    say(name, " has arrived");
    arrived.count_down();
}

rondo::task<> judge(rondo::event& start, rondo::latch& arrived) {
    say("go!");
    start.set();
    co_await arrived.wait();  // until it has been counted down to zero
    say("both have arrived");
}
// [/event]

// [barrier]
rondo::task<> hiker(std::string name, rondo::barrier& together, int tenths) {
    for (int hut = 1; hut <= 2; ++hut) {
        co_await rondo::sleep(example::second * tenths / 10);
        say(name, " is at hut ", hut);
        co_await together.arrive_and_wait();  // nobody goes on before all are here
    }
}
// [/barrier]

// [condition]
rondo::task<> eat(rondo::mutex& kitchen, rondo::condition_variable& cooked, std::deque<std::string>& plates) {
    auto guard = co_await kitchen.scoped_lock();
    co_await cooked.wait(guard, [&] { return plates.size() >= 2; });  // gives the kitchen up meanwhile
    say("dinner: ", plates[0], " and ", plates[1]);
}

rondo::task<> cook(rondo::mutex& kitchen, rondo::condition_variable& cooked, std::deque<std::string>& plates) {
    for (const char* const dish : {"soup", "salad"}) {
        const auto guard = co_await kitchen.scoped_lock();
        co_await rondo::sleep(example::second / 10);
        plates.push_back(dish);
        cooked.notify_one();
    }
}
// [/condition]

rondo::task<> all() {
    rondo::mutex printer;
    co_await rondo::when_all(print_letter(printer, "letter A"), print_letter(printer, "letter B"));
    rondo::event start;
    rondo::latch arrived(2);
    co_await rondo::when_all(horse("Spot", start, arrived, 4), horse("Bella", start, arrived, 2),
                             judge(start, arrived));
    rondo::barrier together(2);
    co_await rondo::when_all(hiker("Ida", together, 1), hiker("Olaf", together, 3));
    rondo::mutex kitchen;
    rondo::condition_variable cooked;
    std::deque<std::string> plates;
    co_await rondo::when_all(eat(kitchen, cooked, plates), cook(kitchen, cooked, plates));
}

int main(int argc, char** argv) {
    example::begin(argc, argv);
    rondo::run(all());
}

// Output:
// [0.0 s] started
// [0.0 s] letter A, page 1
// [0.1 s] letter A, page 2
// [0.1 s] letter B, page 1
// [0.2 s] letter B, page 2
// [0.2 s] go!
// [0.4 s] Bella has arrived
// [0.6 s] Spot has arrived
// [0.6 s] both have arrived
// [0.7 s] Ida is at hut 1
// [0.9 s] Olaf is at hut 1
// [1.0 s] Ida is at hut 2
// [1.2 s] Olaf is at hut 2
// [1.4 s] dinner: soup and salad
