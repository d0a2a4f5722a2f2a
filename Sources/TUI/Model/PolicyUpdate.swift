// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// Policies, what they say about the command being written, and the audit.
enum PolicyUpdate {
    /// After every event: what is being written decides what should be known about it.
    static func follow(_ model: inout AppModel, ticked: Bool) -> [Effect] {
        switch model.screen {
        case .compose: model.check.want(composed(model))
        case .review:
            model.check.want(model.compose.review.map { PolicyTest(selector: $0.request.selector, spec: $0.spec) })
        case .push: model.check.want(FileUpdate.test(model))
        case .pushReview:
            model.check.want(
                model.pushed?.review.map { PolicyTest(selector: $0.request.selector, spec: $0.spec) })
        case .verdicts: break
        default: return []
        }
        let atOnce = model.screen != .compose && model.screen != .push
        guard model.connection.isLive, ticked || atOnce, let test = model.check.due(model.now, atOnce: atOnce) else {
            return []
        }
        return [.testPolicy(test)]
    }

    private static func composed(_ model: AppModel) -> PolicyTest? {
        let selector = model.compose.selector
        guard !selector.isEmpty, let spec = try? model.compose.spec() else { return nil }
        return PolicyTest(selector: selector, spec: spec)
    }

    static func goPolicies(_ model: inout AppModel) -> [Effect] {
        model.push(.policies)
        return model.connection.isLive ? [.loadPolicies] : []
    }

    static func goAudit(_ model: inout AppModel) -> [Effect] {
        model.push(.audit)
        return model.connection.isLive ? [.loadAudit(model.audit.reload())] : []
    }

    /// The audit with another filter; says what is wrong with one that cannot be understood.
    static func searchAudit(_ text: String, _ model: inout AppModel) -> [Effect] {
        do throws(DeployError) {
            let query = try model.audit.search(text, now: model.now)
            return model.connection.isLive ? [.loadAudit(query)] : []
        } catch {
            model.say(error.message + (error.hint.map { " (\($0))" } ?? ""), .bad)
            return []
        }
    }

    /// The audit of one agent or task.
    static func auditOf(_ filter: String, _ model: inout AppModel) -> [Effect] {
        model.push(.audit)
        return searchAudit(filter, &model)
    }

    /// What the present screen shows and a new link makes old.
    static func reload(_ model: inout AppModel) -> [Effect] {
        switch model.screen {
        case .policies, .policy: [.loadPolicies]
        case .audit, .auditRecord: [.loadAudit(model.audit.reload())]
        default: []
        }
    }

    static func take(_ event: AppEvent, _ model: inout AppModel) {
        switch event {
        case .policies(let policies):
            model.policies.replace(policies)
            model.freshAt = model.now
        case .policiesFailed(let error): model.policies.failure = error.message
        case .policyTested(let test, let verdicts): model.check.take(test, verdicts)
        case .policyTestFailed(let test, let error): model.check.fail(test, error)
        case .audit(let query, let records, let next): model.audit.take(query, records, next: next)
        case .auditFailed(let error): model.audit.fail(error)
        default: break
        }
    }
}
