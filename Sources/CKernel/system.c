// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "CKernel.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#ifndef SYS_openat2
#define SYS_openat2 437
#endif
#ifndef SYS_renameat2
#error "this architecture has no renameat2"
#endif
#ifndef SYS_memfd_create
#error "this architecture has no memfd_create"
#endif

// struct open_how of linux/openat2.h, which older headers lack.
struct ck_open_how {
    uint64_t flags;
    uint64_t mode;
    uint64_t resolve;
};

enum {
    CK_RESOLVE_NO_MAGICLINKS = 0x02,
    CK_RESOLVE_NO_SYMLINKS = 0x04,
    CK_RESOLVE_BENEATH = 0x08,
};

int ck_open_beneath(int directory, const char *path, int flags, uint32_t mode, int follow) {
    struct ck_open_how how = {
        .flags = (uint64_t)(flags | O_CLOEXEC),
        .mode = (flags & O_CREAT) ? mode : 0,
        .resolve = CK_RESOLVE_BENEATH | CK_RESOLVE_NO_MAGICLINKS | (follow ? 0 : CK_RESOLVE_NO_SYMLINKS),
    };
    // EAGAIN: something was renamed while ".." was looked up; the kernel asks to try again.
    for (int attempt = 0; attempt < 16; attempt++) {
        long result = syscall(SYS_openat2, directory, path, &how, sizeof how);
        if (result >= 0 || (errno != EAGAIN && errno != EINTR)) return (int)result;
    }
    return -1;
}

int ck_o_path(void) { return O_PATH; }

int ck_stream_socket(void) { return SOCK_STREAM; }

int ck_exchange(int directory, const char *one, const char *other) {
    return (int)syscall(SYS_renameat2, directory, one, directory, other, 2u /* RENAME_EXCHANGE */);
}

int ck_rename_new(int directory, const char *from, const char *to) {
    return (int)syscall(SYS_renameat2, directory, from, directory, to, 1u /* RENAME_NOREPLACE */);
}

int ck_start_writeback(int file, int64_t offset, int64_t length) {
    return sync_file_range(file, offset, length, SYNC_FILE_RANGE_WRITE);
}

int ck_memory_file(const char *name) { return (int)syscall(SYS_memfd_create, name, 1u /* MFD_CLOEXEC */); }

int ck_set_dumpable(int dumpable) { return prctl(PR_SET_DUMPABLE, dumpable, 0, 0, 0); }

int ck_dumpable(void) { return prctl(PR_GET_DUMPABLE, 0, 0, 0, 0); }

int ck_set_no_new_privileges(void) { return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); }

void ck_limit_arenas(int most) {
#ifdef M_ARENA_MAX
    mallopt(M_ARENA_MAX, most);
#endif
}
