// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Testing

@Suite struct `The parameters of a shell task` {
    @Test func `take a secret's name where a value is wanted`() throws {
        let spec = TaskSpec(
            command: "true",
            params: [
                "env": .object(["PLAIN": .string("x"), "TOKEN": .object(["secret_ref": .string("db.token-1")])]),
                "stdin": .object(["secret_ref": .string("key")]),
            ])
        let parameters = try ShellParameters(spec)
        #expect(parameters.environment["PLAIN"] == .text("x"))
        #expect(parameters.environment["TOKEN"]?.secret?.name == "db.token-1")
        #expect(parameters.standardInput == SecretReference("key").map { .secret($0) })
        #expect(Set(spec.secretReferences.map(\.name)) == ["db.token-1", "key"])
    }

    @Test(arguments: [
        JSONValue.object(["secret_ref": .string("../etc/shadow")]), .object(["secret_ref": .string("")]),
        .object(["secret_ref": .string("..")]), .object(["secret_ref": .string(String(repeating: "a", count: 65))]),
        .object(["secret_ref": .string("a"), "more": .null]), .object([:]), .object(["secret_ref": .integer(1)]),
        .array([]), .integer(1),
    ])
    func `refuse what is neither a text nor a secret's name`(value: JSONValue) {
        #expect(throws: DeployError.self) {
            try TaskSpec(command: "true", params: ["env": .object(["A": value])]).validate()
        }
        #expect(throws: DeployError.self) { try TaskSpec(command: "true", params: ["stdin": value]).validate() }
    }

    @Test func `know the host's namespaces, and no account there`() throws {
        let spec = TaskSpec(command: "true", params: ["host_namespaces": .bool(true)])
        #expect(try ShellParameters(spec).hostNamespaces)
        #expect(throws: DeployError.self) {
            try TaskSpec(command: "true", params: ["host_namespaces": .bool(true), "user": .string("x")]).validate()
        }
        #expect(throws: DeployError.self) {
            try TaskSpec(command: "true", params: ["host_namespaces": .string("yes")]).validate()
        }
    }
}
