// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// Reads a request to Elasticsearch and applies the rules whose ids start with `es.`.
struct ElasticsearchGuard {
    private let request: ElasticsearchRequest
    private var report = StatementReport()

    static func read(_ bytes: [UInt8]) -> StatementReport {
        do {
            var reader = ElasticsearchGuard(request: try ElasticsearchRequest(bytes))
            try reader.run()
            return reader.report
        } catch {
            return .unreadable("es.syntax", error.position, error.message)
        }
    }

    private init(request: ElasticsearchRequest) { self.request = request }

    private mutating func run() throws(JSONTextError) {
        let segments = request.segments
        let (call, index) = (request.call, request.index)
        var document: JSONNode?
        if !request.isLines, !request.bodyIsEmpty { document = try JSONText.parse(request.body) }
        report.statements = [request.line + (document.map { " " + $0.compact } ?? "")]
        if request.isLines, !request.bodyIsEmpty { report.statements[0] += " " + Self.collapsed(request.body) }
        if let document { try scripts(document) }
        if request.method == "GET" || request.method == "HEAD" { return read(call) }
        if let index, index.split(separator: ",").contains(where: { $0.hasPrefix(".") || $0.hasPrefix("-.") }) {
            add("es.system", "changes \(index), which belongs to the server")
        }
        switch call {
        case "": whole(index)
        case "_bulk": try bulk()
        case "_delete_by_query": byQuery("es.delete-by-query", index, document)
        case "_update_by_query": byQuery("es.update-by-query", index, document)
        case "_reindex": reindex(document)
        case "_aliases": aliases(document)
        default: other(call, Array(segments[(request.place ?? 0)...]), index)
        }
    }

    private mutating func add(_ rule: String, _ message: String) { report.add(rule, 0, message) }

    // MARK: Calls

    private mutating func read(_ call: String) {
        if call == "_security" || call == "_xpack" { add("es.security", "reads users, roles or keys") }
        // These change things whatever their method was in older versions.
        if call == "_delete_by_query" || call == "_update_by_query" { add("es.unknown", "\(call) needs POST") }
    }

    /// A path of one index, or of one and a type.
    private mutating func whole(_ index: String?) {
        switch request.method {
        case "DELETE":
            if request.segments.count == 3 { return }
            add("es.delete-index", "removes \(index.map { "the index \($0)" } ?? "everything")")
        case "PUT": if index == nil { add("es.unknown", "PUT without an index") }
        default: if request.segments.count < 2 { add("es.unknown", "POST without a call") }
        }
    }

    private mutating func other(_ call: String, _ rest: [String], _ index: String?) {
        let name = rest.count > 1 ? rest[1] : ""
        if let rule = Self.refused[call] {
            if call == "_tasks", name.isEmpty { return add("es.unknown", "_tasks without a task") }
            return add(rule, "\(request.method) \(call) is refused")
        }
        if call == "_ingest" || call == "_render" || call == "_template" || call == "_index_template" {
            if rest.last == "_simulate" || call == "_render" || name.hasPrefix("_simulate") { return }
            return add("es.template", "\(request.method) \(call) is refused")
        }
        if request.method == "DELETE" {
            let deletes =
                (call == "_doc" && rest.count == 2 && index != nil)
                || (call == "_search" && name == "scroll") || call == "_pit" || call == "_async_search"
                || ((call == "_alias" || call == "_aliases") && index != nil)
            if call == "_data_stream" { return add("es.delete-index", "removes data streams") }
            if !deletes { add("es.unknown", "DELETE \(call) is not known to be harmless") }
            return
        }
        if call == "_xpack", ["sql", "_sql"].contains(name) { return }
        if !Self.ordinary.contains(call) {
            add("es.unknown", "\(request.method) \(call) is not known to be harmless")
        }
    }

    private static let ordinary: Set<String> = [
        "_alias", "_analyze", "_async_search", "_cache", "_count", "_create", "_data_stream", "_disk_usage", "_doc",
        "_eql", "_esql", "_explain", "_field_caps", "_flush", "_forcemerge", "_graph", "_knn_search", "_mapping",
        "_mappings", "_mget", "_msearch", "_mtermvectors", "_open", "_pit", "_query", "_rank_eval", "_refresh",
        "_resolve", "_rollover", "_search", "_search_shards", "_sql", "_suggest", "_terms_enum", "_termvectors",
        "_update", "_validate",
    ]

    private static let refused: [String: String] = [
        "_cluster": "es.cluster", "_nodes": "es.cluster", "_shutdown": "es.cluster", "_remote": "es.cluster",
        "_autoscaling": "es.cluster", "_dangling": "es.cluster", "_internal": "es.cluster", "_ccr": "es.cluster",
        "_license": "es.cluster", "_features": "es.cluster", "_snapshot": "es.snapshot", "_slm": "es.snapshot",
        "_searchable_snapshots": "es.snapshot", "_scripts": "es.script", "_security": "es.security",
        "_searchguard": "es.security", "_opendistro": "es.security", "_plugins": "es.security",
        "_settings": "es.settings", "_close": "es.settings", "_freeze": "es.settings", "_unfreeze": "es.settings",
        "_block": "es.settings", "_shrink": "es.settings", "_split": "es.settings", "_clone": "es.settings",
        "_component_template": "es.template", "_ilm": "es.template", "_enrich": "es.template",
        "_transform": "es.template", "_watcher": "es.template", "_rollup": "es.template", "_ml": "es.template",
        "_tasks": "es.kill",
    ]

    private mutating func reindex(_ document: JSONNode?) {
        guard let document else { return add("es.syntax", "_reindex without a body") }
        if document["source"]?["remote"] != nil { add("es.remote", "reads from another cluster") }
        if document["dest"]?["index"]?.text?.hasPrefix(".") == true {
            add("es.system", "writes to an index of the server itself")
        }
    }

    private mutating func aliases(_ document: JSONNode?) {
        for action in document?["actions"]?.elements ?? [] {
            for member in action.members ?? [] where member.name != "add" && member.name != "remove" {
                add("es.delete-index", "\(member.name) in _aliases removes an index")
            }
        }
    }

    private mutating func byQuery(_ rule: String, _ index: String?, _ document: JSONNode?) {
        guard request.method == "POST" else { return add("es.unknown", "\(request.method) of a call by query") }
        let names = (index ?? "_all").split(separator: ",")
        if names.isEmpty || names.contains(where: { $0 == "_all" || $0.allSatisfy { $0 == "*" } }) {
            return add(rule, "works on all indices; name those that are meant")
        }
        if let text = request.parameter("q"), document?["query"] == nil {
            if Self.isOpen(text: text) { add(rule, "the query q lets every document through") }
            return
        }
        guard let query = document?["query"], !Self.isOpen(query) else {
            return add(rule, "the query lets every document through")
        }
    }

    // MARK: Bodies

    private mutating func bulk() throws(JSONTextError) {
        for item in try request.readBulk() {
            let position = item.lines[0].startIndex
            if item.action["_index"]?.text?.hasPrefix(".") == true {
                report.add("es.system", position, "writes to an index of the server itself")
            }
            if item.kind == "delete" { report.add("es.bulk-delete", position, "deletes a document") }
            if let source = item.source { try scripts(source) }
        }
    }

    /// Finds scripts in languages that can do more than compute.
    private mutating func scripts(_ node: JSONNode) throws(JSONTextError) {
        switch node {
        case .array(let elements): for element in elements { try scripts(element) }
        case .object(let members):
            for member in members {
                if member.name == "script" || member.name.hasSuffix("_script"),
                    let language = member.value["lang"]?.text,
                    !["painless", "expression", "mustache"].contains(language)
                {
                    report.add("es.script", 0, "a script in the language \(language)")
                }
                try scripts(member.value)
            }
        default: break
        }
    }

    /// Whether every document passes a query, as far as that can be seen.
    static func isOpen(_ query: JSONNode) -> Bool {
        guard let members = query.members else { return true }
        guard let member = members.first, members.count == 1 else { return members.isEmpty }
        let value = member.value
        switch member.name {
        case "match_all", "wrapper": return true
        case "boosting": return value["positive"].map(isOpen) ?? true
        case "script":
            return ["true", "true;", "return true", "return true;"].contains(value["script"]?["source"]?.text ?? "")
        case "match_none": return false
        case "constant_score": return value["filter"].map(isOpen) ?? true
        case "function_score", "script_score", "nested", "has_child", "has_parent":
            return member.name.hasPrefix("has") || member.name == "nested" ? false : value["query"].map(isOpen) ?? true
        case "dis_max": return (value["queries"]?.elements ?? []).contains { isOpen($0) }
        case "query_string", "simple_query_string": return isOpen(text: value["query"]?.text ?? "*")
        case "exists": return ["_id", "_index", "_source", "_seq_no", "_version"].contains(value["field"]?.text ?? "")
        case "wildcard", "regexp", "prefix": return isOpenPattern(member.name, value)
        case "range": return value.members?.allSatisfy { $0.value.members?.isEmpty ?? false } ?? true
        case "bool": return isOpenBool(value)
        default: return false
        }
    }

    private static func isOpenBool(_ node: JSONNode) -> Bool {
        func queries(_ name: String) -> [JSONNode] { node[name].map { $0.elements ?? [$0] } ?? [] }
        let must = queries("must") + queries("filter")
        guard must.allSatisfy({ isOpen($0) }) else { return false }
        guard queries("must_not").allSatisfy({ $0["match_none"] != nil }) else { return false }
        let should = queries("should")
        let needed = node["minimum_should_match"] != nil || must.isEmpty
        return should.isEmpty || !needed || should.contains { isOpen($0) }
    }

    private static func isOpenPattern(_ kind: String, _ node: JSONNode) -> Bool {
        guard let field = node.members?.first else { return true }
        let text = field.value.text ?? field.value["value"]?.text ?? field.value["wildcard"]?.text ?? ""
        switch kind {
        case "wildcard": return !text.isEmpty && text.allSatisfy { $0 == "*" }
        case "regexp": return text == ".*"
        default: return text.isEmpty
        }
    }

    private static func isOpen(text: String) -> Bool {
        let text = text.filter { !$0.isWhitespace && $0 != "(" && $0 != ")" }
        return text.isEmpty || text.hasPrefix("*") && ["*", "*:*", "**"].contains(text)
            || ["_exists_:_id", "_id:*"].contains(text)
    }

    private static func collapsed(_ bytes: ArraySlice<UInt8>) -> String {
        bytes.split(whereSeparator: { $0 == 0x0A || $0 == 0x0D }).map { String(decoding: $0, as: UTF8.self) }
            .joined(separator: " ")
    }
}
