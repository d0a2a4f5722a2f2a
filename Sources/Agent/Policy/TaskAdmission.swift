// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// What must be true before a task is started: the agent's own policy lets it through, and its secrets are here.
struct TaskAdmission: Sendable {
    /// The agent's own policy.
    let policy: AgentPolicy
    /// The secrets of this host.
    let vault: SecretVault

    /// What a task is started with.
    struct Admission: Sendable {
        /// What the policy said.
        var verdict: GuardVerdict
        /// What it named, and what its executor needs.
        var secrets: TaskSecrets
        /// Its parameters, checked.
        var parameters: TaskParameters
    }

    /// Why a task is not started.
    struct Refusal: Error {
        /// For the Cloud and its operators.
        var failure: TaskFailure
        /// What the policy said.
        var verdict: GuardVerdict
    }

    /// Judges exactly the specification that will be run, then reads its secrets. Off the runner's actor: neither is instant.
    @concurrent
    func admit(_ spec: TaskSpec, for executor: any Executor) async throws(Refusal) -> Admission {
        let verdict = policy.judge(spec)
        // Mode `audit` only watches, but it opens no way into the host.
        let entersHost = spec.params["host_namespaces"] == .bool(true)
        guard !verdict.isRefusal, !(entersHost && verdict.verdict == .deny) else {
            let place = verdict.position.map { " (at byte \($0))" } ?? ""
            throw Refusal(
                failure: TaskFailure(
                    .policyDenied, "refused by the agent's policy: \(verdict.rule) \(verdict.message)\(place)"),
                verdict: verdict)
        }
        do throws(DeployError) {
            let references = spec.secretReferences.union(try executor.secrets(for: spec))
            return Admission(
                verdict: verdict, secrets: try vault.resolve(references),
                parameters: try TaskParameters(spec, executor.schema))
        } catch {
            throw Refusal(failure: TaskFailure(error.code, error.sentence), verdict: verdict)
        }
    }
}

extension GuardVerdict {
    /// As a member of a task's result; the commands are cut to what is worth showing.
    var result: [String: JSONValue] {
        var verdict = self
        verdict.commands = verdict.commands.prefix(32).map { String($0.prefix(1024)) }
        guard let bytes = try? JSONEncoder().encode(verdict),
            let value = try? JSONDecoder().decode(JSONValue.self, from: bytes)
        else { return [:] }
        return ["verdict": value]
    }
}
