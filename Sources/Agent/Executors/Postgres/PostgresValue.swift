// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// What is known of a type of the server, for how its values are written.
enum PostgresType: Sendable, Hashable {
    /// A value of its own.
    case scalar(RowKind)
    /// An array, and what separates its elements.
    case array(RowKind, delimiter: UInt8 = UInt8(ascii: ","))

    /// The type with a number in `pg_type`; nil for those that databases define.
    static func builtIn(_ number: UInt32) -> PostgresType? {
        if let kind = scalars[number] { return .scalar(kind) }
        if let kind = arrays[number] { return .array(kind, delimiter: UInt8(ascii: number == 1020 ? ";" : ",")) }
        return number < firstOwn ? .scalar(.text) : nil
    }

    /// Types below this number are the same in all databases.
    private static let firstOwn: UInt32 = 10_000

    /// Gives the arrays that a database defines, with the number of what their elements are made of.
    static let catalogueQuery = """
        SELECT a.oid, CASE e.typtype WHEN 'd' THEN e.typbasetype ELSE e.oid END, a.typdelim \
        FROM pg_catalog.pg_type a JOIN pg_catalog.pg_type e ON e.oid = a.typelem \
        WHERE a.typinput = 'pg_catalog.array_in'::pg_catalog.regproc AND a.oid >= \(firstOwn) AND e.typtype <> 'c'
        """

    private static let scalars: [UInt32: RowKind] = [
        16: .boolean, 17: .binary, 20: .number, 21: .number, 23: .number, 26: .number, 700: .number, 701: .number,
        1700: .decimal, 114: .json, 3802: .json,
    ]

    private static let arrays: [UInt32: RowKind] = {
        var kinds: [UInt32: RowKind] = [
            1000: .boolean, 1001: .binary, 1005: .number, 1007: .number, 1016: .number, 1021: .number, 1022: .number,
            1028: .number, 1231: .decimal, 199: .json, 3807: .json,
        ]
        for number: UInt32 in [
            143, 271, 629, 651, 719, 775, 791, 1002, 1003, 1006, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 1015, 1017,
            1018, 1019,
            1020, 1027, 1034, 1040, 1041, 1115, 1182, 1183, 1185, 1187, 1263, 1270, 1561, 1563, 2201, 2207, 2208, 2209,
            2210, 2211, 2949, 2951, 3221, 3643, 3644, 3645, 3735, 3770, 3905, 3907, 3909, 3911, 3913, 3927, 4073, 4090,
            4097, 4192, 5039, 6150, 6151, 6152, 6153, 6155, 6157,
        ] { kinds[number] = .text }
        return kinds
    }()
}

/// The text form of `bytea`.
enum PostgresBytes {
    /// The bytes of `\x00ff` or of the older form with `\000`; nil for what is neither.
    static func decode(_ text: some Collection<UInt8>) -> [UInt8]? {
        var result: [UInt8] = []
        if text.starts(with: [UInt8(ascii: "\\"), UInt8(ascii: "x")]) {
            result.reserveCapacity(text.count / 2)
            var high: UInt8?
            for byte in text.dropFirst(2) {
                guard let digit = hexadecimal(byte) else { return nil }
                if let first = high {
                    result.append(first << 4 | digit)
                    high = nil
                } else {
                    high = digit
                }
            }
            return high == nil ? result : nil
        }
        var rest = text[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "\\") else {
                result.append(byte)
                continue
            }
            guard let next = rest.first else { return nil }
            if next == UInt8(ascii: "\\") {
                result.append(next)
                rest.removeFirst()
            } else {
                let digits = rest.prefix(3)
                guard digits.count == 3, let value = octal(digits) else { return nil }
                result.append(value)
                rest.removeFirst(3)
            }
        }
        return result
    }

    private static func hexadecimal(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 0x30...0x39: byte - 0x30
        case 0x41...0x46: byte - 0x37
        case 0x61...0x66: byte - 0x57
        default: nil
        }
    }

    private static func octal(_ digits: some Collection<UInt8>) -> UInt8? {
        var value = 0
        for digit in digits {
            guard (0x30...0x37).contains(digit) else { return nil }
            value = value * 8 + Int(digit - 0x30)
        }
        return UInt8(exactly: value)
    }
}
