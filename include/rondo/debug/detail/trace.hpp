// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// A recording in the trace event format of Chrome and Perfetto.

#include <rondo/debug/detail/markup.hpp>
#include <rondo/debug/detail/place.hpp>
#include <rondo/debug/detail/recording.hpp>

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace rondo::inline RONDO_ABI::detail {

class trace_writer {
public:
    explicit trace_writer(const recording& r) : from_(r) {}

    std::string write() {
        text_ = "{\"traceEvents\":[\n";
        for (std::size_t l = 0; l < from_.lanes.size(); ++l) {
            event(l, "M", "thread_name", ",\"args\":{\"name\":\"" + json(from_.name_of(l)) + "\"}");
            event(l, "M", "thread_sort_index", ",\"args\":{\"sort_index\":" + std::to_string(l) + "}");
            const lane& one = from_.lanes[l];
            for (const span& s : one.spans) {
                const duration end = from_.end_of(s);
                event(l, "X", from_.name_of(l, s),
                      at(s.begin) + ",\"dur\":" + microseconds(end - s.begin) +
                          (is_known(s.at) ? ",\"args\":{\"at\":\"" + json(text_of(s.at)) + "\"}" : ""));
            }
            for (const remark& m : one.remarks) event(l, "i", m.text, at(m.at) + ",\"s\":\"t\"");
        }
        text_.resize(text_.size() - 2);  // the last comma
        return text_ + "\n],\"displayTimeUnit\":\"ms\"}\n";
    }

private:
    static std::string microseconds(duration d) {
        return decimal(std::chrono::duration_cast<std::chrono::nanoseconds>(d).count());
    }
    static std::string at(duration d) { return ",\"ts\":" + microseconds(d); }

    void event(std::size_t l, const char* kind, std::string_view name, const std::string& rest) {
        text_ += "{\"ph\":\"";
        text_ += kind;
        text_ += "\",\"pid\":1,\"tid\":" + std::to_string(l) + ",\"name\":\"" + json(name) + '"' + rest + "},\n";
    }

    const recording& from_;
    std::string text_;
};

}  // namespace rondo::inline RONDO_ABI::detail
