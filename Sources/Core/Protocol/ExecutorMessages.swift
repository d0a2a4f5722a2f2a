// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// What an agent tells of one of its executors.
public struct ExecutorReport: Sendable, Hashable, Codable {
    /// The task type.
    public var type: String
    /// The names of its connections.
    public var datasources: [String]
    /// What its tasks take, for a plugin.
    public var schema: ExecutorSchema?

    /// The most connections of all executors of one agent.
    public static let maximumDatasources = 1024

    /// A report; see the properties.
    public init(type: String, datasources: [String] = [], schema: ExecutorSchema? = nil) {
        self.type = type
        self.datasources = datasources
        self.schema = schema
    }

    /// Reads a report; only `type` is required.
    public init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        type = try values.decode(String.self, forKey: .type)
        datasources = try values.decodeIfPresent([String].self, forKey: .datasources) ?? []
        schema = try values.decodeIfPresent(ExecutorSchema.self, forKey: .schema)
    }

    /// Throws `invalid_argument` or `too_large` when it is not well formed.
    func validate() throws(DeployError) {
        guard ExecutorSchema.isTypeName(type), schema.map({ $0.type == type }) ?? true else {
            throw DeployError(.invalidArgument, "data.executor_details has a bad type")
        }
        guard datasources.count <= 256, datasources.allSatisfy({ (1...64).contains($0.utf8.count) }) else {
            throw DeployError(.tooLarge, "data.executor_details has too many datasources")
        }
        try schema?.validate()
    }
}

/// Parameters of `executor_list`, by type.
public struct ExecutorListQuery: Sendable, Equatable, Codable {
    /// Only this type.
    public var type: String?
    /// Where to go on: `next` of the page before.
    public var cursor: String?
    /// Items wanted, 1 to 200; nil for 200.
    public var limit: Int?

    /// A query.
    public init(type: String? = nil, cursor: String? = nil, limit: Int? = nil) {
        self.type = type
        self.cursor = cursor
        self.limit = limit
    }
}

/// One task type that agents run: what its tasks take, and how many of the agents within reach there are for it.
public struct ExecutorInfo: Sendable, Hashable, Codable {
    /// What tasks call it.
    public var type: String
    /// What it does, in one line.
    public var summary: String
    /// What the command text is.
    public var command: ExecutorSchema.Command
    /// What `params` may hold.
    public var parameters: [ExecutorParameter]
    /// How many agents run it.
    public var agents: Int
    /// The names of their connections, each once, at most ``maximumDatasources``.
    public var datasources: [String]
    /// How many different names there are.
    public var datasourceCount: Int
    /// Whether agents describe a plugin differently; then what the first of them by name says is shown.
    public var isConflicting: Bool

    enum CodingKeys: String, CodingKey {
        case type, summary, command, parameters, agents, datasources
        case datasourceCount = "datasource_count"
        case isConflicting = "conflicting"
    }

    /// The most names of connections that are told.
    public static let maximumDatasources = 1000

    /// What is known of a type.
    public init(
        _ schema: ExecutorSchema, agents: Int, datasources: some Collection<String> = [], isConflicting: Bool = false
    ) {
        type = schema.type
        summary = schema.summary
        command = schema.command
        parameters = schema.parameters
        self.agents = agents
        self.datasources = Array(datasources.sorted().prefix(Self.maximumDatasources))
        datasourceCount = datasources.count
        self.isConflicting = isConflicting
    }

    /// What its tasks take.
    public var schema: ExecutorSchema {
        ExecutorSchema(type: type, summary: summary, command: command, parameters: parameters)
    }
}
