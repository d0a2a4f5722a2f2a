// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import CKernel

#if canImport(Glibc)
    import Glibc
#endif

/// Where the C library takes memory from.
public enum MemoryArenas {
    /// Keeps it to a few arenas, to be called before there are threads. Each arena keeps what its threads once needed, and of
    /// as many as there would be otherwise (eight for each processor) a long-lived server keeps several times what it uses.
    public static func limit() {
        ck_limit_arenas(Int32(clamping: max(4, sysconf(Int32(_SC_NPROCESSORS_ONLN)))))
    }
}
