// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import CMongo
import Core

/// Walks the members of a document that stays where it is meanwhile.
final class BSONFields {
    let iterator: OpaquePointer
    private var whole: OpaquePointer

    init(_ document: OpaquePointer) {
        whole = document
        let room = UnsafeMutableRawPointer.allocate(
            byteCount: MemoryLayout<bson_iter_t>.size, alignment: BSONDocument.alignment)
        iterator = OpaquePointer(room.initializeMemory(as: bson_iter_t.self, repeating: bson_iter_t(), count: 1))
        bson_iter_init(iterator, document)
    }

    deinit { UnsafeMutableRawPointer(iterator).deallocate() }

    /// Starts again, with another document.
    func start(_ document: OpaquePointer) {
        whole = document
        bson_iter_init(iterator, document)
    }

    /// Goes to the next member; false at the end, or where the document is broken.
    func next() -> Bool { bson_iter_next(iterator) }

    /// Goes to a member by its name.
    func find(_ name: String) -> Bool { bson_iter_init_find(iterator, whole, name) }

    var name: String { String(cString: bson_iter_key(iterator)) }
    var type: bson_type_t { bson_iter_type(iterator) }

    /// A number, checked: nothing a server sends may trap.
    var integer: Int64? {
        switch type {
        case BSON_TYPE_INT32: Int64(bson_iter_int32(iterator))
        case BSON_TYPE_INT64: bson_iter_int64(iterator)
        case BSON_TYPE_DOUBLE: Int64(exactly: bson_iter_double(iterator).rounded())
        case BSON_TYPE_BOOL: bson_iter_bool(iterator) ? 1 : 0
        default: nil
        }
    }

    var text: String? {
        guard type == BSON_TYPE_UTF8 else { return nil }
        return textBytes { String(decoding: $0, as: UTF8.self) }
    }

    /// A document or an array, copied.
    var document: BSONDocument? {
        var length: UInt32 = 0
        var data: UnsafePointer<UInt8>?
        switch type {
        case BSON_TYPE_DOCUMENT: bson_iter_document(iterator, &length, &data)
        case BSON_TYPE_ARRAY: bson_iter_array(iterator, &length, &data)
        default: return nil
        }
        return data.flatMap { BSONDocument(data: UnsafeBufferPointer(start: $0, count: Int(length))) }
    }

    private func textBytes<Value>(_ body: (UnsafeRawBufferPointer) -> Value) -> Value {
        var length: UInt32 = 0
        let text = bson_iter_utf8(iterator, &length)
        return body(UnsafeRawBufferPointer(start: text, count: text == nil ? 0 : Int(length)))
    }

    // MARK: As people read it

    /// The value as it stands in a cell of a table, and what kind of value it is. Nil is null.
    func cell<Value>(canonical: Bool, _ body: (UnsafeRawBufferPointer?, RowKind) -> Value) -> Value {
        func give(_ text: String, _ kind: RowKind = .text) -> Value {
            var text = text
            return text.withUTF8 { body(UnsafeRawBufferPointer($0), kind) }
        }
        switch type {
        case BSON_TYPE_NULL: return body(nil, .text)
        case BSON_TYPE_UTF8: return textBytes { body($0, .text) }
        case BSON_TYPE_INT32: return give(String(bson_iter_int32(iterator)), .number)
        case BSON_TYPE_INT64: return give(String(bson_iter_int64(iterator)), .number)
        case BSON_TYPE_DOUBLE: return give(String(bson_iter_double(iterator)), .number)
        case BSON_TYPE_DECIMAL128: return give(decimal, .decimal)
        case BSON_TYPE_BOOL: return give(bson_iter_bool(iterator) ? "true" : "false", .boolean)
        case BSON_TYPE_OID: return give(identifier)
        case BSON_TYPE_DATE_TIME: return give(Self.moment(bson_iter_date_time(iterator)))
        case BSON_TYPE_BINARY: return binary(body, give)
        default: return give(wrapped(canonical: canonical), .json)
        }
    }

    private func binary<Value>(
        _ body: (UnsafeRawBufferPointer?, RowKind) -> Value, _ give: (String, RowKind) -> Value
    ) -> Value {
        var subtype = BSON_SUBTYPE_BINARY
        var length: UInt32 = 0
        var data: UnsafePointer<UInt8>?
        bson_iter_binary(iterator, &subtype, &length, &data)
        let bytes = UnsafeRawBufferPointer(start: data, count: data == nil ? 0 : Int(length))
        guard subtype == BSON_SUBTYPE_UUID, bytes.count == 16 else { return body(bytes, .binary) }
        var text = ""
        for (index, byte) in bytes.enumerated() {
            if [4, 6, 8, 10].contains(index) { text += "-" }
            text += (byte < 16 ? "0" : "") + String(byte, radix: 16)
        }
        return give(text, .text)
    }

    private var identifier: String {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 25) { text in
            guard let base = text.baseAddress, let value = bson_iter_oid(iterator) else { return "" }
            bson_oid_to_string(value, base)
            return String(cString: base)
        }
    }

    private var decimal: String {
        var value = bson_decimal128_t()
        guard bson_iter_decimal128(iterator, &value) else { return "" }
        return withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(BSON_DECIMAL128_STRING)) { text in
            guard let base = text.baseAddress else { return "" }
            bson_decimal128_to_string(&value, base)
            return String(cString: base)
        }
    }

    /// Whatever else, as extended JSON: what stands behind the name in a document of its own.
    private func wrapped(canonical: Bool) -> String {
        let document = BSONDocument()
        bson_append_iter(document.pointer, "v", -1, iterator)
        let text = document.json(canonical: canonical)
        guard text.hasPrefix("{ \"v\" : "), text.hasSuffix(" }") else { return text }
        return String(text.dropFirst(8).dropLast(2))
    }

    private static func moment(_ milliseconds: Int64) -> String {
        let time = Timestamp(milliseconds: milliseconds)
        return time.milliseconds == milliseconds ? time.description : "\(milliseconds) ms"
    }
}
