// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// Names and numbers in XML and JSON.

#include <rondo/base/config.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace rondo::inline RONDO_ABI::detail {

/// The length of the UTF-8 sequence at the front of `s`, which is not empty; zero if it is none.
inline std::size_t utf8_length(std::string_view s) noexcept {
    const auto byte = [s](std::size_t i) { return static_cast<unsigned char>(s[i]); };
    const unsigned char first = byte(0);
    const std::size_t length = first < 0x80   ? 1
                               : first < 0xc2 ? 0
                               : first < 0xe0 ? 2
                               : first < 0xf0 ? 3
                               : first < 0xf5 ? 4
                                              : 0;
    if (length > s.size()) return 0;
    for (std::size_t i = 1; i < length; ++i)
        if (byte(i) >> 6 != 2) return 0;
    const bool is_overlong = length > 2 && ((first == 0xe0 && byte(1) < 0xa0) || (first == 0xf0 && byte(1) < 0x90));
    const bool is_no_character = (first == 0xed && byte(1) >= 0xa0) || (first == 0xf4 && byte(1) >= 0x90) ||
                                 (first == 0xef && byte(1) == 0xbf && byte(2) >= 0xbe);
    return is_overlong || is_no_character ? 0 : length;
}

/// `s` with the characters that `escape` names replaced by what it returns for them, and what is no text by question marks.
template <class Escape>
std::string escaped(std::string_view s, Escape escape) {
    std::string text;
    while (!s.empty()) {
        const std::size_t length = utf8_length(s);
        const char* const other = length == 1 ? escape(s.front()) : nullptr;
        if (other != nullptr)
            text += other;
        else if (length == 0 || static_cast<unsigned char>(s.front()) < ' ')
            text += '?';
        else
            text += s.substr(0, length);
        s.remove_prefix(length == 0 ? 1 : length);
    }
    return text;
}

inline std::string xml(std::string_view s) {
    return escaped(s, [](char c) -> const char* {
        return c == '&'    ? "&amp;"
               : c == '<'  ? "&lt;"
               : c == '>'  ? "&gt;"
               : c == '"'  ? "&quot;"
               : c == '\n' ? "&#10;"
                           : nullptr;
    });
}
inline std::string json(std::string_view s) {
    return escaped(s, [](char c) -> const char* {
        return c == '"' ? "\\\"" : c == '\\' ? "\\\\" : c == '\n' ? "\\n" : c == '\t' ? "\\t" : nullptr;
    });
}

/// `thousandths` of one, as decimals go, without zeros at the end: 1250 is 1.25.
inline std::string decimal(std::int64_t thousandths) {
    const bool is_negative = thousandths < 0;
    if (is_negative) thousandths = -thousandths;
    std::string text = std::to_string(thousandths % 1000);
    text.insert(0, 3 - text.size(), '0');
    text.erase(text.find_last_not_of('0') + 1);
    if (!text.empty()) text.insert(0, 1, '.');
    return (is_negative ? "-" : "") + std::to_string(thousandths / 1000) + text;
}

}  // namespace rondo::inline RONDO_ABI::detail
