// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// How much a test program has tried, for tests/figures: when RONDO_TALLY names a folder, the program adds its counts to the file tally.txt there.

#include <cstddef>
#include <cstdlib>
#include <fstream>
#include <map>
#include <string>

namespace support {

class tally {
public:
    static void add(const std::string& what, std::size_t count) { one().counts_[what] += count; }

private:
    tally() = default;
    tally(const tally&) = delete;
    tally& operator=(const tally&) = delete;
    ~tally() {
        const char* const folder = std::getenv("RONDO_TALLY");
        if (folder == nullptr) return;
        std::ofstream file(std::string(folder) + "/tally.txt", std::ios::app);
        for (const auto& [what, count] : counts_) file << what << ": " << count << '\n';
    }

    static tally& one() {
        static tally all;
        return all;
    }

    std::map<std::string, std::size_t> counts_;
};

}  // namespace support
