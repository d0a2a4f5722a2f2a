// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// `delete`: removes objects by name, selector or manifest, and waits until they are gone.
struct DeleteVerb: KubernetesVerb {
    static let options: Set = [
        "filename", "selector", "field-selector", "all", "grace-period", "now", "force", "cascade", "wait", "timeout",
        "ignore-not-found", "dry-run", "output",
    ]
    static let takesManifests = true

    private let targets: [KubernetesStatement.Target]
    private let manifests: [JSONNode]
    private let labels: String?
    private let fields: String?
    private let deletion: JSONNode
    private let dryRun: Bool
    private let waits: Bool
    private let timeout: Double?
    private let ignoresMissing: Bool
    private let output: String?

    init(_ arguments: VerbArguments) throws(DeployError) {
        manifests = arguments.statement.objects
        targets = manifests.isEmpty || !arguments.words.isEmpty ? try arguments.targets(arguments.words) : []
        guard manifests.isEmpty || targets.isEmpty else {
            throw DeployError(.invalidArgument, "delete takes manifests or names, not both")
        }
        labels = arguments.text("selector")
        fields = arguments.text("field-selector")
        let isAll = arguments.flag("all")
        let isSelected = [labels, fields].contains { $0?.isEmpty == false } || isAll
        guard targets.allSatisfy({ ($0.name == nil) == isSelected }) else {
            throw DeployError(
                .invalidArgument, "delete needs names, or one of -l, --field-selector and --all, and not both")
        }
        dryRun = try arguments.isDryRun()
        waits = (arguments.text("wait") ?? "true") != "false" && !dryRun
        timeout = try arguments.seconds("timeout").flatMap { $0 > 0 ? $0 : nil }
        ignoresMissing = arguments.flag("ignore-not-found")
        output = try arguments.word("output", ["name"])
        deletion = try Self.deletion(arguments)
    }

    /// The `DeleteOptions` that are sent.
    private static func deletion(_ arguments: VerbArguments) throws(DeployError) -> JSONNode {
        var members: [JSONMember] = [
            JSONMember(name: "apiVersion", value: .string("v1")),
            JSONMember(name: "kind", value: .string("DeleteOptions")),
        ]
        let policies = [
            "background": "Background", "foreground": "Foreground", "orphan": "Orphan", "true": "Background",
            "false": "Orphan",
        ]
        let cascade = try arguments.word("cascade", policies.keys.sorted()) ?? "background"
        members.append(JSONMember(name: "propagationPolicy", value: .string(policies[cascade] ?? "Background")))
        var grace = try arguments.integer("grace-period", in: -1...86_400)
        if arguments.flag("now") { grace = 1 }
        if arguments.flag("force"), grace == nil { grace = 0 }
        guard grace != 0 || arguments.flag("force") else {
            throw DeployError(
                .invalidArgument, "--grace-period=0 needs --force: the cluster forgets the object, whatever still runs")
        }
        if let grace, grace >= 0 {
            members.append(JSONMember(name: "gracePeriodSeconds", value: .number("\(grace)")))
        }
        return .object(members)
    }

    func run(_ session: KubernetesSession) async throws(KubernetesFailure) -> ExecutionOutcome {
        var tally = ObjectTally()
        var deleted: [(KubernetesSession.Reference, uid: String)] = []
        var references = try await session.references(targets, labels: labels, fields: fields)
        for manifest in manifests { references.append(try await session.reference(manifest)) }
        if references.isEmpty { await session.complain("nothing is selected") }
        for reference in references {
            do throws(KubernetesFailure) {
                let answer = try await session.client.send(
                    KubernetesRequest(
                        .delete, try reference.path(), query: dryRun ? [("dryRun", "All")] : [], body: deletion))
                let uid = answer.at("metadata", "uid") ?? answer.at("details", "uid")
                deleted.append((reference, uid?.text ?? ""))
                tally.add(reference, "deleted", isChange: !dryRun)
                await session.show(answer, reference, "deleted", output, dryRun: dryRun)
            } catch {
                if error.isNotFound, ignoresMissing { continue }
                await session.complain("\(reference.title): \(error.error.sentence)")
                try tally.fail(reference.title, error)
            }
        }
        if waits { try await wait(for: deleted, session) }
        return tally.outcome
    }

    /// Waits until the objects are gone; another of the same name is another.
    private func wait(
        for deleted: [(KubernetesSession.Reference, uid: String)], _ session: KubernetesSession
    ) async throws(KubernetesFailure) {
        let deadline = timeout.map { ContinuousClock.now + .seconds($0) }
        for (reference, uid) in deleted {
            let rest = deadline.map { max(0.05, ($0 - .now).seconds) }
            let gone: Bool? = try await session.within(rest) { () throws(KubernetesFailure) in
                try await session.client.observe(
                    reference.resource, namespace: reference.namespace, name: reference.name
                ) { object in
                    guard let object, object.uid == uid || uid.isEmpty else { return .done(true) }
                    return .wait
                }
            }
            guard gone != nil else {
                throw KubernetesFailure(
                    .timedOut, "\(reference.title) is marked for deletion and still there after --timeout",
                    hint: "finalizers or a pod that does not end may hold it")
            }
        }
    }
}
