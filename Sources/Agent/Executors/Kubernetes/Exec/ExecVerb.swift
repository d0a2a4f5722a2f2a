// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// `exec`: runs a program in a container, with what stands below the first line as its standard input.
struct ExecVerb: KubernetesVerb {
    static let options: Set = ["container", "stdin", "tty", "quiet"]

    private let pod: String
    private let container: String?
    private let program: [String]
    private let input: String?

    init(_ arguments: VerbArguments) throws(DeployError) {
        guard let before = arguments.statement.command.wordsBeforeDashes, before == 1, arguments.words.count > 1 else {
            throw DeployError(
                .invalidArgument, "exec needs one pod or TYPE/NAME, and a program after --",
                hint: "exec web-1 -c nginx -- nginx -t")
        }
        pod = arguments.words[0]
        guard pod.contains("/") || ResourcePath.isName(pod) else {
            throw DeployError(.invalidArgument, "'\(pod.prefix(64))' cannot be the name of a pod")
        }
        program = Array(arguments.words.dropFirst())
        container = arguments.text("container")
        guard !arguments.flag("tty") else {
            throw DeployError(.invalidArgument, "tasks have no terminal", hint: "leave -t out")
        }
        input = arguments.statement.input
        guard input == nil || arguments.flag("stdin") else {
            throw DeployError(.invalidArgument, "text below the first line needs -i: it becomes standard input")
        }
    }

    func run(_ session: KubernetesSession) async throws(KubernetesFailure) -> ExecutionOutcome {
        let finder = PodFinder(session: session)
        let pod = try await finder.pod(pod)
        let container = try finder.container(container, of: pod)
        let path = try ResourcePath.object(
            PodFinder.pods, namespace: pod.namespace ?? session.namespace, name: pod.name, part: "exec")
        var query =
            program.map { ("command", $0) } + [("container", container), ("stdout", "true"), ("stderr", "true")]
        if input != nil { query.append(("stdin", "true")) }
        let uri = session.client.address.basePath + ResourcePath.uri(path, query)
        let channel = try await ExecDialer(client: session.client).dial(uri, hasInput: input != nil)
        let end = try await ExecConversation(channel: channel, output: session.output, client: session.client)
            .run(input: input.map { Array($0.utf8) })
        var result: [String: JSONValue] = ["pod": .string(pod.name), "container": .string(container)]
        switch end {
        case .exited(let code):
            result["exit_code"] = .integer(Int64(code))
            return ExecutionOutcome(exitCode: code, result: result)
        case .failed(let message):
            return ExecutionOutcome(error: TaskFailure(.startFailed, message), result: result)
        }
    }
}
