// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// Bounds on JSON, checked on the bytes before any decoder sees them, so that no decoder can be made to recurse.
public enum JSONLimits {
    /// The deepest nesting of objects and arrays.
    public static let depth = 32
    /// The most commas and colons, a bound on members and elements together. The registration of an agent whose queue
    /// is full has eight for each of more than ten thousand tasks, and must always get through.
    public static let separators = 200_000
    /// The same for what a Cloud answers to an operator: a run of very many tasks.
    public static let answerSeparators = 2_000_000

    /// Throws `too_large` when the text nests deeper or holds more members than allowed.
    ///
    /// Does not validate: a malformed text passes here and fails in the decoder.
    public static func check(
        _ bytes: some Sequence<UInt8>, separators limit: Int = separators
    ) throws(DeployError) {
        // Other modules know the kind of bytes only when it runs: what lies in one piece is read as that.
        let excess =
            bytes.withContiguousStorageIfAvailable { Self.excess(in: $0, limit) } ?? Self.excess(in: bytes, limit)
        if let excess { throw excess }
    }

    /// What is over the limits.
    private static func excess(in bytes: some Sequence<UInt8>, _ limit: Int) -> DeployError? {
        var depth = 0
        var separators = 0
        var inString = false
        var escaped = false
        for byte in bytes {
            if inString {
                if escaped {
                    escaped = false
                } else if byte == UInt8(ascii: "\\") {
                    escaped = true
                } else if byte == UInt8(ascii: "\"") {
                    inString = false
                }
                continue
            }
            switch byte {
            case UInt8(ascii: "\""): inString = true
            case UInt8(ascii: "{"), UInt8(ascii: "["):
                depth += 1
                if depth > Self.depth { return DeployError(.tooLarge, "JSON nests deeper than \(Self.depth) levels") }
            case UInt8(ascii: "}"), UInt8(ascii: "]"): depth -= 1
            case UInt8(ascii: ","), UInt8(ascii: ":"):
                separators += 1
                if separators > limit { return DeployError(.tooLarge, "JSON has too many members") }
            default: break
            }
        }
        return nil
    }
}
