// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// How a program in a container ended, as the last message of its channel says.
enum ExecEnd: Sendable, Equatable {
    case exited(Int32)
    /// It could not be run, or how it ended is not known.
    case failed(String)

    /// - Parameter status: The `Status` of channel 3; nothing when the stream ended without one.
    init(_ status: [UInt8]) {
        guard let node = try? JSONText.parse(status[...], depth: KubernetesClient.depth) else {
            self = .failed("the connection to the container ended without telling how the program ended")
            return
        }
        if node["status"]?.text == "Success" {
            self = .exited(0)
            return
        }
        let cause = node.at("details", "causes")?.elements?.first { $0["reason"]?.text == "ExitCode" }
        if let code = cause?["message"]?.text.flatMap(Int32.init) {
            self = .exited(code)
        } else {
            self = .failed(node["message"]?.text ?? "the program could not be run in the container")
        }
    }
}
