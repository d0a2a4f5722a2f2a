// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Where a scanner of JSON stands with regard to texts in quotation marks, which may be cut anywhere.
enum JSONTextState {
    /// Not in a text.
    case outside
    /// In a text.
    case inside
    /// In a text, behind a backslash.
    case escaped

    /// Goes on to the end of a text, or of the bytes; gives the place behind the last byte that belongs to it.
    mutating func skip(_ base: UnsafePointer<UInt8>, from index: Int, to end: Int) -> Int {
        var index = index
        if self == .escaped, index < end {
            index += 1
            self = .inside
        }
        while self == .inside, index < end {
            let quote = Self.find(UInt8(ascii: "\""), base, index, end)
            let stroke = Self.find(UInt8(ascii: "\\"), base, index, quote ?? end)
            if let stroke {
                guard stroke + 1 < end else {
                    self = .escaped
                    return end
                }
                index = stroke + 2
            } else if let quote {
                self = .outside
                return quote + 1
            } else {
                return end
            }
        }
        return index
    }

    private static func find(_ byte: UInt8, _ base: UnsafePointer<UInt8>, _ from: Int, _ end: Int) -> Int? {
        memchr(base + from, Int32(byte), end - from).map { UnsafeRawPointer($0) - UnsafeRawPointer(base) }
    }
}
