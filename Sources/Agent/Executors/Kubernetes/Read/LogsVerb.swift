// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import NIOCore

/// `logs`: what containers have written, and with `-f` what they go on to write.
struct LogsVerb: KubernetesVerb {
    static let options: Set = [
        "container", "follow", "previous", "tail", "since", "since-time", "timestamps", "limit-bytes", "selector",
        "all-containers", "prefix", "max-log-requests",
    ]

    private let pod: String?
    private let labels: String?
    private let container: String?
    private let allContainers: Bool
    private let parameters: [(String, String)]
    private let follows: Bool
    private let prefixes: Bool
    private let most: Int

    init(_ arguments: VerbArguments) throws(DeployError) {
        labels = arguments.text("selector").flatMap { $0.isEmpty ? nil : $0 }
        pod = arguments.words.first
        guard arguments.words.count <= 2, (pod == nil) == (labels != nil) else {
            throw DeployError(
                .invalidArgument, "logs needs one pod, TYPE/NAME or -l", hint: "logs web-1 -c nginx --tail=100")
        }
        if let pod, !pod.contains("/"), !ResourcePath.isName(pod) {
            throw DeployError(.invalidArgument, "'\(pod.prefix(64))' cannot be the name of a pod")
        }
        container = arguments.text("container") ?? (arguments.words.count == 2 ? arguments.words[1] : nil)
        allContainers = arguments.flag("all-containers")
        guard container == nil || !allContainers else {
            throw DeployError(.invalidArgument, "-c and --all-containers do not go together")
        }
        follows = arguments.flag("follow")
        prefixes = arguments.flag("prefix")
        most = try arguments.integer("max-log-requests", in: 1...100) ?? 5
        var parameters = [("follow", follows ? "true" : "false")]
        for (option, name) in [("previous", "previous"), ("timestamps", "timestamps")] where arguments.flag(option) {
            parameters.append((name, "true"))
        }
        // All there is of one pod, but not of many.
        let tail = try arguments.integer("tail", in: -1...10_000_000) ?? (labels == nil ? -1 : 10)
        if tail >= 0 { parameters.append(("tailLines", "\(tail)")) }
        if let seconds = try arguments.seconds("since"), seconds > 0 {
            parameters.append(("sinceSeconds", "\(Int64(max(1, seconds.rounded(.up))))"))
        }
        if let time = arguments.text("since-time") { parameters.append(("sinceTime", time)) }
        if let bytes = try arguments.integer("limit-bytes", in: 1...Int(Int32.max)) {
            parameters.append(("limitBytes", "\(bytes)"))
        }
        self.parameters = parameters
    }

    /// One container's log.
    private struct Source: Sendable {
        var pod: String
        var namespace: String
        var container: String
    }

    func run(_ session: KubernetesSession) async throws(KubernetesFailure) -> ExecutionOutcome {
        let sources = try await sources(session)
        let result: [String: JSONValue] = [
            "containers": .array(sources.prefix(200).map { .string("\($0.pod)/\($0.container)") })
        ]
        guard follows, sources.count > 1 else {
            for source in sources {
                try await copy(source, wholeLines: prefixes, session)
            }
            return ExecutionOutcome(result: result)
        }
        guard sources.count <= most else {
            throw KubernetesFailure(
                .tooLarge, "\(sources.count) logs are meant, over the \(most) of --max-log-requests",
                hint: "raise it, or narrow the selector")
        }
        let failure = await withTaskGroup(of: KubernetesFailure?.self) { group in
            for source in sources {
                group.addTask {
                    do throws(KubernetesFailure) {
                        try await copy(source, wholeLines: true, session)
                        return nil
                    } catch { return error }
                }
            }
            var first: KubernetesFailure?
            for await failure in group {
                guard let failure, first == nil else { continue }
                first = failure
                group.cancelAll()
            }
            return first
        }
        if let failure { throw failure }
        return ExecutionOutcome(result: result)
    }

    private func sources(_ session: KubernetesSession) async throws(KubernetesFailure) -> [Source] {
        let finder = PodFinder(session: session)
        let pods = if let labels { try await finder.pods(labels: labels) } else { [try await finder.pod(pod ?? "")] }
        guard !pods.isEmpty else {
            throw KubernetesFailure(.notFound, "no pods are selected in the namespace \(session.namespace)")
        }
        var sources: [Source] = []
        for pod in pods {
            let names = allContainers ? PodFinder.containers(of: pod) : [try finder.container(container, of: pod)]
            sources += names.map {
                Source(pod: pod.name, namespace: pod.namespace ?? session.namespace, container: $0)
            }
        }
        return sources
    }

    /// The longest line that is kept together with its prefix, in bytes.
    private static let longestLine = 65_536

    private func copy(
        _ source: Source, wholeLines: Bool, _ session: KubernetesSession
    ) async throws(KubernetesFailure) {
        let path = try ResourcePath.object(
            PodFinder.pods, namespace: source.namespace, name: source.pod, part: "log")
        let request = KubernetesRequest(
            path, query: parameters + [("container", source.container)], accept: "text/plain, application/json, */*")
        guard wholeLines else {
            return try await session.client.stream(request) { bytes in await session.output.send(bytes) }
        }
        let prefix = prefixes ? "[pod/\(source.pod)/\(source.container)] " : ""
        var lines = LineSplitter()
        var isWithinLine = false
        try await session.client.stream(request) { bytes in
            lines.append(bytes)
            var whole = ByteBuffer()
            while var line = lines.next() {
                if !isWithinLine { whole.writeString(prefix) }
                isWithinLine = false
                whole.writeBuffer(&line)
                whole.writeInteger(UInt8(ascii: "\n"))
            }
            if lines.pending > Self.longestLine {
                var part = lines.drain()
                if !isWithinLine { whole.writeString(prefix) }
                isWithinLine = true
                whole.writeBuffer(&part)
            }
            if whole.readableBytes > 0 { await session.output.send(whole) }
        }
        var rest = lines.drain()
        guard rest.readableBytes > 0 || isWithinLine else { return }
        var last = ByteBuffer(string: isWithinLine ? "" : prefix)
        last.writeBuffer(&rest)
        last.writeInteger(UInt8(ascii: "\n"))
        await session.output.send(last)
    }
}
