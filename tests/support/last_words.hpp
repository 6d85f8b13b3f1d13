// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// What a test program says when it dies in the middle of a run: because a sanitizer has found something, or because the run does not
// end. (What Catch2 sees, a failed check or a signal, it tells by itself.)

#include <cstddef>
#include <cstdlib>
#include <cstring>

#if defined(__unix__) || defined(__APPLE__)
#define SUPPORT_HAS_ALARM 1
#include <csignal>

#include <unistd.h>
#else
#define SUPPORT_HAS_ALARM 0
#endif

#if defined(__GNUC__) && !defined(_WIN32) && !defined(__APPLE__)
#define SUPPORT_HAS_DEATH_CALLBACK 1
extern "C" [[gnu::weak]] void __sanitizer_set_death_callback(void (*)());
#else
#define SUPPORT_HAS_DEATH_CALLBACK 0
#endif

namespace support {

/// While it lives, `text` is what would be said; and that a run may take so many seconds (zero: as long as it likes).
class last_words {
public:
    last_words(const char* text, unsigned seconds) noexcept {
        std::strncpy(words(), text, longest);
#if SUPPORT_HAS_DEATH_CALLBACK
        if (&__sanitizer_set_death_callback != nullptr) __sanitizer_set_death_callback(&say);
#endif
#if SUPPORT_HAS_ALARM
        if (seconds != 0) {
            std::signal(SIGALRM, [](int) {
                const char* const text_before = "A run does not end.\n";
                say_text(text_before);
                say();
                std::_Exit(EXIT_FAILURE);
            });
        }
        ::alarm(seconds);
#else
        (void)seconds;
#endif
    }
    last_words(const last_words&) = delete;
    last_words& operator=(const last_words&) = delete;
    ~last_words() {
        words()[0] = '\0';
#if SUPPORT_HAS_ALARM
        ::alarm(0);
#endif
    }

private:
    static constexpr std::size_t longest = 1000;

    static char* words() noexcept {
        static char text[longest + 2] = {};
        return text;
    }
    static void say() {
        if (words()[0] == '\0') return;
        say_text(words());
        say_text("\n");
    }
    /// Also in a signal handler.
    static void say_text(const char* text) noexcept {
#if SUPPORT_HAS_ALARM
        if (::write(2, text, std::strlen(text)) < 0) std::_Exit(EXIT_FAILURE);
#else
        (void)text;
#endif
    }
};

}  // namespace support
