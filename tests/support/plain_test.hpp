// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// TEST_CASE and CHECK for programs without exceptions, which Catch2 cannot serve. Holds main(): include it once.
// After each test it looks for leaks, as leak_check.hpp does.

#include <support/tracked.hpp>

#include <rondo/testing/frames.hpp>

#include <cstdio>
#include <vector>

namespace support {

class plain_test {
public:
    plain_test(const char* name, void (*body)()) : name_(name), body_(body) { all().push_back(this); }
    plain_test(const plain_test&) = delete;
    plain_test& operator=(const plain_test&) = delete;

    static void check(bool good, const char* expression, const char* file, int line) {
        if (good) return;
        failed() = true;
        std::printf("%s:%d: failed: %s\n", file, line, expression);
    }

    static int run_all() {
        for (const plain_test* test : all()) {
            std::printf("%s\n", test->name_);
            test->body_();
            check(rondo::testing::live_frames() == 0, "no frame is left", test->name_, 0);
            check(tracked::live() == 0, "no tracked value is left", test->name_, 0);
        }
        std::puts(failed() ? "FAILED" : "passed");
        return failed() ? 1 : 0;
    }

private:
    static std::vector<const plain_test*>& all() {
        static std::vector<const plain_test*> tests;
        return tests;
    }
    static bool& failed() {
        static bool any = false;
        return any;
    }

    const char* name_;
    void (*body_)();
};

}  // namespace support

#define SUPPORT_JOIN_(a, b) a##b
#define SUPPORT_JOIN(a, b) SUPPORT_JOIN_(a, b)
#define SUPPORT_TEST(body, name)                                         \
    static void body();                                                  \
    static const support::plain_test SUPPORT_JOIN(body, _)(name, &body); \
    static void body()

#define TEST_CASE(name) SUPPORT_TEST(SUPPORT_JOIN(test_at_line_, __LINE__), name)
#define CHECK(...) support::plain_test::check(static_cast<bool>(__VA_ARGS__), #__VA_ARGS__, __FILE__, __LINE__)

int main() { return support::plain_test::run_all(); }
