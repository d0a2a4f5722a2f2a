// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// A scope in words.
enum ScopeText {
    /// `every agent`, `prod,lab`, `prod role=db`.
    static func text(_ scope: Scope) -> String {
        guard scope.environments != nil || !scope.labels.isEmpty else { return "every agent" }
        return [environments(scope), KeyValue.text(scope.labels)].filter { !$0.isEmpty }.joined(separator: " ")
    }

    /// `prod,lab`; `any` for every environment, `none` when there is none.
    static func environments(_ scope: Scope) -> String {
        guard let environments = scope.environments else { return "any" }
        return environments.isEmpty ? "none" : environments.joined(separator: ",")
    }
}
