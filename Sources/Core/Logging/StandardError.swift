// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Standard error, for programs that speak to people and logs there.
public enum StandardError {
    /// Writes a whole text; gives up without a word when nobody can read it.
    public static func write(_ text: String) {
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let count = bytes.withUnsafeBytes { Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return }
            bytes = bytes.dropFirst(count)
        }
    }

    /// Says why a program fails: `PROGRAM: WHAT` and, when known, `  try: HINT` on a line of its own.
    public static func report(_ error: DeployError, program: String) {
        write("\(program): \(error.message)\n" + (error.hint.map { "  try: \($0)\n" } ?? ""))
    }
}
