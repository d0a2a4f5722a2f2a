// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

extension ExecutorSchema {
    /// A verb with its options, and manifests below.
    static let k8s = ExecutorSchema(
        type: "k8s", summary: "Works on objects of a Kubernetes cluster.",
        command: Command(
            "command", "A verb, a resource and options on the first line, manifests below.",
            maximum: StatementGuard.maximumBytes),
        parameters: [
            .datasource("Which of the agent's clusters; needed when it has several."),
            ExecutorParameter(
                "exit_code", .flag,
                "End with exit status 1 when diff finds a difference, or auth can-i is answered with no."),
        ])
}
