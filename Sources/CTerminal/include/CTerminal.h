// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0
//
// The little C the console needs: what Swift cannot import from curses.h (macros, globals, variadics), and what must
// be async-signal-safe (self-pipe handlers, crash handler).
#ifndef TIANGONG_CTERMINAL_H
#define TIANGONG_CTERMINAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// Whether a terminal type (NULL: $TERM) can be drawn on: 0 yes, 1 not known, 2 it cannot move its cursor.
int ct_terminal_check(const char *type);
// newterm on standard output and input; NULL on failure. type NULL means $TERM.
void *ct_newterm(const char *type);
// Whether the locale's encoding is UTF-8, after taking the locale from the environment.
bool ct_locale_is_utf8(void);
// What the C library thinks a scalar's width is; -1 when it does not know it.
int ct_wcwidth(uint32_t scalar);

// Attribute bits, as curses' attr_t (32 bits).
uint32_t ct_attr_bold(void);
uint32_t ct_attr_dim(void);
uint32_t ct_attr_reverse(void);
uint32_t ct_attr_underline(void);

// The standard window, as the WINDOW * curses made; NULL before newterm. Typed void * so that this header needs no curses.
void *ct_stdscr(void);
int ct_colors(void);
// Applies attributes and a colour pair to the standard window.
void ct_set_style(uint32_t attributes, short pair);
// Key code of function key n (KEY_F(n)).
int ct_key_f(int n);

// Columns and rows of the terminal on fd. False when the kernel does not know.
bool ct_window_size(int fd, int *columns, int *rows);
// Bytes the terminal has not taken yet; 0 when unknown.
int ct_output_pending(int fd);

// Makes the self-pipe and installs handlers for INT TERM HUP WINCH CONT TSTP: each only writes its number as one byte.
// Returns the read end, or -1 with errno set. Call after newterm, which installs handlers of its own.
int ct_signals_install(void);
// Wakes poll() on the self-pipe with byte 0. Safe from any thread.
void ct_wake(void);
// Reads what is waiting in the self-pipe; returns the number of bytes put into buffer.
int ct_signals_drain(uint8_t *buffer, int capacity);
// Gives the six signals their former dispositions and closes the pipe.
void ct_signals_restore(void);
// Stops the whole process group as ^Z does; returns when continued.
void ct_stop_self(void);

// Reads the settings that a restore will put back. Call before curses starts, and again after each suspension, while
// the terminal still has its owner's settings. False when fd is not a terminal.
bool ct_guard_remember(int fd);
// Keeps the bytes that undo our private modes; on ILL TRAP SEGV BUS FPE ABRT SYS
// QUIT and at exit(3) these and the remembered settings are put back, and the signal is raised again. Call on the
// thread that owns curses: its alternate stack is set here.
void ct_guard_arm(const char *restore, size_t length);
// Puts terminal settings and modes back once; later calls do nothing until re-armed. Async-signal-safe.
void ct_guard_restore(void);
// The guard stays installed but does nothing (after an orderly end, or while suspended) until armed again.
void ct_guard_disarm(void);
// Ends the process by the default action of a signal, so that the parent sees what happened.
void ct_raise_default(int number);

// Sends standard error into memory while the screen is ours, when it is a terminal. ct_guard_restore and
// ct_stderr_release put it back and print what was caught, 64 KiB at most.
void ct_stderr_capture(void);
void ct_stderr_release(void);

// First place of needle in haystack at or after start, or -1. With fold, ASCII letters match either case; the needle
// must then be lower case.
ptrdiff_t ct_find(const uint8_t *haystack, size_t length, size_t start, const uint8_t *needle, size_t needle_length, bool fold);

#ifdef __cplusplus
}
#endif
#endif
