// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

#include <support/leak_check.hpp>

#include <rondo/debug.hpp>
#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <catch2/catch_test_macros.hpp>

#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <optional>
#include <regex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using rondo::task;
using rondo::debug::timeline;

namespace {

/// What a trace says of one lane: "wait from to", in milliseconds since the first task began, in their order.
class trace {
public:
    explicit trace(const timeline& t) : text_(t.trace_json()) {
        const std::regex first(R"re("ph":"X","pid":1,"tid":1,"name":".*?","ts":([\d.]+))re");
        if (std::smatch m; std::regex_search(text_, m, first)) begin_ = std::stod(m[1]);
    }

    std::vector<std::string> lanes() const {
        std::vector<std::string> names;
        for_each(R"re("ph":"M","pid":1,"tid":\d+,"name":"thread_name","args":\{"name":"(.*?)"\})re",
                 [&](const std::smatch& m) { names.push_back(m[1]); });
        return names;
    }
    /// The spans of that lane, but for steps, which take no time here.
    std::vector<std::string> waits(const std::string& lane) const { return spans(lane, "\"name\":\"(?!runs)"); }
    std::size_t runs(const std::string& lane) const { return spans(lane, "\"name\":\"(?=runs)").size(); }
    std::vector<std::string> spans(const std::string& lane, const std::string& with = "\"name\":\"") const {
        std::vector<std::string> found;
        const std::vector<std::string> names = lanes();
        for (std::size_t l = 0; l < names.size(); ++l) {
            if (names[l] != lane) continue;
            for_each(
                "\"ph\":\"X\",\"pid\":1,\"tid\":" + std::to_string(l) + "," + with +
                    R"re((.*?)","ts":([\d.]+),"dur":([\d.]+))re",
                [&](const std::smatch& m) {
                    const double from = std::stod(m[2]);
                    found.push_back(m[1].str() + ' ' + milliseconds(from) + ' ' + milliseconds(from + std::stod(m[3])));
                });
        }
        return found;
    }
    std::vector<std::string> marks() const {
        std::vector<std::string> found;
        for_each(R"re("ph":"i","pid":1,"tid":(\d+),"name":"(.*?)","ts":([\d.]+))re", [&](const std::smatch& m) {
            found.push_back(lanes().at(std::stoul(m[1])) + ": " + m[2].str() + ' ' + milliseconds(std::stod(m[3])));
        });
        return found;
    }
    const std::string& text() const { return text_; }

private:
    template <class F>
    void for_each(const std::string& pattern, F f) const {
        const std::regex wanted(pattern);
        for (auto m = std::sregex_iterator(text_.begin(), text_.end(), wanted); m != std::sregex_iterator(); ++m) f(*m);
    }
    std::string milliseconds(double microseconds) const {
        return std::to_string(std::lround((microseconds - begin_) / 1000));
    }

    std::string text_;
    double begin_ = 0;
};

using list = std::vector<std::string>;

task<> download(timeline& t, int ms) {
    co_await rondo::sleep(std::chrono::milliseconds(ms));
    t.note("done");
}
task<> in_a_row(timeline& t) {
    for (int n = 1; n <= 3; ++n) co_await download(t, 10 * n);
}
task<> at_once(timeline& t) { co_await rondo::when_all(download(t, 10), download(t, 20), download(t, 30)); }

/// Time outside of loops is real: only what was recorded in the loop is compared.
timeline& run(timeline& t, task<> main) {
    rondo::testing::run(std::move(main));
    return t;
}

struct box {
    std::string kind;
    double x, y, width, height;
};
std::vector<box> boxes(const std::string& svg) {
    std::vector<box> found;
    const std::regex rect(
        R"re(<rect class="(\w+)" x="([-\d.]+)" y="([-\d.]+)" width="([-\d.]+)" height="([-\d.]+)")re");
    for (auto m = std::sregex_iterator(svg.begin(), svg.end(), rect); m != std::sregex_iterator(); ++m)
        found.push_back({(*m)[1], std::stod((*m)[2]), std::stod((*m)[3]), std::stod((*m)[4]), std::stod((*m)[5])});
    return found;
}
std::size_t count(std::string_view text, std::string_view what) {
    std::size_t n = 0;
    for (std::size_t at = text.find(what); at != std::string_view::npos; at = text.find(what, at + 1)) ++n;
    return n;
}

}  // namespace

TEST_CASE("downloads in a row are waits of one lane, one after another") {
    timeline t;
    const trace seen(run(t, in_a_row(t)));
    CHECK(seen.lanes() == list{"the thread", "main"});
    CHECK(seen.waits("main") == list{"sleep 0 10", "sleep 10 30", "sleep 30 60"});
    CHECK(seen.runs("main") == 4);
}

TEST_CASE("downloads at once have a lane each, below the one that waits for them") {
    timeline t;
    const trace seen(run(t, at_once(t)));
    CHECK(seen.lanes() == list{"the thread", "main", "download 1", "download 2", "download 3"});
    CHECK(seen.waits("main") == list{"when_all 0 30"});
    CHECK(seen.waits("download 1") == list{"sleep 0 10"});
    CHECK(seen.waits("download 2") == list{"sleep 0 20"});
    CHECK(seen.waits("download 3") == list{"sleep 0 30"});
}

TEST_CASE("a mark stands in the lane of the task that makes it, at its time") {
    timeline t;
    t.note("before");
    const trace seen(run(t, at_once(t)));
    CHECK(seen.marks() ==
          list{"the thread: before 0", "download 1: done 10", "download 2: done 20", "download 3: done 30"});
}

TEST_CASE("a mark of the parent that goes on in the step of its last child is the parent's") {
    timeline t;
    const auto main = [](timeline& at) -> task<> {
        co_await at_once(at);
        at.note("all done");
    };
    const trace seen(run(t, main(t)));
    CHECK(seen.marks().front() == "main: all done 30");
}

TEST_CASE("a joiner waits for a task by name, also when that has not begun yet") {
    timeline t;
    const auto main = [](timeline& at) -> task<> {
        auto alice = rondo::spawn(download(at, 5), "alice");
        co_await alice;
        auto bob = rondo::spawn(download(at, 5), "bob");
        co_await rondo::yield();
        co_await bob;
    };
    const trace seen(run(t, main(t)));
    CHECK(seen.waits("main") == list{"join_handle of alice 0 5", "join_handle of bob 5 10"});
}

TEST_CASE("a task in the place of one that has ended has a lane of its own") {
    timeline t;
    const auto main = []() -> task<> {
        const auto nap = []() -> task<> { co_await rondo::sleep(1ms); };
        for (int n = 0; n < 3; ++n) co_await rondo::spawn(nap(), "napper");
    };
    const trace seen(run(t, main()));
    CHECK(seen.lanes() == list{"the thread", "main", "napper", "napper", "napper"});
}

TEST_CASE("the lane of a task that is cancelled ends then") {
    timeline t;
    const auto main = [](timeline& at) -> task<> {
        auto late = rondo::spawn(download(at, 100), "late");
        co_await rondo::sleep(20ms);
        late.cancel();
        co_await rondo::sleep(20ms);
    };
    const trace seen(run(t, main(t)));
    CHECK(seen.waits("late") == list{"sleep 0 20"});
}

TEST_CASE("the lanes of the losers end when somebody has won") {
    timeline t;
    const auto main = [](timeline& at) -> task<> {
        co_await rondo::when_any(download(at, 10), download(at, 20));
        co_await rondo::when_any(download(at, 10), download(at, 20));
    };
    const trace seen(run(t, main(t)));
    CHECK(seen.waits("download 2") == list{"sleep 0 10"});
    CHECK(seen.waits("download 4") == list{"sleep 10 20"});
}

TEST_CASE("the tasks of a group have lanes below that of the group") {
    timeline t;
    const auto main = [](timeline& at) -> task<> {
        const auto body = [&at](rondo::task_group& group) -> task<> {
            group.spawn(download(at, 10), "one");
            co_await rondo::sleep(1ms);
            group.spawn(download(at, 10), "two");
        };
        co_await rondo::with_task_group(body);
    };
    const trace seen(run(t, main(t)));
    CHECK(seen.waits("one") == list{"sleep 0 10"});
    CHECK(seen.waits("two") == list{"sleep 1 11"});
    const std::string svg = t.svg();
    std::smatch one, main_row;
    REQUIRE(std::regex_search(svg, one, std::regex(R"re(<text class="name" x="([\d.]+)"[^>]*>one<)re")));
    REQUIRE(std::regex_search(svg, main_row, std::regex(R"re(<text class="name" x="([\d.]+)"[^>]*>main<)re")));
    CHECK(std::stod(one[1]) > std::stod(main_row[1]));
}

TEST_CASE("a body of a generator counts for the task that asks it") {
    timeline t;
    const auto main = []() -> task<> {
        const auto numbers = []() -> rondo::async_generator<int> {
            for (int n = 1; n <= 2; ++n) {
                co_await rondo::sleep(5ms);
                co_yield n;
            }
        };
        auto g = numbers();
        while (auto n = co_await g.next()) co_await rondo::sleep(1ms);
    };
    const trace seen(run(t, main()));
    CHECK(seen.waits("main") == list{"sleep 0 5", "sleep 5 6", "sleep 6 11", "sleep 11 12"});
}

TEST_CASE("a chain of tasks deeper than starts may nest is still one lane") {
    timeline t;
    struct chain {
        static task<> link(int depth) {
            if (depth == 0)
                co_await rondo::sleep(7ms);
            else
                co_await link(depth - 1);
        }
    };
    const trace seen(run(t, chain::link(200)));
    CHECK(seen.lanes() == list{"the thread", "main"});
    CHECK(seen.waits("main") == list{"sleep 0 7"});
}

TEST_CASE("a recording that begins inside a task has what comes after") {
    const auto main = []() -> task<> {
        timeline t;
        co_await rondo::sleep(10ms);
        co_await rondo::sleep(20ms);
        const trace seen(t);
        CHECK(seen.lanes() == list{"the thread", "main"});
        const list waits = seen.waits("main");
        REQUIRE(waits.size() == 1);            // what it waited for when the recording began is not known
        CHECK(waits.front() == "sleep 0 20");  // counted from the first thing that is known of it
    };
    rondo::testing::run(main());
}

TEST_CASE("a recording that ends inside a task leaves no trace in what goes on") {
    timeline around;
    const auto main = [](timeline& at) -> task<> {
        {
            const timeline inner;
            co_await rondo::sleep(1ms);
        }
        co_await at_once(at);
    };
    const trace seen(run(around, main(around)));
    CHECK(seen.waits("download 3") == list{"sleep 1 31"});
}

TEST_CASE("several loops on the thread come one after another") {
    timeline t;
    run(t, in_a_row(t));
    run(t, in_a_row(t));
    const trace seen(t);
    CHECK(seen.lanes() == list{"the thread", "main", "main"});
}

TEST_CASE("a full recording says so, and what it has stays") {
    timeline t(10);
    run(t, at_once(t));
    CHECK(t.is_full());
    CHECK(t.svg().find("(the recording was full)") != std::string::npos);
    CHECK_FALSE(trace(t).lanes().empty());
}

TEST_CASE("a full recording ends where it became full") {
    timeline t(10);
    const auto main = [&]() -> task<> {
        co_await at_once(t);
        co_await rondo::sleep(1h);
    };
    const trace seen(run(t, main()));
    CHECK(t.is_full());
    for (const std::string& lane : seen.lanes())
        for (const std::string& span : seen.spans(lane)) CHECK(std::stol(span.substr(span.rfind(' '))) < 1000);
}

TEST_CASE("with shuffled steps the waits are the same") {
    timeline t;
    rondo::testing::shuffled loop(7);
    loop.run(at_once(t));
    CHECK(trace(t).waits("download 2") == list{"sleep 0 20"});
}

TEST_CASE("a late task is drawn as late from when it was due") {
    timeline t;
    auto d = std::make_unique<rondo::testing::virtual_driver>();
    rondo::testing::virtual_driver& driver = *d;
    driver.advance(24h);  // the loop's clock is not the recording's
    rondo::event_loop loop(std::move(d));
    loop.spawn(download(t, 10), "patient");
    const auto worker = [](rondo::testing::virtual_driver& at) -> task<> {
        co_await rondo::yield();
        at.advance(40ms);
    };
    loop.run(worker(driver));
    loop.run();
    const std::string svg = t.svg();
    CHECK(std::regex_search(svg, std::regex("late by (29[.]9|3)")));  // in between, time was real
    bool has_late = false;
    for (const box& b : boxes(svg)) has_late = has_late || (b.kind == "late" && b.width > 100);
    CHECK(has_late);
}

TEST_CASE("every box of a picture lies in it, and no wait covers another of its row") {
    timeline t;
    run(t, at_once(t));
    run(t, in_a_row(t));
    const std::string svg = t.svg("three & <more>");
    const std::vector<box> all = boxes(svg);
    REQUIRE(all.size() > 10);
    const box page = all.front();
    REQUIRE(page.kind == "page");
    for (const box& b : all) {
        CHECK(b.x >= 0);
        CHECK(b.width > 0);
        CHECK(b.y >= 0);
        CHECK(b.height > 0);
        CHECK(b.x + b.width <= page.width);
        CHECK(b.y + b.height <= page.height);
        for (const box& other : all)
            if (&b != &other && b.kind == "waits" && other.kind == "waits" && b.y == other.y)
                CHECK((b.x + b.width <= other.x + 0.15 || other.x + other.width <= b.x + 0.15));
    }
    CHECK(count(svg, "three &amp; &lt;more&gt;") == 2);
}

TEST_CASE("a picture has so many rows, and says how many lanes it leaves out") {
    timeline t;
    const auto many = [](timeline& at) -> task<> {
        std::vector<task<>> all;
        for (int n = 0; n < 100; ++n) all.push_back(download(at, 10));
        co_await rondo::when_all(std::move(all));
    };
    run(t, many(t));
    const std::string svg = t.svg("", 12);
    CHECK(count(svg, "class=\"name\"") == 12);
    CHECK(svg.find("and 90 more") != std::string::npos);
    CHECK(trace(t).lanes().size() == 102);
}

TEST_CASE("names that are no text, or no UTF-8, make a picture and a trace that can be read") {
    timeline t;
    const auto main = [](timeline& at) -> task<> {
        auto odd = rondo::spawn(download(at, 5), "\"quoted\" \\ \x01 \xff\xc0\xaf\xed\xa0\x80 gr\xc3\xbc\xc3\x9f");
        co_await odd;
        at.note("tab\there\nand line");
    };
    run(t, main(t));
    const std::string svg = t.svg();
    CHECK(svg.find("&quot;quoted&quot; \\ ? ?") != std::string::npos);
    CHECK(svg.find("gr\xc3\xbc") != std::string::npos);
    CHECK(svg.find('\x01') == std::string::npos);
    CHECK(svg.find('\xff') == std::string::npos);
    const std::string json = t.trace_json();
    CHECK(json.find("\\\"quoted\\\" \\\\ ? ??") != std::string::npos);
    CHECK(json.find("tab\\there\\nand line") != std::string::npos);
}

TEST_CASE("a recording without a loop shows the thread alone") {
    const timeline t;
    CHECK(trace(t).lanes() == list{"the thread"});
    CHECK(count(t.svg("nothing"), "class=\"name\"") == 1);
}

TEST_CASE("a picture is bounded, however many steps there were") {
    timeline t;
    const auto busy = []() -> task<> {
        for (int n = 0; n < 20'000; ++n) co_await rondo::sleep(1ms);
    };
    run(t, busy());
    CHECK(t.svg().size() < 1'000'000);
    CHECK(trace(t).text().size() > 1'000'000);
}

TEST_CASE("a loop that ends inside a task leaves the time, the lane and the marks of that task alone") {
    timeline t;
    const auto main = [&]() -> task<> {
        co_await rondo::sleep(10ms);
        {
            rondo::event_loop other(std::make_unique<rondo::testing::virtual_driver>());
            other.spawn([]() -> task<> { co_await rondo::sleep(1h); });
        }
        t.note("after it");
        co_await rondo::sleep(20ms);
    };
    const trace seen(run(t, main()));
    CHECK(seen.waits("main") == list{"sleep 0 10", "sleep 10 30"});
    CHECK(seen.marks() == list{"main: after it 10"});
}

TEST_CASE("a recording that begins while a loop ends inside a task goes on in the loop outside, if that is watched") {
    const timeline first;
    std::optional<timeline> t;
    const auto main = [&]() -> task<> {
        {
            rondo::event_loop other(std::make_unique<rondo::testing::virtual_driver>());
            std::shared_ptr<void> begins(nullptr, [&](void*) { t.emplace(); });  // when that loop ends
            const auto holder = [](std::shared_ptr<void>) -> task<> { co_return; };
            other.spawn(holder, std::move(begins));
        }
        co_await rondo::sleep(10ms);
        t->note("outside");
        co_await rondo::sleep(10ms);
    };
    rondo::testing::run(main());
    const trace seen(*t);
    REQUIRE(seen.marks().size() == 1);
    CHECK(seen.marks().front().starts_with("main: outside"));
}

TEST_CASE("a wait for a task that has gone is not taken for a later one in its place") {
    timeline t;
    const auto main = []() -> task<> {
        rondo::join_handle<void> handle;
        const auto nap = []() -> task<> { co_await rondo::sleep(5ms); };
        const auto cancel = [](rondo::join_handle<void>& h) -> task<> {
            h.cancel();
            co_return;
        };
        rondo::spawn(cancel, std::ref(handle));
        handle = rondo::spawn(nap(), "A");
        {
            const rondo::outcome<void> end = co_await handle.settled();
            CHECK(end.is_cancelled());
        }
        handle = rondo::join_handle<void>();
        auto later = rondo::spawn(nap(), "B");  // where A was, as a rule
        co_await rondo::sleep(1ms);
        later.cancel();
    };
    const trace seen(run(t, main()));
    CHECK(seen.text().find("sleep of B") == std::string::npos);
}

TEST_CASE("what is due at the end of time is recorded without an overflow") {
    timeline t;
    const auto main = []() -> task<> {
        const auto late = []() -> task<> { co_await rondo::sleep_until((rondo::time_point::max)() - 1ns); };
        const auto end = co_await rondo::try_with_timeout(1s, late());
        CHECK_FALSE(end);
    };
    const trace seen(run(t, main()));
    CHECK(seen.text().find("\"ts\":-") == std::string::npos);
}

TEST_CASE("deep nesting leaves room for the boxes") {
    timeline t;
    struct nested {
        static task<> in(int depth) {
            co_await rondo::sleep(1ms);
            if (depth > 0) co_await rondo::when_all(in(depth - 1), in(0));
        }
    };
    run(t, nested::in(100));
    for (const box& b : boxes(t.svg("", 300))) {
        CHECK(b.x >= 0);
        CHECK(b.width >= 0);
        CHECK(b.x + b.width <= 960);
    }
}

TEST_CASE("a hundred thousand marks of one task cost no more than they are many") {
    timeline t;
    const auto main = [&]() -> task<> {
        for (int n = 0; n < 100'000; ++n) {
            t.note("a mark");
            if (n % 100 == 0) co_await rondo::sleep(1ms);
        }
    };
    run(t, main());
    CHECK(count(t.svg(), "<circle") == 100'000);  // at once, and not after minutes
}
