// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0
#define NCURSES_WIDECHAR 1
#define _XOPEN_SOURCE_EXTENDED 1
#include <curses.h>
#include <term.h>
