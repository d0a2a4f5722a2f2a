// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// Which names of files are taken from outside. A name is never changed: it is taken as it is, or refused.
public enum FileNames {
    /// The longest name of one file, in bytes, as Linux has it.
    public static let maximumBytes = 255
    /// The longest path, in bytes, without the NUL that Linux counts.
    public static let maximumPathBytes = 4095

    /// Checks the name an upload was given; throws `invalid_argument`. It is stored beside the file, never as a path.
    public static func checkUpload(_ name: String) throws(DeployError) {
        try checkComponent(name)
        if name.utf8.contains(UInt8(ascii: "\\")) { throw refusal("holds a backslash") }
    }

    /// Checks one part of a path; throws `invalid_argument`.
    public static func checkComponent(_ name: String) throws(DeployError) {
        guard !name.isEmpty else { throw refusal("is empty") }
        guard name != ".", name != ".." else { throw refusal("is '\(name)'") }
        guard name.utf8.count <= maximumBytes else { throw refusal("is over \(maximumBytes) bytes") }
        guard !name.utf8.contains(UInt8(ascii: "/")) else { throw refusal("holds a slash") }
        guard !name.unicodeScalars.allSatisfy(\.properties.isWhitespace) else { throw refusal("is blank") }
        if let scalar = name.unicodeScalars.first(where: isUnfit) {
            throw refusal("holds the character U+\(String(scalar.value, radix: 16, uppercase: true))")
        }
    }

    /// Checks the id of a stored file; throws `invalid_argument`.
    public static func checkFileID(_ id: String) throws(DeployError) {
        // Every id of this product has the same alphabet.
        guard TaskID(id) != nil else {
            throw DeployError(.invalidArgument, "the file id is not 1 to 64 letters, digits, _ or -")
        }
    }

    /// Characters that change what a reader sees or where a line ends: controls, bidirectional marks, zero-width ones.
    private static func isUnfit(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0...0x1F, 0x7F...0x9F, 0x61C, 0x180E, 0x200B...0x200F, 0x2028...0x202E, 0x2060...0x2064, 0x2066...0x2069,
            0xFEFF:
            true
        default: false
        }
    }

    private static func refusal(_ what: String) -> DeployError {
        DeployError(.invalidArgument, "the file's name \(what)")
    }
}
