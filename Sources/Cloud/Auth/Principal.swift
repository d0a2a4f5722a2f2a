// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// Who asks, as the verified credential says: an operator with the role and reach of the token it shows.
struct Principal: Sendable, Equatable {
    /// The operator's name.
    let name: String
    /// The token it showed.
    let token: TokenID
    /// What it may do at most: the lesser of the operator's and the token's role.
    let role: Role
    /// Which agents it reaches.
    let scope: Scope
    /// The address it comes from.
    var source: String

    /// A line of the audit for what it was let do; add what is known.
    func record(of action: Action, _ detail: [String: JSONValue] = [:]) -> AuditRecord {
        let record = AuditRecord(action, as: self)
        return detail.isEmpty ? record : record.with(detail)
    }

    /// Throws `forbidden` when the role does not suffice.
    func require(_ action: Action) throws(DeployError) {
        guard role >= action.minimumRole else {
            throw DeployError(
                .forbidden, "\(action.rawValue) needs the role \(action.minimumRole.rawValue), this is \(role.rawValue)"
            )
        }
    }
}
