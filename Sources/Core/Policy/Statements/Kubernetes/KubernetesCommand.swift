// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// The first line of a statement for Kubernetes, with the words and options of kubectl.
public struct KubernetesCommand: Sendable {
    /// What to do.
    public private(set) var verb = ""
    /// What comes after the verb and is no option.
    public private(set) var words: [String] = []
    /// How many ``words`` stand before `--`; nil without one.
    public private(set) var wordsBeforeDashes: Int?
    /// Options in their order, by their long names.
    public private(set) var options: [(name: String, value: String)] = []
    /// Where the line ends; manifests come after it.
    private(set) var end = 0

    init(_ bytes: [UInt8]) throws(JSONTextError) {
        var arguments = try Self.split(bytes, &end)
        if arguments.first == "kubectl" { arguments.removeFirst() }
        var index = 0
        while index < arguments.count {
            let argument = arguments[index]
            index += 1
            if argument == "--" {
                wordsBeforeDashes = words.count
                words += arguments[index...]
                break
            }
            guard argument.hasPrefix("-"), argument != "-" else {
                if verb.isEmpty { verb = argument } else { words.append(argument) }
                continue
            }
            if argument.hasPrefix("--") {
                try long(argument, arguments, &index)
            } else {
                try short(argument, arguments, &index)
            }
        }
        guard !verb.isEmpty else { throw JSONTextError(position: 0, message: "there is no verb") }
    }

    /// The value of an option; of the last, if it is given several times.
    public func option(_ name: String) -> String? { options.last { $0.name == name }?.value }

    /// Whether a flag is set; `--all=false` unsets it.
    public func isSet(_ name: String) -> Bool { options.contains { $0.name == name && $0.value != "false" } }

    // MARK: Options

    private static let flags: Set<String> = [
        "all", "all-containers", "all-namespaces", "allow-missing-template-keys", "append-server-path", "cascade",
        "clean", "command", "delete-emptydir-data", "delete-local-data", "disable-eviction", "dry-run", "expose",
        "follow", "force", "force-conflicts", "help", "ignore-daemonsets", "ignore-errors", "ignore-not-found",
        "include-uninitialized", "insecure-skip-tls-verify", "insecure-skip-tls-verify-backend", "keep-annotations",
        "keep-labels", "leave-stdin-open", "list", "local", "no-headers", "now", "openapi-print-columns",
        "output-watch-events",
        "overwrite", "pod-running-timeout-off", "prefix", "previous", "privileged", "prune", "quiet", "record",
        "recursive", "rm", "save-config", "server-print", "server-side", "show-events", "show-kind", "show-labels",
        "show-managed-fields", "stdin", "stdin-once", "sum", "timestamps", "tty", "validate", "wait",
        "warnings-as-errors", "watch",
        "watch-only", "resolve", "containers", "use-protocol-buffers", "share-processes", "same-node", "no-preserve",
        "match-server-version", "client",
    ]
    private static let valued: Set<String> = [
        "annotations", "applyset", "as", "as-group", "as-uid", "as-user-extra", "cache-dir", "certificate-authority",
        "chunk-size",
        "client-certificate", "client-key", "cluster", "cluster-ip", "clusterrole", "concurrent", "container",
        "context",
        "copy-to", "cpu-percent", "current-replicas", "custom", "docker-email", "docker-password", "docker-server",
        "docker-username", "duration",
        "env", "external-ip", "field-manager", "field-selector", "filename", "for", "from", "from-env-file",
        "from-file",
        "from-literal", "grace-period", "group", "hard", "image", "image-pull-policy", "key", "kubeconfig", "kustomize",
        "label-columns", "labels", "limit-bytes", "limits", "load-balancer-ip", "max", "max-log-requests", "min",
        "name",
        "namespace", "non-resource-url", "output", "overrides", "override-type", "password", "patch", "patch-file",
        "pod-running-timeout", "pod-selector", "port", "profile", "protocol", "prune-allowlist", "prune-whitelist",
        "raw",
        "replicas", "request-timeout", "requests", "resource", "resource-name", "resource-version", "restart",
        "revision",
        "role", "schedule", "scopes", "selector", "server", "serviceaccount", "session-affinity", "since", "since-time",
        "skip-wait-for-delete-timeout", "sort-by", "subresource", "tail", "target", "target-port", "tcp", "template",
        "timeout", "tls-server-name",
        "to-revision", "token", "type", "types", "user", "username", "v", "verb", "vmodule", "cert", "value",
        "description", "preemption-policy", "rule", "class", "annotation", "default-backend",
        "audience", "bound-object-kind", "bound-object-name", "bound-object-uid", "node-port", "external-name", "cpu",
        "memory", "retries", "address",
    ]
    private static let shortFlags: [Character: String] = [
        "A": "all-namespaces", "R": "recursive", "w": "watch", "i": "stdin", "t": "tty", "h": "help", "q": "quiet",
    ]
    private static let shortValued: [Character: String] = [
        "n": "namespace", "l": "selector", "o": "output", "f": "filename", "k": "kustomize", "c": "container",
        "s": "server", "L": "label-columns", "v": "v", "e": "env",
    ]

    private mutating func long(_ argument: String, _ arguments: [String], _ index: inout Int) throws(JSONTextError) {
        let parts = argument.dropFirst(2).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        let name = String(parts.first ?? "")
        let isFlag = Self.flags.contains(name)
        guard isFlag || Self.valued.contains(name) else {
            throw JSONTextError(position: 0, message: "the option --\(name.prefix(40)) is not known")
        }
        if parts.count == 2 {
            options.append((name, String(parts[1])))
        } else if isFlag {
            options.append((name, "true"))
        } else {
            guard index < arguments.count else { throw JSONTextError(position: 0, message: "--\(name) needs a value") }
            options.append((name, arguments[index]))
            index += 1
        }
    }

    private mutating func short(_ argument: String, _ arguments: [String], _ index: inout Int) throws(JSONTextError) {
        var rest = argument.dropFirst()
        while let letter = rest.popFirst() {
            // What -p and -f mean depends on the verb; the rest is the same everywhere.
            if letter == "p", verb == "logs" {
                options.append(("previous", "true"))
            } else if letter == "f", verb == "logs" {
                options.append(("follow", "true"))
            } else if let name = Self.shortFlags[letter] {
                if rest.first == "=" { throw JSONTextError(position: 0, message: "write --\(name)=...") }
                options.append((name, "true"))
            } else if let name = letter == "p" ? "patch" : Self.shortValued[letter] {
                if rest.first == "=" { rest.removeFirst() }
                if rest.isEmpty {
                    guard index < arguments.count else {
                        throw JSONTextError(position: 0, message: "-\(letter) needs a value")
                    }
                    options.append((name, arguments[index]))
                    index += 1
                } else {
                    options.append((name, String(rest)))
                }
                return
            } else {
                throw JSONTextError(position: 0, message: "the option -\(letter) is not known")
            }
        }
    }

    // MARK: Words

    /// Splits the first line at blanks, with quotes and backslashes as in a shell, and nothing else of a shell.
    private static func split(_ bytes: [UInt8], _ end: inout Int) throws(JSONTextError) -> [String] {
        var words: [String] = []
        var word: [UInt8]?
        var quote: UInt8?
        var index = 0
        while index < bytes.count {
            let byte = bytes[index]
            index += 1
            if let open = quote {
                if byte == open {
                    quote = nil
                } else if byte == UInt8(ascii: "\\"), open == UInt8(ascii: "\""), index < bytes.count,
                    "\"\\".utf8.contains(bytes[index])
                {
                    word?.append(bytes[index])
                    index += 1
                } else {
                    word?.append(byte)
                }
                continue
            }
            switch byte {
            case 0x0A:
                end = index
                if let word { words.append(try text(word)) }
                return words
            case 0x20, 0x09, 0x0D:
                if let whole = word { words.append(try text(whole)) }
                word = nil
            case UInt8(ascii: "'"), UInt8(ascii: "\""):
                quote = byte
                word = word ?? []
            case UInt8(ascii: "\\"):
                guard index < bytes.count, bytes[index] != 0x0A else {
                    throw JSONTextError(position: index - 1, message: "a backslash at the end of the line")
                }
                if word == nil { word = [] }
                word?.append(bytes[index])
                index += 1
            case 0..<0x20, 0x7F: throw JSONTextError(position: index - 1, message: "a control character")
            case UInt8(ascii: "|"), UInt8(ascii: "&"), UInt8(ascii: ";"), UInt8(ascii: "`"), UInt8(ascii: "$"),
                UInt8(ascii: ">"), UInt8(ascii: "<"):
                throw JSONTextError(position: index - 1, message: "this is no shell; put the character into quotes")
            default:
                if word == nil { word = [] }
                word?.append(byte)
            }
        }
        guard quote == nil else { throw JSONTextError(position: bytes.count, message: "a quote is not closed") }
        end = bytes.count
        if let word { words.append(try text(word)) }
        return words
    }

    private static func text(_ bytes: [UInt8]) throws(JSONTextError) -> String {
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw JSONTextError(position: 0, message: "not valid UTF-8")
        }
        return text
    }
}
