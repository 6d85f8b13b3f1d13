// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

// Tasks that wait, fail, spawn, join, cancel and drop one another, also under when_all.

#include <support/random_program.hpp>

#include <cstddef>
#include <cstdint>
#include <fuzz/judge.hpp>
#include <string>
#include <utility>
#include <vector>

namespace {

class world {
public:
    explicit world(support::choices c) : choices_(std::move(c)) {}
    world(const world&) = delete;
    world& operator=(const world&) = delete;

    std::size_t run_scenario() {
        constexpr int turns = 300;
        const bool combinators = choices_.pick(2) == 0;
        for (const std::string& one : support::random_program::run(choices_, turns, combinators)) violations_ += one;
        return turns;
    }
    const std::string& objection() const { return violations_; }
    std::string history() const { return std::string(); }

private:
    support::choices choices_;
    std::string violations_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    fuzz::judge<world>(support::choices(bytes, size));
    return 0;
}
