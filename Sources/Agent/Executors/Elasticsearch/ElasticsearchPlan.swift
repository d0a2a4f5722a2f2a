// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// How a request is performed, decided from it and the task's parameters before anything is sent.
struct ElasticsearchPlan: Sendable {
    /// What kind of work it is.
    enum Kind: Sendable, Equatable {
        /// One request, one answer.
        case plain
        /// Items, each with an end of its own.
        case bulk
        /// All documents that a search finds, page by page.
        case export
        /// Work that goes on at the server after the answer, and is followed to its end.
        case background
    }

    let kind: Kind
    /// Whether JSON is laid out for people.
    let isForPeople: Bool
    /// Documents that an export writes at most.
    let limit: Int64
    /// Documents of one page of an export.
    let page: Int64
    /// How long the server keeps the state of an export between two pages, as it takes a time.
    let keepAlive: String

    /// Calls that can go on after their answer.
    private static let background: Set<String> = ["_update_by_query", "_delete_by_query", "_reindex"]
    /// Parameters of a search that an export sets itself.
    private static let ofExport: Set<String> = ["scroll", "from", "search_after", "filter_path", "format", "size"]

    /// Decides; throws `start_failed` when an export is asked of what is no search.
    init(_ request: ElasticsearchRequest, _ parameters: TaskParameters) throws(DeployError) {
        isForPeople = parameters.text("format") != "jsonl"
        limit = parameters.integer("max_rows") ?? 10_000
        page = parameters.integer("page_size") ?? 1000
        keepAlive = "\(Int64((parameters.number("keep_alive") ?? 60).rounded(.up)))s"
        if parameters.flag("export") {
            guard request.call == "_search", request.segments.last == "_search",
                ["GET", "POST"].contains(request.method)
            else {
                throw DeployError(
                    .startFailed, "only a search can be exported", hint: "write GET /INDEX/_search, or leave export out"
                )
            }
            if let other = request.query.first(where: { Self.ofExport.contains($0.name) }) {
                throw DeployError(
                    .startFailed, "the parameter \(other.name) does not go with an export",
                    hint: "page_size and max_rows say how much is read")
            }
            kind = .export
        } else if request.call == "_bulk", request.method != "GET", request.method != "HEAD" {
            kind = .bulk
        } else if Self.background.contains(request.call), request.method == "POST",
            request.parameter("wait_for_completion") == "false"
        {
            kind = .background
        } else {
            kind = .plain
        }
    }
}
