// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// How a run goes over its targets.
public struct Rollout: Sendable, Hashable, Codable {
    /// Tasks at once: a number such as `10`, or a share of all such as `25%`; nil for all.
    public var batch: String?
    /// After so many tasks that did not succeed, those that have not begun are canceled; nil for never.
    public var stopAfter: Int?

    enum CodingKeys: String, CodingKey {
        case batch
        case stopAfter = "stop_after"
    }

    /// A rollout; see the properties.
    public init(batch: String? = nil, stopAfter: Int? = nil) {
        self.batch = batch
        self.stopAfter = stopAfter
    }

    /// How many of that many tasks run at once; throws `invalid_argument` for what is neither a number nor a share.
    public func width(of count: Int) throws(DeployError) -> Int {
        guard let batch else { return max(count, 1) }
        if batch.hasSuffix("%"), let share = Int(batch.dropLast()), (1...100).contains(share) {
            return max(1, (count * share + 99) / 100)
        }
        guard let number = Int(batch), (1...1_000_000).contains(number) else {
            throw DeployError(
                .invalidArgument, "batch '\(batch.prefix(16))' is not a number or a share",
                hint: "write it like 10 or 25%")
        }
        return number
    }

    /// Throws `invalid_argument` when it is not well formed.
    public func validate() throws(DeployError) {
        _ = try width(of: 1)
        if let stopAfter, !(1...1_000_000).contains(stopAfter) {
            throw DeployError(.invalidArgument, "stop_after is not between 1 and 1000000")
        }
    }
}
