// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Core

/// What runs of file tasks take.
struct TransferOptions: ParsableArguments {
    @OptionGroup var targets: SelectorOptions
    @OptionGroup var rollout: RolloutOptions

    @Option(help: ArgumentHelp("End each task after this time.", valueName: "duration"))
    var timeout: SpanArgument?

    @Option(help: ArgumentHelp("Give up tasks not delivered in this time.", valueName: "duration"))
    var expires: SpanArgument?

    /// The request for one run. Throws `invalid_argument` and `too_large` as the Cloud would.
    func request(_ command: String, params: [String: JSONValue]) throws(DeployError) -> RunCreate {
        let spec = TaskSpec(
            type: TaskType.file.rawValue, command: command, params: params, timeout: timeout?.seconds,
            expiresIn: expires?.seconds)
        try spec.validate()
        return RunCreate(
            selector: try targets.selector(), spec: spec, idempotencyKey: RunID.random().rawValue,
            rollout: try rollout.rollout())
    }
}
