// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0
//
// Calls that Swift cannot make: variadic ones, and those that glibc hides or does not wrap. System calls return -1 and
// set errno when the kernel refuses; ENOSYS where it does not know the call.
#ifndef TIANGONG_CKERNEL_H
#define TIANGONG_CKERNEL_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// openat2(2) that never leaves the directory: ".." and absolute links cannot escape it. With follow 0 no symbolic link is
// followed at all. Always O_CLOEXEC.
int ck_open_beneath(int directory, const char *path, int flags, uint32_t mode, int follow);
// O_PATH, which glibc's default headers hide.
int ck_o_path(void);
// SOCK_STREAM, which Swift sees in one file and not in the next, as modules of other headers are loaded before.
int ck_stream_socket(void);
// renameat2(2) within one directory: exchanges two names in one step, or renames only where the new name is free (EEXIST).
// EINVAL where the file system cannot do it.
int ck_exchange(int directory, const char *one, const char *other);
int ck_rename_new(int directory, const char *from, const char *to);
// Starts writing a range of a file to its disk, without waiting: what is synced later takes less long.
int ck_start_writeback(int file, int64_t offset, int64_t length);
// An anonymous file in memory; close-on-exec.
int ck_memory_file(const char *name);
// PR_SET_DUMPABLE: without it there is no core, and nobody but root may look into the process.
int ck_set_dumpable(int dumpable);
int ck_dumpable(void);
// PR_SET_NO_NEW_PRIVS: no program started from here gains privileges by its file's mode.
int ck_set_no_new_privileges(void);
// M_ARENA_MAX of mallopt(3); nothing where the C library is another one. To be called before there are threads.
void ck_limit_arenas(int most);

#ifdef __cplusplus
}
#endif

#endif
