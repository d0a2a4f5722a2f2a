// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// One verb, read from a statement and ready to be performed.
protocol KubernetesVerb: Sendable {
    /// The options it takes, beside `--namespace`. All others are refused: none is passed over in silence.
    static var options: Set<String> { get }
    /// Whether manifests stand below the first line.
    static var takesManifests: Bool { get }

    /// Reads words and options; throws `invalid_argument` before anything is done.
    init(_ arguments: VerbArguments) throws(DeployError)

    /// Performs it.
    func run(_ session: KubernetesSession) async throws(KubernetesFailure) -> ExecutionOutcome
}

extension KubernetesVerb {
    static var takesManifests: Bool { false }
}

/// The verbs there are.
enum VerbTable {
    private static let verbs: [String: any KubernetesVerb.Type] = [
        "annotate": AnnotateVerb.self, "api-resources": APIResourcesVerb.self, "api-versions": APIVersionsVerb.self,
        "apply": ApplyVerb.self, "auth": CanIVerb.self, "create": CreateVerb.self, "delete": DeleteVerb.self,
        "diff": DiffVerb.self, "events": EventsVerb.self, "exec": ExecVerb.self, "get": GetVerb.self,
        "label": LabelVerb.self, "list": GetVerb.self, "logs": LogsVerb.self, "patch": PatchVerb.self,
        "replace": ReplaceVerb.self, "rollout": RolloutVerb.self, "scale": ScaleVerb.self, "update": ReplaceVerb.self,
        "version": VersionVerb.self, "wait": WaitVerb.self, "watch": WatchVerb.self,
    ]

    /// The verb of a statement. Throws `unsupported` for one that agents do not perform and `invalid_argument` for wrong use.
    static func verb(of statement: KubernetesStatement) throws(DeployError) -> any KubernetesVerb {
        guard let type = verbs[statement.command.verb] else {
            throw DeployError(
                .unsupported, "agents do not perform '\(statement.command.verb.prefix(40))'",
                hint: "they perform \(verbs.keys.sorted().joined(separator: ", "))")
        }
        let arguments = VerbArguments(statement)
        try arguments.check(options: type.options, manifests: type.takesManifests)
        return try type.init(arguments)
    }
}
