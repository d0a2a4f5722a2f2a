// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Core

/// How a run goes over its targets.
struct RolloutOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Run on so many agents at once: a number, or a share of all such as 25%.", valueName: "n|share"))
    var batch: String?

    @Option(help: ArgumentHelp("After so many tasks that did not succeed, begin no further one.", valueName: "n"))
    var stopAfter: Int?

    /// The rollout; nil when nothing was said. Throws `invalid_argument` when it is malformed.
    func rollout() throws(DeployError) -> Rollout? {
        guard batch != nil || stopAfter != nil else { return nil }
        let rollout = Rollout(batch: batch, stopAfter: stopAfter)
        try rollout.validate()
        return rollout
    }
}

extension Rollout {
    /// In words: `25% at a time, stops after 3 failures`.
    var text: String {
        var words: [String] = []
        if let batch { words.append("\(batch) at a time") }
        if let stopAfter { words.append("stops after \(stopAfter) failure\(stopAfter == 1 ? "" : "s")") }
        return words.isEmpty ? "all at once" : words.joined(separator: ", ")
    }
}
