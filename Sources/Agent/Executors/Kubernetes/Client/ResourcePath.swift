// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// Paths of the Kubernetes API. What comes from a task can only be one segment of a path, whatever it holds.
enum ResourcePath {
    /// Whether a text may be the name of an object: the server takes no other as a segment of a path.
    static func isName(_ text: String) -> Bool {
        (1...253).contains(text.utf8.count) && text != "." && text != ".."
            && text.utf8.allSatisfy { (0x21...0x7E).contains($0) && $0 != UInt8(ascii: "/") && $0 != UInt8(ascii: "%") }
    }

    /// Throws `invalid_argument` for what cannot be the name of an object.
    static func checkName(_ text: String) throws(KubernetesFailure) {
        guard isName(text) else {
            throw KubernetesFailure(.invalidArgument, "'\(text.prefix(64))' cannot be the name of an object")
        }
    }

    /// `/api/v1` or `/apis/GROUP/VERSION`.
    static func version(_ group: String, _ version: String) -> String {
        group.isEmpty ? "/api/\(encode(version))" : "/apis/\(encode(group))/\(encode(version))"
    }

    /// All objects of a resource; in all namespaces when none is given, or when it has none.
    static func collection(_ resource: APIResource, namespace: String?) -> String {
        let base = version(resource.group, resource.version)
        let scope = resource.isNamespaced ? namespace.map { "/namespaces/\(encode($0))" } ?? "" : ""
        return "\(base)\(scope)/\(encode(resource.name))"
    }

    /// One object, or a part of it such as `scale`. Throws `invalid_argument` for what is no name.
    static func object(
        _ resource: APIResource, namespace: String, name: String, part: String? = nil
    ) throws(KubernetesFailure) -> String {
        try checkName(name)
        if resource.isNamespaced { try checkName(namespace) }
        return "\(collection(resource, namespace: namespace))/\(encode(name))\(part.map { "/\(encode($0))" } ?? "")"
    }

    /// A path with its query.
    static func uri(_ path: String, _ query: [(String, String)]) -> String {
        guard !query.isEmpty else { return path }
        return path + "?" + query.map { "\(encode($0.0))=\(encode($0.1))" }.joined(separator: "&")
    }

    /// Everything but letters, digits and `-._~` as `%XX`; also `;`, which Go would take for a separator.
    static func encode(_ text: String) -> String {
        var result: [UInt8] = []
        result.reserveCapacity(text.utf8.count)
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), 0x30...0x39,
                UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "~"):
                result.append(byte)
            default: result += [UInt8(ascii: "%"), hex[Int(byte >> 4)], hex[Int(byte & 15)]]
            }
        }
        return String(decoding: result, as: UTF8.self)
    }

    private static let hex = Array("0123456789ABCDEF".utf8)
}
