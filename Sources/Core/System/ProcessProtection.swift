// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import CKernel

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// What each of the programs does first, so that what it holds in memory stays there.
public enum ProcessProtection {
    /// No core is ever written, and nobody but root may look into this process. Programs it starts are not dumped either,
    /// unless they raise the limit themselves.
    ///
    /// What the Swift runtime prints of a crash shows memory as well, so that is left to `SWIFT_BACKTRACE` to ask for.
    public static func forbidCoreDumps() {
        if getenv("SWIFT_BACKTRACE") == nil {
            for number in [SIGQUIT, SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGTRAP] { signal(number, SIG_DFL) }
        }
        var none = rlimit(rlim_cur: 0, rlim_max: 0)
        var limit = rlimit()
        if getrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &limit) == 0 { none.rlim_max = limit.rlim_max }
        _ = setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &none)
        _ = ck_set_dumpable(0)
    }

    /// No program started from here gains privileges by its file's mode. Root has none to gain.
    public static func forbidNewPrivileges() {
        if geteuid() != 0 { _ = ck_set_no_new_privileges() }
    }
}
