// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// The CRC-32 of IEEE 802.3, eight bytes at a time, so that checking a log costs little beside reading it.
enum CRC32 {
    private static let tables: [UInt32] = {
        var tables = [UInt32](repeating: 0, count: 8 * 256)
        for index in 0..<256 {
            var value = UInt32(index)
            for _ in 0..<8 { value = value & 1 == 1 ? (value >> 1) ^ 0xEDB8_8320 : value >> 1 }
            tables[index] = value
        }
        for index in 0..<256 {
            for table in 1..<8 {
                let previous = tables[(table - 1) * 256 + index]
                tables[table * 256 + index] = (previous >> 8) ^ tables[Int(previous & 255)]
            }
        }
        return tables
    }()

    /// The checksum of some bytes.
    static func checksum(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
        tables.withUnsafeBufferPointer { tables in
            var value: UInt32 = 0xFFFF_FFFF
            var index = 0
            while index + 8 <= bytes.count {
                let word =
                    UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self)) ^ UInt64(value)
                value =
                    tables[1792 + Int(word & 255)] ^ tables[1536 + Int(word >> 8 & 255)]
                    ^ tables[1280 + Int(word >> 16 & 255)] ^ tables[1024 + Int(word >> 24 & 255)]
                    ^ tables[768 + Int(word >> 32 & 255)] ^ tables[512 + Int(word >> 40 & 255)]
                    ^ tables[256 + Int(word >> 48 & 255)] ^ tables[Int(word >> 56)]
                index += 8
            }
            while index < bytes.count {
                value = (value >> 8) ^ tables[Int((value ^ UInt32(bytes[index])) & 255)]
                index += 1
            }
            return ~value
        }
    }
}
