// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Core
import Foundation
import Testing

@testable import TUI

/// A type with a parameter of every kind.
enum SampleSchema {
    static let all = ExecutorSchema(
        type: "sample", summary: "Has everything.", command: .init("text", "What it says."),
        parameters: [
            ExecutorParameter("datasource", .text, "Which connection."),
            ExecutorParameter("format", .word, "How.", standard: .string("table"), words: ["table", "jsonl"]),
            ExecutorParameter("max_rows", .integer, "How many.", standard: .integer(10), minimum: 0, maximum: 1000),
            ExecutorParameter("ratio", .number, "How much."), ExecutorParameter("dry_run", .flag, "Do nothing."),
            ExecutorParameter("wait_for", .duration, "How long."), ExecutorParameter("chunk", .size, "How large."),
            ExecutorParameter("tags", .list, "Some words."), ExecutorParameter("headers", .pairs, "Some pairs."),
            ExecutorParameter("password", .secret, "A secret."), ExecutorParameter("extra", .json, "Anything."),
            ExecutorParameter("version", .text, "Which version.", required: true),
        ])
}

@Suite struct ParameterFlagsTests {
    private static let flags = ParameterFlags(schema: SampleSchema.all)

    private static func read(_ words: String...) throws -> [String: JSONValue] { try flags.read(words).params }

    @Test func `every kind is read`() throws {
        let params = try Self.read(
            "--datasource", "main", "--format=jsonl", "--max-rows", "5", "--ratio", "-0.5", "--dry-run", "--wait-for",
            "90s", "--chunk", "64MiB", "--tags", "a b", "--tags", "c", "--headers", "A=1", "--headers=B=x=y",
            "--secret-headers", "C=token", "--password", "root", "--extra", #"{"a":[1,null]}"#, "--param-version", "1.2"
        )
        #expect(
            params == [
                "datasource": .string("main"), "format": .string("jsonl"), "max_rows": .integer(5),
                "ratio": .number(-0.5), "dry_run": .bool(true), "wait_for": .number(90), "chunk": .integer(64 << 20),
                "tags": .array([.string("a b"), .string("c")]),
                "headers": .object([
                    "A": .string("1"), "B": .string("x=y"), "C": .object(["secret_ref": .string("token")]),
                ]), "password": .object(["secret_ref": .string("root")]),
                "extra": .object(["a": .array([.integer(1), .null])]), "version": .string("1.2"),
            ])
        #expect(try Self.read("--no-dry-run")["dry_run"] == .bool(false))
        #expect(try Self.read("--dry-run=false")["dry_run"] == .bool(false))
        #expect(try Self.read("--max-rows", "1", "--max-rows", "2")["max_rows"] == .integer(2), "the last counts")
        #expect(try Self.read("--datasource=--x")["datasource"] == .string("--x"))
        #expect(try Self.read("--param-datasource", "y")["datasource"] == .string("y"))
    }

    @Test func `words that are no flag stay, in order`() throws {
        let reading = try Self.flags.read(["SELECT", "--datasource", "main", "1", "-", ";"])
        #expect(reading.words == ["SELECT", "1", "-", ";"] && reading.params == ["datasource": .string("main")])
    }

    @Test(arguments: [
        (["--colour", "red"], "'--colour' is not a flag of sample"), (["-x"], "'-x' is not a flag of sample"),
        (["--no-format"], "'--no-format' is not a flag"), (["--secret-tags", "a=b"], "'--secret-tags' is not a flag"),
        (["--version", "1"], "'--version' is not a flag"), (["--"], "'--' is not a flag"),
        (["--datasource"], "--datasource needs a value"),
        (["--datasource", "--dry-run"], "--datasource needs a value"),
        (["--max-rows", "many"], "--max-rows 'many' is not a whole number"),
        (["--max-rows", "1001"], "params.max_rows is not between 0 and 1000"),
        (["--format", "xml"], "params.format is none of table, jsonl"),
        (["--dry-run=maybe"], "--dry-run 'maybe' is not true or false"), (["--no-dry-run=1"], "--no-dry-run takes no"),
        (["--wait-for", "soon"], "--wait-for 'soon' is not"), (["--chunk", "big"], "--chunk 'big' is not"),
        (["--headers", "x"], "--headers: 'x' is not key=value"),
        (["--secret-headers", "A=no/name"], "--secret-headers: 'no/name' is not the name of a secret"),
        (["--headers", "A=1", "--secret-headers", "A=b"], "--headers: 'A' is given twice"),
        (["--password", "a b"], "--password 'a b' is not the name of a secret"),
        (["--extra", "{"], "--extra is not JSON"),
    ])
    func `what is wrong is said of the flag`(words: [String], message: String) {
        let error = #expect(throws: DeployError.self) { try Self.flags.read(words) }
        #expect(error?.code == .invalidArgument && error?.message.contains(message) == true, "\(error as Any)")
    }

    @Test func `an unknown flag is answered with those there are`() {
        let error = #expect(throws: DeployError.self) { try Self.flags.read(["--colour"]) }
        for name in ["--datasource", "--max-rows", "--dry-run", "--param-version", "executor show sample"] {
            #expect(error?.hint?.contains(name) == true, "\(name)")
        }
    }

    @Test func `parameters become words that are read back`() throws {
        let values: [String: [JSONValue]] = [
            "datasource": [.string("main"), .string("--x"), .string(""), .string("it's")],
            "format": [.string("jsonl")], "max_rows": [.integer(0), .integer(1000)],
            "ratio": [.number(0.25), .integer(3)], "dry_run": [.bool(true), .bool(false)],
            "wait_for": [.number(90), .number(0.5)], "chunk": [.integer(1 << 40)],
            "tags": [.array([.string("a"), .string("--b")])],
            "headers": [.object(["A": .string(""), "B": .object(["secret_ref": .string("t")])])],
            "password": [.object(["secret_ref": .string("root")])],
            "extra": [.null, .string("x"), .object(["k": .array([.bool(true)])])], "version": [.string("1")],
        ]
        for (name, candidates) in values {
            for value in candidates where value != .null {
                let back = try Self.flags.read(Self.flags.words([name: value])).params[name]
                #expect(
                    back?.doubleValue == value.doubleValue && (back == value || value.doubleValue != nil), "\(name)")
            }
        }
        for parameter in SampleSchema.all.parameters { #expect(values[parameter.name] != nil, "\(parameter.name)") }
        #expect(Self.flags.words(["unknown": .string("x"), "format": .null]).isEmpty)
    }

    @Test func `help has every flag`() {
        let text = SchemaHelp.text(SampleSchema.all)
        for flag in [
            "COMMAND is the text", "--format <table|jsonl>", "(default: table)", "--dry-run, --no-dry-run",
            "--secret-headers <key=secret>", "--tags <text>", "May be given several times.", "(required)",
            "--param-version <text>", "--chunk <size>",
        ] { #expect(text.contains(flag), "\(flag):\n\(text)") }
    }

    @Test func `the flags that run takes itself are known`() throws {
        let tree = try JSONDecoder().decode(JSONValue.self, from: Data(TiangongCommand._dumpHelp().utf8))
        func command(_ name: String, _ tree: JSONValue?) throws -> JSONValue {
            try #require(
                tree?.objectValue?["subcommands"]?.arrayValue?.first {
                    $0.objectValue?["commandName"]?.stringValue == name
                })
        }
        let run = try command("run", tree.objectValue?["command"])
        let mysql = try command("mysql", run)
        let names = (mysql.objectValue?["arguments"]?.arrayValue ?? []).flatMap { argument in
            (argument.objectValue?["names"]?.arrayValue ?? []).compactMap { name in
                name.objectValue?["kind"] == .string("long") ? name.objectValue?["name"]?.stringValue : nil
            }
        }
        #expect(Set(names).union(["help", "version"]) == ParameterFlags.reserved)
        let types = (run.objectValue?["subcommands"]?.arrayValue ?? []).compactMap {
            $0.objectValue?["commandName"]?.stringValue
        }
        #expect(Set(types) == Set(TaskType.allCases.map(\.rawValue) + ["plugin"]), "every type is a command")
    }
}

@Suite struct TypedRunTests {
    private func mysql(
        _ arguments: String..., format: OutputFormat = .table
    ) throws -> RunCreate {
        try #require(
            try TiangongCommand.parseAsRoot(["run", "mysql"] + arguments) as? TypedRunCommand<MySQLTasks>
        ).request(format: format)
    }

    @Test func `flags of the type and of every run stand together`() throws {
        let create = try mysql(
            "-a", "db-1", "--datasource", "main", "--timeout", "5s", "--max-rows=3", "-l", "role=db", "--detach", "--",
            "SELECT", "1")
        #expect(create.selector == TargetSelector(agents: ["db-1"], labels: ["role": "db"]))
        #expect(create.spec.type == "mysql" && create.spec.command == "SELECT 1" && create.spec.timeout == 5)
        #expect(create.spec.params == ["datasource": .string("main"), "max_rows": .integer(3)])
        #expect(create.follow == nil)
        #expect(try mysql("--all", "SELECT 1").spec.command == "SELECT 1", "without -- too")
        #expect(try mysql("--all", "--", "--", "x").spec.command == "-- x")
    }

    @Test func `rows are asked for as lines where results are JSON`() throws {
        #expect(try mysql("--all", "--", "x", format: .jsonl).spec.params == ["format": .string("jsonl")])
        #expect(try mysql("--all", "--", "x", format: .json).spec.writesRowsAsLines)
        #expect(
            try mysql("--all", "--format", "table", "--", "x", format: .jsonl).spec.params
                == ["format": .string("table")])
        let file = try #require(
            try TiangongCommand.parseAsRoot(["run", "api", "--all", "--", "GET http://h/"])
                as? TypedRunCommand<APITasks>)
        _ = try file.request(format: .jsonl)
    }

    @Test func `what the type does not have is refused with what it has`() {
        for (arguments, hint) in [
            (["--colour", "x"], "--datasource"), (["--format", "xml"], nil), (["--datasource"], "=VALUE"),
        ] {
            let error = #expect(throws: DeployError.self) {
                try
                    (TiangongCommand.parseAsRoot(["run", "mysql", "--all"] + arguments + ["--", "x"])
                    as? TypedRunCommand<MySQLTasks>)?.request(format: .table)
            }
            #expect(error?.code.exitStatus == 2)
            if let hint { #expect(error?.hint?.contains(hint) == true) }
        }
        let empty = #expect(throws: DeployError.self) { try mysql("--all") }
        #expect(empty?.message == "SQL is empty")
    }

    @Test func `the command may be a file, and nothing else beside it`() throws {
        let path = NSTemporaryDirectory() + "/tiangong-\(UUID().uuidString).sql"
        defer { try? FileManager.default.removeItem(atPath: path) }
        try Data("SELECT 1;\nSELECT 天;\n".utf8).write(to: URL(filePath: path))
        #expect(try mysql("--all", "--file", path).spec.command == "SELECT 1;\nSELECT 天;\n")
        #expect(throws: DeployError.self) { try mysql("--all", "--file", path, "--", "SELECT 2") }
        #expect(throws: DeployError.self) { try mysql("--all", "--file", path + ".none") }
        try Data([0xFF, 0xFE]).write(to: URL(filePath: path))
        #expect(throws: DeployError.self) { try mysql("--all", "--file", path) }
        try Data(repeating: 0x20, count: StatementGuard.maximumBytes + 1).write(to: URL(filePath: path))
        let large = #expect(throws: DeployError.self) { try mysql("--all", "--file", path) }
        #expect(large?.code == .tooLarge)
    }

    @Test(arguments: [
        (["run", "-a", "x", "--", "mysql"], "mysql"), (["run", "--", "mysql", "-e"], "mysql -e"),
        (["run", "shell", "-a", "x", "--", "id"], "id"), (["run", "-a", "x", "mysql", "id"], "mysql id"),
        (["-o", "json", "run", "-a", "x", "--", "uptime"], "uptime"),
    ])
    func `only a type right behind run is one`(arguments: [String], command: String) throws {
        var shell = try #require(try TiangongCommand.parseAsRoot(arguments) as? ShellRunCommand)
        if shell.targets.agent.isEmpty { shell.targets.all = true }
        let spec = try shell.request(readInput: { [] }).spec
        #expect(spec.type == "shell" && spec.command == command)
    }

    @Test func `globals stand before the type too`() throws {
        let command = try TiangongCommand.parseAsRoot(["-o", "jsonl", "run", "-q", "mysql", "--all", "--", "x"])
        let mysql = try #require(command as? TypedRunCommand<MySQLTasks>)
        #expect(mysql.globals.output == .jsonl && mysql.globals.quiet)
    }

    @Test func `a plugin's words are kept for its schema`() throws {
        let command = try TiangongCommand.parseAsRoot([
            "run", "plugin", "ship", "-a", "x", "--target", "blue", "--param-version", "1", "--help", "--", "--go",
        ])
        let plugin = try #require(command as? PluginRunCommand)
        #expect(plugin.named.name == "ship" && plugin.targets.agent == ["x"])
        #expect(plugin.named.words.flags == ["--target", "blue", "--param-version", "1", "--help"])
        #expect(plugin.named.words.command == ["--go"])
    }

    @Test func `a policy is tried with the type's own flags`() throws {
        func spec(_ arguments: [String]) throws -> TaskSpec {
            let command = try TiangongCommand.parseAsRoot(["policy", "test", "--all"] + arguments)
            let test = try #require(command as? PolicyTestCommand)
            return try test.spec(try #require(TaskType(rawValue: test.type)).schema)
        }
        let mysql = try spec(["--type", "mysql", "--datasource", "main", "--", "DROP", "TABLE x"])
        #expect(mysql.command == "DROP TABLE x" && mysql.params == ["datasource": .string("main")])
        let shell = try spec(["--env", "A=1", "--host-namespaces", "--", "rm", "-rf", "a b"])
        #expect(shell.command == "rm -rf 'a b'" && shell.params["host_namespaces"] == .bool(true))
        #expect(shell.params["env"] == .object(["A": .string("1")]))
        #expect(throws: DeployError.self) { try spec(["--type", "mysql", "--colour", "--", "x"]) }
    }
}
