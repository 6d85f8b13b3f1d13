// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// Numbered letters that go through queues, and where each of them is in the end: read, kept by its sender, or still in a queue.

#include <support/tracked.hpp>

#include <rondo/core/errors.hpp>
#include <rondo/core/task.hpp>
#include <rondo/queue/bounded_queue.hpp>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

namespace support {

using letter_box = rondo::bounded_queue<move_only_tracked>;

class letters {
public:
    letters() = default;
    letters(const letters&) = delete;
    letters& operator=(const letters&) = delete;

    /// A letter that its sender still has when this goes counts as kept.
    class sender {
    public:
        sender(letters& all, int number) : letter(number), all_(all) { all_.written.push_back(number); }
        sender(const sender&) = delete;
        sender& operator=(const sender&) = delete;
        ~sender() {
            if (letter.number() != tracked::moved_from) all_.kept.push_back(letter.number());
        }
        move_only_tracked letter;

    private:
        letters& all_;
    };

    rondo::task<> sends(letter_box& box, int number) {
        sender own(*this, number);
        try {
            co_await box.push(std::move(own.letter));
        } catch (const rondo::queue_closed&) {
            ++refused;
        }
    }

    /// Notes it at once, in the place that belongs to this call.
    rondo::task<> reads(letter_box& box) {
        const std::size_t place = read.size();
        read.push_back(nobody);
        const std::optional<move_only_tracked> got = co_await box.pop();
        if (got) read[place] = got->number();
    }

    /// Takes out what is left in a queue.
    void drain(letter_box& box) {
        while (const auto letter = box.try_pop()) left.push_back(letter->number());
    }

    /// Whether all letters that were written are somewhere, each in one place.
    bool are_all_there() const {
        std::vector<int> all = kept;
        all.insert(all.end(), left.begin(), left.end());
        for (const int number : read)
            if (number != nobody) all.push_back(number);
        return std::is_permutation(all.begin(), all.end(), written.begin(), written.end());
    }
    std::size_t number_read() const {
        return read.size() - static_cast<std::size_t>(std::count(read.begin(), read.end(), nobody));
    }

    static constexpr int nobody = -2;

    int refused = 0;           // by a closed queue
    std::vector<int> written;  // in the order in which push was called
    std::vector<int> read;     // in the order in which pop was called; nobody: that call has brought nothing
    std::vector<int> kept;
    std::vector<int> left;
};

}  // namespace support
