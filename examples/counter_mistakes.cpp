// Four ways in which a coroutine can wait for a burger. Three of them are mistakes. Beside the
// customer, on the same thread, sits a guest with a drink, who would like to sip every three tenths of
// a second.

#include "counter.hpp"

#include <rondo/rondo.hpp>

#include <cstdio>

using counter::customer;
using example::claim;

// [waits]
rondo::task<> call_that_blocks(counter::kitchen& burgers) {
    burgers.order();
    burgers.wait_until_ready();  // keeps the thread, and with it everybody who lives on it
    co_return;
}

rondo::task<> ask_and_ask(counter::kitchen& burgers) {
    burgers.order();
    while (!burgers.is_ready()) {  // no call blocks, but together they do: none gives control to the loop
    }
    co_return;
}

rondo::task<> ask_and_yield(counter::kitchen& burgers) {
    burgers.order();
    while (!burgers.is_ready()) {
        co_await rondo::yield();  // lets others go first, but never lets the processor rest
    }
}

rondo::task<> wait_to_be_told(counter::kitchen& burgers) {
    co_await rondo::from_callback([&](rondo::callback<> buzzer) { burgers.order(buzzer); });
}
// [/waits]

rondo::task<> sip(int& sips) {
    for (;;) {
        co_await rondo::sleep(example::second * 3 / 10);
        counter::tell(0, "    guest sips");
        ++sips;
    }
}

struct measured {
    const char* how;
    int asked;
    int sips;     // of the guest, while the customer waited
    double busy;  // for what part of this time a processor worked
};

rondo::task<measured> beside_a_guest(const char* how, rondo::task<> (*wait)(counter::kitchen&)) {
    customer(how);
    counter::kitchen burgers;
    int sips = 0;
    co_await rondo::when_any(sip(sips), wait(burgers));

    example::control_record& record = example::thread_record;
    record.hand_to(example::control::own_code);
    const double busy = record.cpu_time() / record.length();
    co_return measured{how, burgers.asked(), sips, busy};
}

int main(int argc, char** argv) {
    counter::open(argc, argv);
    const measured blocked = rondo::run(beside_a_guest("makes a call that blocks", call_that_blocks));
    const measured asked = rondo::run(beside_a_guest("asks again and again", ask_and_ask));
    const measured yielded = rondo::run(beside_a_guest("asks, and yields", ask_and_yield));
    const measured told = rondo::run(beside_a_guest("waits to be told", wait_to_be_told));

    std::printf("\nthe customer                    asked   the guest sipped   a processor was busy\n");
    for (const measured& m : {blocked, asked, yielded, told}) {
        std::printf("%-24s   %10d   %10d times   %16.0f %%\n", m.how, m.asked, m.sips, 100 * m.busy);
    }
    claim("a call that blocks: the guest stands still", blocked.sips == 0 && blocked.busy < 0.5);
    claim("asking again and again: he stands still, too, and a processor works for nothing",
          asked.sips == 0 && asked.busy > 0.05);
    claim("with yield: he goes on, but a processor works for nothing", yielded.sips > 0 && yielded.busy > 0.05);
    claim("waiting to be told: he goes on, and the processor rests", told.sips > 0 && told.busy < 0.5);
    return example::verdict();
}

// Output:
// [0.0 s] started
// [0.0 s] customer makes a call that blocks
// [0.0 s]                                         kitchen begins a burger
// [1.0 s]                                         kitchen has it ready
// [1.0 s] customer asks again and again
// [1.0 s]                                         kitchen begins a burger
// [2.0 s]                                         kitchen has it ready
// [2.0 s] customer asks, and yields
// [2.0 s]                                         kitchen begins a burger
// [2.3 s]     guest sips
// ...
// [3.0 s] customer waits to be told
// [3.0 s]                                         kitchen begins a burger
// [3.3 s]     guest sips
// ...
// the customer                    asked   the guest sipped   a processor was busy
// makes a call that blocks            1            0 times                ... %
// asks again and again       ...            0 times                ... %
// asks, and yields           ... times                ... %
// waits to be told                    0            ... times                ... %
// true:  a call that blocks: the guest stands still
// true:  asking again and again: he stands still, too, and a processor works for nothing
// true:  with yield: he goes on, but a processor works for nothing
// true:  waiting to be told: he goes on, and the processor rests
