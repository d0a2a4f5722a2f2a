// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import CMongo
import Core

/// A document of libbson. It may go from one thread to another, but is used by one at a time.
final class BSONDocument: @unchecked Sendable {
    // Unchecked: a pointer that nobody else has.
    let pointer: OpaquePointer
    /// Whether the memory is ours and libbson's are only the contents.
    private let isOurs: Bool
    private var isGone = false

    /// libbson's compiled code relies on it; Swift's own variables are not aligned that far.
    static let alignment = 128

    /// An empty document.
    init() {
        pointer = bson_new()
        isOurs = false
    }

    /// A document out of extended JSON; throws `invalid_argument` with what libbson says of it.
    init(json text: String) throws(DeployError) {
        var text = text
        let (document, message) = CError.report { error in
            text.withUTF8 { bytes in bson_new_from_json(bytes.baseAddress, bytes.count, error) }
        }
        guard let document else {
            throw DeployError(.invalidArgument, "not extended JSON: \(message.text)")
        }
        pointer = document
        isOurs = false
    }

    /// A copy.
    init(copying document: OpaquePointer) {
        pointer = bson_copy(document)
        isOurs = false
    }

    /// A document out of its bytes; nil when they are none.
    init?(data: UnsafeBufferPointer<UInt8>) {
        guard let document = bson_new_from_data(data.baseAddress, data.count) else { return nil }
        pointer = document
        isOurs = false
    }

    /// Room for what a function of the library writes; it must write something.
    private init(room: OpaquePointer) {
        pointer = room
        isOurs = true
    }

    /// What a function of the library writes into memory that it takes for uninitialized.
    static func reply<Value>(_ body: (OpaquePointer) -> Value) -> (BSONDocument, Value) {
        let room = UnsafeMutableRawPointer.allocate(byteCount: MemoryLayout<bson_t>.size, alignment: alignment)
        let document = BSONDocument(room: OpaquePointer(room))
        return (document, body(document.pointer))
    }

    /// The library took the contents; this must not be used afterwards.
    func release() { isGone = true }

    deinit {
        if !isGone { bson_destroy(pointer) }
        if isOurs { UnsafeMutableRawPointer(pointer).deallocate() }
    }

    /// How many bytes a document has.
    static func length(of document: OpaquePointer) -> Int { Int(UnsafePointer<bson_t>(document).pointee.len) }

    // MARK: Members

    func append(_ name: String, _ value: String) { bson_append_utf8(pointer, name, -1, value, -1) }
    func append(_ name: String, _ value: Int64) { bson_append_int64(pointer, name, -1, value) }
    func append(_ name: String, _ value: Bool) { bson_append_bool(pointer, name, -1, value) }
    func append(_ name: String, _ value: BSONDocument) { bson_append_document(pointer, name, -1, value.pointer) }
    func append(_ name: String, array value: BSONDocument) { bson_append_array(pointer, name, -1, value.pointer) }

    func has(_ name: String) -> Bool { bson_has_field(pointer, name) }

    /// The name of its first member.
    var firstName: String? {
        let fields = BSONFields(pointer)
        return fields.next() ? fields.name : nil
    }

    /// A whole number, of whatever type; nil when there is none.
    func integer(_ name: String) -> Int64? {
        let fields = BSONFields(pointer)
        return fields.find(name) ? fields.integer : nil
    }

    func text(_ name: String) -> String? {
        let fields = BSONFields(pointer)
        return fields.find(name) ? fields.text : nil
    }

    /// A document or an array below it.
    func document(_ name: String) -> BSONDocument? {
        let fields = BSONFields(pointer)
        return fields.find(name) ? fields.document : nil
    }

    /// The documents of an array, at most so many.
    func documents(_ name: String, most: Int = 100_000) -> [BSONDocument] {
        guard let array = document(name) else { return [] }
        let fields = BSONFields(array.pointer)
        var documents: [BSONDocument] = []
        while documents.count < most, fields.next() {
            if let document = fields.document { documents.append(document) }
        }
        return documents
    }

    /// The same without some members.
    func without(_ names: Set<String>) -> BSONDocument {
        let rest = BSONDocument()
        let fields = BSONFields(pointer)
        while fields.next() {
            if !names.contains(fields.name) { bson_append_iter(rest.pointer, nil, -1, fields.iterator) }
        }
        return rest
    }

    /// As extended JSON on one line.
    func json(canonical: Bool) -> String {
        BSONDocument.json(pointer, canonical: canonical) { String(decoding: $0, as: UTF8.self) }
    }

    /// Hands over a document as extended JSON on one line. One that libbson cannot write, since a text in it is not UTF-8,
    /// is handed over as `{"$bson":{"base64":…}}`.
    static func json<Value>(
        _ document: OpaquePointer, canonical: Bool, _ body: (UnsafeRawBufferPointer) -> Value
    ) -> Value {
        var length = 0
        let text =
            canonical
            ? bson_as_canonical_extended_json(document, &length) : bson_as_relaxed_extended_json(document, &length)
        guard let text else {
            let bytes = UnsafeBufferPointer(start: bson_get_data(document), count: self.length(of: document))
            var fallback = "{\"$bson\":{\"base64\":\"\(Base64.encode(bytes))\"}}"
            return fallback.withUTF8 { body(UnsafeRawBufferPointer($0)) }
        }
        defer { bson_free(text) }
        return body(UnsafeRawBufferPointer(start: text, count: length))
    }
}

/// What a function of the library reports as an error.
struct CError: Error {
    var domain: UInt32 = 0
    var code: UInt32 = 0
    var text = ""

    /// Calls a function with room for an error, and gives both its value and what stands there.
    static func report<Value>(_ body: (UnsafeMutablePointer<bson_error_t>) -> Value) -> (Value, CError) {
        let room = UnsafeMutableRawPointer.allocate(
            byteCount: MemoryLayout<bson_error_t>.size, alignment: BSONDocument.alignment)
        defer { room.deallocate() }
        let error = room.initializeMemory(as: bson_error_t.self, repeating: bson_error_t(), count: 1)
        let value = body(error)
        let text = withUnsafeBytes(of: error.pointee.message) { bytes in
            String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        }
        return (value, CError(domain: error.pointee.domain, code: error.pointee.code, text: text))
    }

    /// Writes it where a function of ours is to leave it.
    func write(to error: UnsafeMutablePointer<bson_error_t>?) {
        guard let error else { return }
        error.pointee.domain = domain
        error.pointee.code = code
        withUnsafeMutableBytes(of: &error.pointee.message) { bytes in
            let length = min(text.utf8.count, bytes.count - 1)
            bytes.copyBytes(from: text.utf8.prefix(length))
            bytes[length] = 0
        }
    }
}
