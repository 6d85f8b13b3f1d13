// expect: rondo: a generator's values are awaited: while (auto v = co_await g.next())
#include <rondo/rondo.hpp>

rondo::async_generator<int> count() { co_yield 1; }

rondo::task<> parent() {
#ifdef RONDO_TEST_VALID
    auto g = count();
    while (auto v = co_await g.next()) static_cast<void>(v);
#else
    for (auto v : count()) static_cast<void>(v);
    co_return;
#endif
}
