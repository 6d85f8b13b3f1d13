// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// A recording as an SVG picture: a row for each lane, time from left to right.

#include <rondo/debug/detail/markup.hpp>
#include <rondo/debug/detail/place.hpp>
#include <rondo/debug/detail/recording.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace rondo::inline RONDO_ABI::detail {

class drawing {
public:
    drawing(const recording& r, std::size_t rows)
        : from_(r), rows_((std::min)(rows, r.lanes.size())), total_((std::max)(r.end, duration(1))) {
        std::size_t longest = 0;
        for (std::size_t l = 0; l < rows_; ++l) longest = (std::max)(longest, indent(l) + label(l).size());
        left_ = margin + letter * static_cast<double>(longest) + 12;
    }

    std::string draw(std::string_view title) {
        const bool is_cut = rows_ < from_.lanes.size() || from_.is_full;
        const double top = title.empty() ? margin : margin + 28;
        const double bottom = top + row * static_cast<double>(rows_ + (is_cut ? 1 : 0)) + 4;
        text_.clear();
        begin(title, bottom + 56);
        axis(top, bottom);
        for (std::size_t l = 0; l < rows_; ++l) draw_row(l, top + row * static_cast<double>(l));
        if (is_cut) {
            const std::size_t left_out = from_.lanes.size() - rows_;
            write(margin, bottom - row / 2, "dim",
                  (left_out != 0 ? "and " + std::to_string(left_out) + " more " : std::string()) +
                      (from_.is_full ? "(the recording was full)" : ""));
        }
        legend(bottom + 44);
        return text_ + "</svg>\n";
    }

private:
    static constexpr double width = 960, margin = 16, right = width - 24, row = 26, bar = 14, letter = 6.6,
                            small_letter = 6, mark = 3;
    static constexpr std::size_t longest_label = 32;

    /// A piece of a row where something is written.
    using piece = std::pair<double, double>;

    std::string label(std::size_t l) const {
        std::string name = from_.name_of(l);
        if (name.size() <= longest_label) return name;
        name.resize(longest_label - 3);
        return name + "...";
    }

    /// In letters; what is nested deeper stands no further to the right.
    std::size_t indent(std::size_t l) const noexcept { return 2 * (std::min)(from_.lanes[l].depth, std::size_t(16)); }

    double x(duration at) const noexcept {
        const double share = std::chrono::duration<double>(at) / std::chrono::duration<double>(total_);
        return left_ + (right - left_) * (std::clamp)(share, 0.0, 1.0);
    }
    static std::string number(double n) { return decimal(std::llround(n * 10) * 100); }
    static double width_of(std::string_view text) noexcept { return letter * static_cast<double>(text.size()); }

    /// "1.25 s", "40 ms", "7 us": in the unit that suits `scale`.
    static std::string seconds(duration d, duration scale) {
        const std::int64_t ns = std::chrono::duration_cast<std::chrono::nanoseconds>(d).count();
        if (scale >= std::chrono::seconds(1)) return decimal(ns / 1'000'000) + " s";
        if (scale >= std::chrono::milliseconds(1)) return decimal(ns / 1'000) + " ms";
        return decimal(ns) + " us";
    }
    static std::string seconds(duration d) { return seconds(d, d); }

    void begin(std::string_view title, double height) {
        const std::string h = number(height);
        text_ = R"(<svg xmlns="http://www.w3.org/2000/svg" width=")" + number(width) + "\" height=\"" + h +
                "\" viewBox=\"0 0 " + number(width) + ' ' + h + R"(" role="img" aria-label=")" + xml(title) + R"(">
<style>
text { font: 12px system-ui, sans-serif; fill: #24292f }
.title { font-size: 16px; font-weight: 600 }
.page { fill: #ffffff } .grid { stroke: #d8dee4 } .dim { fill: #57606a }
.in { font-size: 11px; paint-order: stroke; stroke: #ffffff; stroke-width: 2.5px; stroke-linejoin: round }
.runs { fill: #d9480f } .waits { fill: #cfe2f6 } .late { fill: #f5b8a5 } .mark { fill: #1a7f37 }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 } .page { fill: #0d1117 } .grid { stroke: #30363d } .dim { fill: #9198a1 } .in { stroke: #0d1117 }
.runs { fill: #f76707 } .waits { fill: #1b3a5e } .late { fill: #7d3523 } .mark { fill: #3fb950 }
}
</style>
)";
        box(0, 0, width, height, "page", "");
        if (!title.empty()) write(margin, margin + 12, "title", title);
    }

    void box(double from, double y, double to, double height, const char* kind, std::string_view tip) {
        text_ += "<rect class=\"" + std::string(kind) + "\" x=\"" + number(from) + "\" y=\"" + number(y) +
                 "\" width=\"" + number(to - from) + "\" height=\"" + number(height) + '"';
        text_ += tip.empty() ? "/>\n" : "><title>" + xml(tip) + "</title></rect>\n";
    }
    void write(double at, double y, const char* kind, std::string_view what, const char* anchor = "start") {
        text_ += "<text class=\"" + std::string(kind) + "\" x=\"" + number(at) + "\" y=\"" + number(y) +
                 "\" text-anchor=\"" + anchor + "\">" + xml(what) + "</text>\n";
    }

    void axis(double top, double bottom) {
        duration step(1);
        for (int n = 0; total_ / step > 10; ++n) step = step * (n % 3 == 1 ? 5 : 4) / 2;  // 1, 2, 5, 10 ...
        for (duration at{}; at <= total_; at += step) {
            text_ += "<line class=\"grid\" x1=\"" + number(x(at)) + "\" y1=\"" + number(top) + "\" x2=\"" +
                     number(x(at)) + "\" y2=\"" + number(bottom) + "\"/>\n";
            write(x(at), bottom + 16, "dim", seconds(at, total_), "middle");
        }
    }

    void draw_row(std::size_t l, double y) {
        const lane& one = from_.lanes[l];
        write(margin + letter * static_cast<double>(indent(l)), y + row / 2 + 4, "name", label(l));
        std::vector<piece> written;
        for (const char* const kind : {"waits", "runs"}) {
            double drawn_to = -1;
            for (const span& s : one.spans)
                if ((s.wait == nullptr) == (kind[0] == 'r')) drawn_to = draw_span(l, s, y + (row - bar) / 2, drawn_to);
        }
        for (const remark& m : one.remarks) {  // in the order of time: marks that touch are one piece
            const double at = x(m.at);
            if (written.empty() || written.back().second < at - mark) written.emplace_back(at - mark, at);
            written.back().second = at + mark;
        }
        for (const remark& m : one.remarks) draw_remark(m, y + row / 2, written);
        for (const span& s : one.spans) write_in(l, s, y + row / 2 + 4, written);
    }

    /// Returns how far the row is drawn now: what is narrower than a line is left out where there is one already.
    double draw_span(std::size_t l, const span& s, double y, double drawn_to) {
        const bool runs = s.wait == nullptr;
        const double from = x(s.begin), to = (std::max)(x(from_.end_of(s)), from + (runs ? 1.5 : 0));
        if (to < drawn_to + 1) return drawn_to;
        std::string tip = from_.name_of(l, s) + ", " + seconds(from_.end_of(s) - s.begin);
        if (is_known(s.at)) tip += (runs ? ", from " : ", at ") + text_of(s.at);
        const bool is_late = !runs && s.due < from_.end_of(s) && to - x(s.due) >= 1;
        const double punctual = is_late ? (std::max)(x(s.due), from) : to;
        if (punctual - from >= 0.1) box(from, y, punctual, bar, runs ? "runs" : "waits", tip);
        if (is_late) {
            has_late_ = true;
            box(punctual, y, to, bar, "late", tip + ", late by " + seconds(from_.end_of(s) - s.due));
        }
        return to;
    }

    /// Finds room for `text`, and takes it.
    static bool takes(double from, double to, std::vector<piece>& written) {
        for (const piece& p : written)
            if (from < p.second && p.first < to) return false;
        written.emplace_back(from, to);
        return true;
    }

    void draw_remark(const remark& m, double middle, std::vector<piece>& written) {
        has_marks_ = true;
        const double at = x(m.at);
        text_ += "<circle class=\"mark\" cx=\"" + number(at) + "\" cy=\"" + number(middle) + "\" r=\"" + number(mark) +
                 "\"><title>" + xml(m.text + ", at " + seconds(m.at)) + "</title></circle>\n";
        const double room = small_letter * static_cast<double>(m.text.size()) + 4;
        if (at - mark - room > left_ && takes(at - mark - room, at - mark, written))
            write(at - mark - 3, middle + 4, "in", m.text, "end");
        else if (at + mark + room < right && takes(at + mark, at + mark + room, written))
            write(at + mark + 3, middle + 4, "in", m.text);
    }

    void write_in(std::size_t l, const span& s, double y, std::vector<piece>& written) {
        const duration end = from_.end_of(s);
        if (l == 0 || s.wait != nullptr)  // that it runs, its colour says
            write_in(s.begin, (std::min)(s.due, end), y, from_.name_of(l, s), written);
        if (s.wait != nullptr && s.due < end) write_in(s.due, end, y, "late", written);
    }
    /// Where there is room for it.
    void write_in(duration begin, duration end, double y, std::string_view what, std::vector<piece>& written) {
        const double from = x(begin), room = small_letter * static_cast<double>(what.size()) + 8;
        if (x(end) - from > room && takes(from, from + room, written)) write(from + 4, y, "in", what);
    }

    void legend(double y) {
        double at = left_;
        const auto entry = [&](const char* kind, const char* what) {
            box(at, y - 10, at + 20, 10, kind, "");
            write(at + 26, y, "dim", what);
            at += width_of(what) + 46;
        };
        entry("runs", "runs: nobody else can");
        entry("waits", "waits: others can run");
        if (has_late_) entry("late", "late: due, but others run");
        if (has_marks_) entry("mark", "what it says");
    }

    const recording& from_;
    const std::size_t rows_;
    const duration total_;
    double left_;
    bool has_late_ = false;
    bool has_marks_ = false;
    std::string text_;
};

}  // namespace rondo::inline RONDO_ABI::detail
