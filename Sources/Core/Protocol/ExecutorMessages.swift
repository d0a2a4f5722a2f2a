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
