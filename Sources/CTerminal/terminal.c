// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE 1
#define NCURSES_WIDECHAR 1
#include "CTerminal.h"

#include <curses.h>
#include <errno.h>
#include <fcntl.h>
#include <langinfo.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <term.h>
#include <termios.h>
#include <unistd.h>
#include <wchar.h>

// term.h names every capability with a macro; this one is a parameter here.
#undef columns

// --- curses macros and globals ------------------------------------------------------------------------------------

int ct_terminal_check(const char *type) {
    int outcome = 0;
    if (setupterm((char *)(uintptr_t)type, STDOUT_FILENO, &outcome) != OK) return 1;
    const char *move = tigetstr((char *)(uintptr_t)"cup");
    return move == NULL || move == (const char *)-1 ? 2 : 0;
}

void *ct_newterm(const char *type) { return newterm((char *)(uintptr_t)type, stdout, stdin); }

bool ct_locale_is_utf8(void) {
    if (setlocale(LC_ALL, "") == NULL) setlocale(LC_CTYPE, "C.UTF-8");
    return strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

int ct_wcwidth(uint32_t scalar) { return wcwidth((wchar_t)scalar); }

uint32_t ct_attr_bold(void) { return (uint32_t)A_BOLD; }
uint32_t ct_attr_dim(void) { return (uint32_t)A_DIM; }
uint32_t ct_attr_reverse(void) { return (uint32_t)A_REVERSE; }
uint32_t ct_attr_underline(void) { return (uint32_t)A_UNDERLINE; }
void *ct_stdscr(void) { return stdscr; }
int ct_colors(void) { return COLORS; }
int ct_key_f(int n) { return KEY_F(n); }

void ct_set_style(uint32_t attributes, short pair) {
    if (stdscr != NULL) (void)wattr_set(stdscr, (attr_t)attributes, pair, NULL);
}

bool ct_window_size(int fd, int *columns, int *rows) {
    struct winsize size;
    if (ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0) return false;
    *columns = size.ws_col;
    *rows = size.ws_row;
    return true;
}

int ct_output_pending(int fd) {
    int pending = 0;
    return ioctl(fd, TIOCOUTQ, &pending) == 0 && pending > 0 ? pending : 0;
}

// --- self-pipe ------------------------------------------------------------------------------------------------------

static const int piped[] = {SIGINT, SIGTERM, SIGHUP, SIGWINCH, SIGCONT, SIGTSTP};
enum { piped_count = sizeof piped / sizeof piped[0] };
static struct sigaction former[piped_count];
static volatile int pipe_read = -1;
static volatile int pipe_write = -1;

static void put_byte(uint8_t byte) {
    int saved = errno;
    int fd = pipe_write;
    // A full pipe already holds a wake-up: nothing is lost.
    if (fd >= 0) (void)!write(fd, &byte, 1);
    errno = saved;
}

static void on_piped(int number) { put_byte((uint8_t)number); }

static void install_piped(int number, struct sigaction *old) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_piped;
    action.sa_flags = SA_RESTART;
    sigfillset(&action.sa_mask);
    sigaction(number, &action, old);
}

int ct_signals_install(void) {
    if (pipe_read < 0) {
        int ends[2];
        if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return -1;
        pipe_read = ends[0];
        pipe_write = ends[1];
        for (int i = 0; i < piped_count; i++) install_piped(piped[i], &former[i]);
    }
    return pipe_read;
}

void ct_wake(void) { put_byte(0); }

int ct_signals_drain(uint8_t *buffer, int capacity) {
    if (pipe_read < 0 || capacity <= 0) return 0;
    ssize_t count = read(pipe_read, buffer, (size_t)capacity);
    return count > 0 ? (int)count : 0;
}

void ct_signals_restore(void) {
    if (pipe_read < 0) return;
    for (int i = 0; i < piped_count; i++) sigaction(piped[i], &former[i], NULL);
    // The ends stay open for the rest of the process: a wake-up from another thread must never meet a reused number.
}

void ct_stop_self(void) {
    struct sigaction ours, other;
    memset(&other, 0, sizeof other);
    // First the rest of the group, for which our own copy is discarded. A signal to the whole process may be taken by
    // another thread only after our handler is back; the one to this thread stops it before `raise` returns.
    other.sa_handler = SIG_IGN;
    sigaction(SIGTSTP, &other, &ours);
    kill(0, SIGTSTP);
    other.sa_handler = SIG_DFL;
    sigaction(SIGTSTP, &other, NULL);
    sigset_t only, old;
    sigemptyset(&only);
    sigaddset(&only, SIGTSTP);
    pthread_sigmask(SIG_UNBLOCK, &only, &old);
    raise(SIGTSTP);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    sigaction(SIGTSTP, &ours, NULL);
}

void ct_raise_default(int number) {
    signal(number, SIG_DFL);
    sigset_t only;
    sigemptyset(&only);
    sigaddset(&only, number);
    pthread_sigmask(SIG_UNBLOCK, &only, NULL);
    kill(getpid(), number);
}

// --- crash guard ----------------------------------------------------------------------------------------------------

static const int fatal[] = {SIGILL, SIGTRAP, SIGSEGV, SIGBUS, SIGFPE, SIGABRT, SIGSYS, SIGQUIT};
enum { fatal_count = sizeof fatal / sizeof fatal[0] };
static struct termios saved_settings;
static char restore_bytes[512];
static size_t restore_length;
static int guarded_fd = -1;
static volatile sig_atomic_t armed;
static bool installed;
static uint8_t guard_stack[64 * 1024];

static int captured_fd = -1;
static int former_stderr = -1;

void ct_stderr_capture(void) {
    if (captured_fd >= 0 || !isatty(STDERR_FILENO)) return;
    int memory = memfd_create("stderr", MFD_CLOEXEC);
    int copy = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    if (memory < 0 || copy < 0 || dup2(memory, STDERR_FILENO) < 0) {
        if (memory >= 0) close(memory);
        if (copy >= 0) close(copy);
        return;
    }
    captured_fd = memory;
    former_stderr = copy;
}

// Async-signal-safe.
void ct_stderr_release(void) {
    if (captured_fd < 0) return;
    dup2(former_stderr, STDERR_FILENO);
    close(former_stderr);
    off_t end = lseek(captured_fd, 0, SEEK_END);
    off_t at = end > 65536 ? end - 65536 : 0;
    char part[4096];
    ssize_t count;
    while (at < end && (count = pread(captured_fd, part, sizeof part, at)) > 0) {
        if (write(STDERR_FILENO, part, (size_t)count) < 0) break;
        at += count;
    }
    close(captured_fd);
    captured_fd = -1;
    former_stderr = -1;
}

void ct_guard_restore(void) {
    if (!__sync_bool_compare_and_swap(&armed, 1, 0)) return;
    size_t done = 0;
    for (int tries = 0; done < restore_length && tries < 64; tries++) {
        ssize_t count = write(guarded_fd, restore_bytes + done, restore_length - done);
        if (count > 0) done += (size_t)count;
        else if (errno != EINTR && errno != EAGAIN) break;
    }
    tcsetattr(guarded_fd, TCSANOW, &saved_settings);
    ct_stderr_release();
}

void ct_guard_disarm(void) { armed = 0; }

static void on_fatal(int number) {
    ct_guard_restore();
    // SA_RESETHAND has put the default action back: this ends the process, with a core where that is the default.
    raise(number);
}

// A crash in any thread runs on that thread's own alternate stack if it has one; the thread that owns curses uses ours.
static void use_guard_stack(void) {
    stack_t stack;
    memset(&stack, 0, sizeof stack);
    stack.ss_sp = guard_stack;
    stack.ss_size = sizeof guard_stack;
    sigaltstack(&stack, NULL);
}

bool ct_guard_remember(int fd) {
    if (tcgetattr(fd, &saved_settings) != 0) return false;
    guarded_fd = fd;
    return true;
}

void ct_guard_arm(const char *restore, size_t length) {
    if (guarded_fd < 0) return;
    if (!installed) {
        use_guard_stack();
        for (int i = 0; i < fatal_count; i++) {
            struct sigaction action;
            memset(&action, 0, sizeof action);
            action.sa_handler = on_fatal;
            action.sa_flags = SA_RESETHAND | SA_NODEFER | SA_ONSTACK;
            sigaction(fatal[i], &action, NULL);
        }
        atexit(ct_guard_restore);
        installed = true;
    }
    if (length > sizeof restore_bytes) length = sizeof restore_bytes;
    memcpy(restore_bytes, restore, length);
    restore_length = length;
    armed = 1;
}

// --- search ---------------------------------------------------------------------------------------------------------

static inline uint8_t lower(uint8_t byte) { return byte >= 'A' && byte <= 'Z' ? byte | 0x20 : byte; }

static ptrdiff_t find_folded(const uint8_t *text, size_t length, size_t start, const uint8_t *needle, size_t count) {
    uint8_t first = needle[0];
    for (size_t i = start; i + count <= length; i++) {
        if (lower(text[i]) != first) continue;
        size_t k = 1;
        while (k < count && lower(text[i + k]) == needle[k]) k++;
        if (k == count) return (ptrdiff_t)i;
    }
    return -1;
}

ptrdiff_t ct_find(const uint8_t *haystack, size_t length, size_t start, const uint8_t *needle, size_t needle_length, bool fold) {
    if (needle_length == 0 || start > length || needle_length > length - start) return -1;
    if (fold) return find_folded(haystack, length, start, needle, needle_length);
    const uint8_t *at = memmem(haystack + start, length - start, needle, needle_length);
    return at == NULL ? -1 : at - haystack;
}
