// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// `apply`: server-side apply of every manifest.
struct ApplyVerb: KubernetesVerb {
    static let options: Set = [
        "filename", "server-side", "force-conflicts", "field-manager", "dry-run", "output", "validate",
    ]
    static let takesManifests = true

    private let objects: [JSONNode]
    private let force: Bool
    private let manager: String
    private let dryRun: Bool
    private let output: String?

    /// Who owns the fields that are applied, unless the command says otherwise.
    static let manager = "tiangong"

    init(_ arguments: VerbArguments) throws(DeployError) {
        guard arguments.words.isEmpty else {
            throw DeployError(.invalidArgument, "apply takes manifests and options only")
        }
        objects = arguments.statement.objects
        guard !objects.isEmpty else {
            throw DeployError(
                .invalidArgument, "there is nothing to apply", hint: "write manifests below the first line")
        }
        force = arguments.flag("force-conflicts")
        manager = arguments.text("field-manager") ?? Self.manager
        dryRun = try arguments.isDryRun()
        output = try arguments.word("output", ["name", "yaml", "json"])
        // Server-side apply always checks the fields of known kinds.
        guard ![arguments.text("validate"), arguments.text("server-side")].contains("false") else {
            throw DeployError(.invalidArgument, "apply is done by the server, which checks what it applies")
        }
    }

    func run(_ session: KubernetesSession) async throws(KubernetesFailure) -> ExecutionOutcome {
        var tally = ObjectTally()
        var hasNewKinds = false
        for object in objects {
            let title = "\(object["kind"]?.text ?? "?") \(KubernetesObject(object).name)"
            do throws(KubernetesFailure) {
                try await apply(object, hasNewKinds, session, &tally)
                if object["kind"]?.text == "CustomResourceDefinition" { hasNewKinds = true }
            } catch {
                await session.complain("\(title): \(error.error.sentence)")
                try tally.fail(title, error)
            }
        }
        return tally.outcome
    }

    private func apply(
        _ object: JSONNode, _ hasNewKinds: Bool, _ session: KubernetesSession, _ tally: inout ObjectTally
    ) async throws(KubernetesFailure) {
        let reference = try await reference(object, hasNewKinds, session)
        guard !reference.name.isEmpty else { throw KubernetesFailure(.invalidArgument, "apply needs metadata.name") }
        let before = try await version(of: reference, session)
        var query = [("fieldManager", manager), ("force", force ? "true" : "false")]
        if dryRun { query.append(("dryRun", "All")) }
        let answer = try await session.client.sendForStatus(
            KubernetesRequest(.patch, try reference.path(), query: query, body: object, as: .apply))
        let after = KubernetesObject(answer.node)
        let action: String
        switch before {
        case _ where answer.code == 201: action = "created"
        case .known(let object) where after.isUnchanged(from: object) && !dryRun: action = "unchanged"
        case .unknown: action = "applied"
        default: action = "configured"
        }
        tally.add(reference, action, isChange: action != "unchanged" && !dryRun)
        await session.show(answer.node, reference, action, output, dryRun: dryRun)
    }

    /// A kind whose definition was applied a moment ago takes a moment to be served.
    private func reference(
        _ object: JSONNode, _ mayWait: Bool, _ session: KubernetesSession
    ) async throws(KubernetesFailure) -> KubernetesSession.Reference {
        var tries = 0
        while true {
            do throws(KubernetesFailure) {
                return try await session.reference(object)
            } catch {
                tries += 1
                guard mayWait, error.error.code == .notFound, tries < 10, !Task.isCancelled else { throw error }
                try? await Task.sleep(for: .milliseconds(1100))
            }
        }
    }

    private enum Version {
        case missing
        case known(KubernetesObject)
        /// This identity may apply, but not read.
        case unknown
    }

    private func version(
        of reference: KubernetesSession.Reference, _ session: KubernetesSession
    ) async throws(KubernetesFailure) -> Version {
        do throws(KubernetesFailure) {
            let object = try await session.client.object(
                reference.resource, namespace: reference.namespace, name: reference.name)
            return object.map { .known($0) } ?? .missing
        } catch {
            guard error.isForbidden else { throw error }
            return .unknown
        }
    }
}

extension KubernetesSession {
    /// Writes what became of an object: a line, or the object as `output` says. What a secret holds is hidden.
    func show(_ object: JSONNode, _ reference: Reference, _ action: String, _ output: String?, dryRun: Bool) async {
        let object = ObjectText.masked(object)
        let shown = object["metadata"].map {
            object.setting("metadata", to: $0.removing(["managedFields"]))
        }
        switch output {
        case "yaml": await write("---\n" + ObjectText.yaml(shown ?? object))
        case "json": await line(ObjectText.json(shown ?? object))
        case "name": await line(reference.title)
        default: await line("\(reference.title) \(action)\(dryRun ? " (server dry run)" : "")")
        }
    }
}
