// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// Reads a statement for Kubernetes and applies the rules whose ids start with `k8s.`.
struct KubernetesGuard {
    private let statement: KubernetesStatement
    private var report = StatementReport()

    private var command: KubernetesCommand { statement.command }

    static func read(_ bytes: [UInt8]) -> StatementReport {
        do {
            var reader = KubernetesGuard(statement: try KubernetesStatement(bytes))
            let statement = reader.statement
            reader.report.statements = [
                String(decoding: bytes[..<statement.command.end], as: UTF8.self).split(whereSeparator: \.isWhitespace)
                    .joined(separator: " ")
                    + statement.manifests.map { " " + $0.compact }.joined()
                    + (statement.input.map { " " + JSONNode.quoted($0) } ?? "")
            ]
            try reader.run()
            return reader.report
        } catch {
            return .unreadable("k8s.syntax", error.position, error.message)
        }
    }

    private init(statement: KubernetesStatement) {
        self.statement = statement
    }

    private mutating func add(_ rule: String, _ message: String, _ position: Int = 0) {
        report.add(rule, position, message)
    }

    private mutating func run() throws(JSONTextError) {
        let verb = command.verb
        let isEntering = KubernetesNames.entering.contains(verb)
        if let rule = KubernetesNames.refused[verb] {
            add(rule, "\(verb) is refused")
            // Where a policy allows to enter containers, the other rules still hold.
            if !isEntering { return }
        }
        let changes = isEntering || KubernetesNames.changing.contains(verb)
        guard changes || KubernetesNames.reading.contains(verb) else {
            throw JSONTextError(position: 0, message: "the verb '\(verb.prefix(40))' is not known")
        }
        for option in command.options where KubernetesNames.identity.contains(option.name) {
            add("k8s.identity", "--\(option.name) chooses another identity or cluster")
        }
        if command.option("raw") != nil { add("k8s.raw", "--raw names a path of the API") }
        let files = command.options.filter {
            $0.name == "filename" || $0.name == "kustomize" || $0.name == "patch-file"
        }
        if files.contains(where: { $0.name != "filename" || $0.value != "-" }) {
            add("k8s.file", "a manifest in a file cannot be judged; write it below the first line")
        }
        if verb == "kustomize" { add("k8s.file", "kustomize reads files") }
        let targets = self.targets()
        secrets(targets)
        guard changes else {
            if verb == "auth", command.words.first != "can-i", command.words.first != "whoami" {
                add("k8s.rbac", "auth \(command.words.first ?? "") changes rights")
            }
            return
        }
        if let name = namespaces().first(where: KubernetesNames.systemNamespaces.contains) {
            add("k8s.system-namespace", "changes in \(name)")
        }
        if command.isSet("all") || command.isSet("all-namespaces") || command.isSet("prune")
            || verb == "deletecollection"
        {
            add("k8s.all", "acts on all objects of a kind")
        }
        if isEntering { return }
        if verb == "delete" || verb == "deletecollection" { return delete(targets) }
        change(verb, targets)
        try contents()
    }

    // MARK: What it is about

    /// One resource of the first line or of a manifest.
    private struct Target {
        var resource: String
        var name: String?
    }

    private func targets() -> [Target] {
        var words = command.words[...]
        if ["rollout", "set", "top", "auth"].contains(command.verb) || (command.verb == "apply" && !words.isEmpty) {
            words = words.dropFirst()
        }
        var result = KubernetesStatement.targets(words).map {
            Target(resource: KubernetesNames.resource($0.word), name: $0.name)
        }
        for object in statement.objects {
            let kind = KubernetesNames.resource(object["kind"]?.text ?? "")
            result.append(
                Target(
                    resource: kind, name: object["metadata"]?["name"]?.text ?? object["metadata"]?["generateName"]?.text
                ))
        }
        return result
    }

    private func namespaces() -> [String] {
        var result = command.options.filter { $0.name == "namespace" }.map(\.value)
        result += statement.objects.compactMap { $0["metadata"]?["namespace"]?.text }
        return result
    }

    // MARK: Rules

    private mutating func secrets(_ targets: [Target]) {
        if command.verb == "create" {
            if command.words.first == "token" { add("k8s.secrets", "makes a token") }
            return
        }
        let reads: Set = ["get", "list", "watch", "describe", "diff", "wait", "explain", "events"]
        guard reads.contains(command.verb), !["explain", "events"].contains(command.verb) else { return }
        if targets.contains(where: { $0.resource == "secret" }), command.verb != "diff" {
            add("k8s.secrets", "reads secrets")
        }
    }

    private mutating func delete(_ targets: [Target]) {
        let hasSelector = [command.option("selector"), command.option("field-selector")].contains {
            $0?.isEmpty == false
        }
        if targets.isEmpty { add("k8s.syntax", "delete without a resource") }
        for target in targets {
            let resource = target.resource
            if resource == "namespace" {
                add("k8s.delete-namespace", "deletes a namespace and all that is in it")
            } else if KubernetesNames.cluster.contains(resource) {
                add("k8s.delete-cluster-resource", "deletes a \(resource), which belongs to no namespace")
            } else if resource == "persistentvolumeclaim" {
                add("k8s.delete-volume", "deletes a volume claim, and with it what is stored")
            } else if KubernetesNames.rbac.contains(resource) {
                add("k8s.rbac", "deletes a \(resource)")
            } else if resource == "all" {
                add("k8s.all", "deletes objects of all common kinds")
            }
            if target.name == nil, !hasSelector { add("k8s.all", "deletes without a name or selector") }
        }
    }

    private mutating func change(_ verb: String, _ targets: [Target]) {
        if ["label", "annotate", "patch", "scale", "set", "rollout", "autoscale"].contains(verb) {
            if verb == "set", ["subject", "serviceaccount", "sa"].contains(command.words.first ?? "") {
                add("k8s.rbac", "set \(command.words.first ?? "") changes rights")
            }
        }
        for target in targets {
            let resource = target.resource
            if KubernetesNames.rbac.contains(resource) {
                add("k8s.rbac", "changes a \(resource)")
            } else if resource != "namespace" && KubernetesNames.cluster.contains(resource) {
                add("k8s.cluster-resource", "changes a \(resource), which belongs to no namespace")
            }
            if resource == "namespace", KubernetesNames.systemNamespaces.contains(target.name ?? "") {
                add("k8s.system-namespace", "changes \(target.name ?? "")")
            }
        }
        if verb == "run", command.isSet("privileged") { add("k8s.privileged", "--privileged") }
    }

    /// Manifests and patches: rights over the host, wherever they are asked for.
    private mutating func contents() throws(JSONTextError) {
        for manifest in statement.manifests { scan(manifest) }
        for option in command.options where option.name == "patch" || option.name == "overrides" {
            for node in try patch(option.value) { scan(node) }
        }
    }

    private func patch(_ text: String) throws(JSONTextError) -> [JSONNode] {
        do {
            return try ManifestText.read(Array(text.utf8)[...])
        } catch {
            throw JSONTextError(position: 0, message: "the patch cannot be read: \(error.message)")
        }
    }

    private mutating func scan(_ node: JSONNode) {
        switch node {
        case .array(let elements): for element in elements { scan(element) }
        case .object(let members):
            // An item of a JSON patch names the member in its path.
            if let path = node["path"]?.text, node["op"] != nil, let value = node["value"] {
                let parts = path.split(separator: "/").reversed().map(String.init)
                let name = parts.first { Int($0) == nil && $0 != "-" } ?? ""
                member(name, value)
            }
            for item in members {
                member(item.name, item.value)
                scan(item.value)
            }
        default: break
        }
    }

    private mutating func member(_ name: String, _ value: JSONNode) {
        switch name {
        case "privileged", "hostPID", "hostNetwork", "hostIPC", "hostProcess":
            if value.isSet || value.text != nil {
                add("k8s.privileged", "\(name) gives rights over the host", command.end)
            }
        case "hostPath":
            if value != .null { add("k8s.privileged", "hostPath mounts the host's files", command.end) }
        case "procMount":
            if value.text == "Unmasked" { add("k8s.privileged", "an unmasked /proc", command.end) }
        case "add", "capabilities":
            let names = (value.elements ?? [value]).compactMap { $0.text?.uppercased() }
            let dangerous = names.first {
                KubernetesNames.capabilities.contains($0.hasPrefix("CAP_") ? String($0.dropFirst(4)) : $0)
            }
            if let dangerous { add("k8s.privileged", "the capability \(dangerous)", command.end) }
        default: break
        }
    }
}
