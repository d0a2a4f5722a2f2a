// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// How a path that is being typed may go on.
enum PathCompletion {
    /// Names looked at in one directory.
    private static let limit = 10_000

    /// The path as far as it is certain, a slash behind a directory, and all names that are possible.
    static func complete(_ typed: String) -> (path: String, names: [String]) {
        let slash = typed.lastIndex(of: "/")
        let directory = slash.map { String(typed[...$0]) } ?? ""
        let start = slash.map { String(typed[typed.index(after: $0)...]) } ?? typed
        let place = directory.isEmpty ? "." : EffectRunner.expanded(directory)
        let names = names(in: place).filter { $0.hasPrefix(start) && ($0.first != "." || start.first == ".") }.sorted()
        guard let first = names.first, let last = names.last else { return (typed, []) }
        // Of sorted names the first and the last differ where any differ.
        let common = String(zip(first, last).prefix { $0 == $1 }.map(\.0))
        let certain = common.count > start.count ? common : start
        var status = stat()
        let isDirectory =
            names.count == 1 && stat("\(place)/\(first)", &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
        return (directory + certain + (isDirectory ? "/" : ""), names)
    }

    private static func names(in directory: String) -> [String] {
        guard let stream = opendir(directory) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while names.count < limit, let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { field in
                field.withMemoryRebound(to: UInt8.self, capacity: MemoryLayout.size(ofValue: field.pointee)) {
                    String(validating: UnsafeBufferPointer(start: $0, count: strlen($0)), as: UTF8.self)
                }
            }
            if let name, name != ".", name != ".." { names.append(name) }
        }
        return names
    }
}
