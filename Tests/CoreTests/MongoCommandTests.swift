// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Testing

@Suite struct `Commands of MongoDB` {
    @Test func `are read in order, without what is for the client`() throws {
        let commands = try MongoCommand.parse(
            """
            {"find": "orders", "$db": "shop", "filter": {"n": 12345678901234567890, "b": 1.50},
             "$readPreference": {"mode": "secondary"}}
            {"ping": 1}
            """)
        #expect(commands.map(\.name) == ["find", "ping"] && commands.map(\.target) == ["orders", ""])
        #expect(commands.map(\.database) == ["shop", nil] && commands.map(\.readPreference) == ["secondary", nil])
        // Digits and order stay as they were written.
        #expect(commands[0].text == #"{"find":"orders","filter":{"n":12345678901234567890,"b":1.50}}"#)
    }

    @Test(arguments: [
        ("", "there is no command"), ("{}", "a command is an object"), ("[1]", "a command is an object"),
        (#"{"ping": 1} {"ping":"#, "a value is missing"), (#"{"a": 1, "a": 2}"#, "the name 'a' is given twice"),
        (#"{"$db": "x", "ping": 1}"#, "a command is an object"), (#"{"ping": 1, "$db": 3}"#, "$db is not the name"),
        (#"{"find": "a", "lsid": {}}"#, "lsid belongs to the client"),
        (#"{"find": "a", "$readPreference": {"mode": "fast"}}"#, "$readPreference is not"),
        (#"{"find": "a", "$readPreference": {"mode": "nearest", "tags": []}}"#, "$readPreference is not"),
        (#"{"find": "a", "$readPreference": "nearest"}"#, "$readPreference is not"),
    ])
    func `that cannot be read are refused, by the guard too`(text: String, message: String) {
        let error = #expect(throws: DeployError.self) { try MongoCommand.parse(text) }
        #expect(error?.message.hasPrefix(message) == true, "\(error?.message ?? "")")
        #expect(StatementGuard.judge(text, type: .mongo, mode: .audit).rule == "mongo.syntax")
    }

    @Test func `are judged on the database that the task names`() {
        let text = #"{"insert": "a", "documents": [{}]}"#
        func judge(_ text: String, _ database: String?) -> GuardVerdict {
            StatementGuard.judge(text, type: .mongo, database: database, mode: .blacklistDefault)
        }
        #expect(judge(text, nil).verdict == .allow && judge(text, "shop").verdict == .allow)
        #expect(judge(text, "shop").commands == [#"{"insert":"a","documents":[{}],"$db":"shop"}"#])
        #expect(judge(text, "admin").rule == "mongo.system")
        // The command's own database comes first.
        #expect(judge(#"{"insert": "a", "documents": [{}], "$db": "config"}"#, "shop").rule == "mongo.system")
        #expect(judge(#"{"insert": "a", "documents": [{}], "$db": "shop"}"#, "admin").verdict == .allow)
    }

    @Test func `are judged with the task's parameters`() throws {
        let policy = try CommandGuard(GuardPolicy(mode: .blacklistDefault))
        var spec = TaskSpec(type: "mongo", command: #"{"insert": "a", "documents": [{}]}"#)
        #expect(policy.judge(spec).verdict == .allow)
        spec.params["database"] = .string("local")
        #expect(policy.judge(spec).rule == "mongo.system")
    }
}
