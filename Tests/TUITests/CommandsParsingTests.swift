// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Core
import Testing

@testable import TUI

@Suite struct CommandsParsingTests {
    @Test(arguments: [
        ("30s", 30.0), ("5m", 300), ("2h", 7200), ("1d", 86_400), ("500ms", 0.5),
        ("1.5s", 1.5), ("90", 90), ("0s", 0),
    ])
    func aLengthOfTimeIsRead(_ text: String, _ seconds: Double) {
        #expect(SpanArgument(argument: text)?.seconds == seconds)
    }

    @Test(arguments: ["", "s", "-5s", "5x", "5 s", "nan", "inf", "1h-5m", "5w", "５s", "1..5s"])
    func whatIsNoLengthOfTimeIsRefused(_ text: String) {
        #expect(SpanArgument(argument: text) == nil)
    }

    @Test(arguments: [
        ("0", Int64(0)), ("65536", 65_536), ("1k", 1024), ("64MiB", 67_108_864), ("1GiB", 1 << 30),
        ("10MB", 10_000_000),
        ("2tib", 2 << 40), ("7b", 7),
    ])
    func aSizeIsRead(_ text: String, _ bytes: Int64) {
        #expect(SizeArgument(argument: text)?.bytes == bytes)
    }

    @Test(arguments: ["", "MiB", "-1", "1 MiB", "9999999999TiB", "12XB", "９", "nan"])
    func whatIsNoSizeIsRefused(_ text: String) {
        #expect(SizeArgument(argument: text) == nil)
    }

    @Test func selectorsCombineNamesAndLabels() throws {
        let command = try parse(["run", "-a", "web-1,web-2", "-a", "web-1", "-l", "role=db,env=a=b", "--", "true"])
        let selector = try command.targets.selector()
        #expect(selector == TargetSelector(agents: ["web-1", "web-2"], labels: ["role": "db", "env": "a=b"]))
    }

    @Test(arguments: [
        [], ["-a", ""], ["-a", "x,,y"], ["-l", "role"], ["-l", "=db"], ["-l", "role=a", "-l", "role=b"],
        ["--all", "-a", "x"], ["--all", "-l", "k=v"],
    ])
    func badSelectorsAreRefused(_ options: [String]) throws {
        let command = try parse(["run"] + options + ["--", "true"])
        let error = #expect(throws: DeployError.self) { try command.targets.selector() }
        #expect(error?.code == .invalidArgument)
    }

    @Test func oneArgumentIsAShellTextAndSeveralAreAnArgumentVector() throws {
        let text = try request(["--all", "--", "echo a b | wc"])
        #expect(text.spec.command == "echo a b | wc")
        #expect(text.spec.params["argv"] == nil)
        let vector = try request(["--all", "--", "printf", "%s\\n", "it's", "", "--all"])
        #expect(vector.spec.params["argv"] == .array(["printf", "%s\\n", "it's", "", "--all"].map { .string($0) }))
        #expect(vector.spec.command == #"printf '%s\n' 'it'\''s' '' --all"#)
    }

    @Test func everyOptionReachesTheRequest() throws {
        let create = try request([
            "--all", "--timeout", "5m", "--grace", "3s", "--cwd", "/tmp", "--env", "A=1", "--env", "B==", "--user",
            "app",
            "--expires", "1h", "--log-limit", "2MiB", "--idempotency-key", "k1", "--", "id",
        ])
        let spec = create.spec
        #expect(spec.timeout == 300 && spec.grace == 3 && spec.expiresIn == 3600 && spec.logLimit == 2 << 20)
        #expect(spec.params["cwd"] == .string("/tmp") && spec.params["user"] == .string("app"))
        #expect(spec.params["env"] == .object(["A": .string("1"), "B": .string("=")]))
        #expect(create.idempotencyKey == "k1" && create.follow == true)
        #expect(try request(["--all", "--detach", "--", "id"]).follow == nil)
    }

    @Test func standardInputIsTextOrBase64() throws {
        let text = try parse(["run", "--all", "--stdin", "--", "cat"]).request(readInput: { Array("a\nb".utf8) })
        #expect(text.spec.params["stdin"] == .string("a\nb"))
        let binary = try parse(["run", "--all", "--stdin", "--", "cat"]).request(readInput: { [0xFF, 0x00] })
        #expect(binary.spec.params["stdin_base64"] == .string("/wA="))
    }

    @Test(arguments: [
        ["--cwd", "relative"], ["--env", "1A=x"], ["--env", "A"], ["--grace", "2h"], ["--log-limit", "0"],
    ])
    func badParametersAreRefusedBeforeTheyAreSent(_ options: [String]) {
        let error = #expect(throws: DeployError.self) { try request(["--all"] + options + ["--", "true"]) }
        #expect(error?.code.exitStatus == 2)
    }

    @Test func aCommandIsGivenOnce() throws {
        for arguments in [
            ["--all"], ["--all", "--file", "/dev/null", "--", "id"], ["--all", "--stdin", "--file", "-"],
            ["--all", "--stdin", "--secret-stdin", "x", "--", "cat"],
        ] {
            let error = #expect(throws: DeployError.self) { try request(arguments) }
            #expect(error?.code == .invalidArgument)
        }
    }

    @Test func globalsStandBeforeAndAfterTheSubcommand() throws {
        for arguments in [["-o", "json", "agent", "list", "-q"], ["agent", "list", "-q", "--output=json"]] {
            let command = try #require(try TiangongCommand.parseAsRoot(arguments) as? AgentListCommand)
            #expect(command.globals.output == .json && command.globals.quiet)
        }
    }

    @Test func complaintsAreOneSentenceAndAHint() {
        let error = #expect(throws: (any Error).self) {
            try TiangongCommand.parseAsRoot(["task", "list", "--state", "odd"])
        }
        guard let error else { return }
        let explained = UsageError.explain(TiangongCommand.fullMessage(for: error))
        #expect(explained.code == .invalidArgument)
        #expect(explained.message.contains("odd") && !explained.message.contains("\n"))
        #expect(explained.hint == "tiangong task list --help")
    }

    @Test func theFormatOfAComplaintIsFoundInBrokenArguments() {
        #expect(UsageError.format(["t", "-o", "json", "--x"], environment: [:]) == .json)
        #expect(UsageError.format(["t", "-ojsonl"], environment: [:]) == .jsonl)
        #expect(UsageError.format(["t", "--output=json"], environment: [:]) == .json)
        #expect(UsageError.format(["t", "run", "--", "-o", "json"], environment: [:]) == .table)
        #expect(UsageError.format(["t", "-o"], environment: ["TIANGONG_OUTPUT": "json"]) == .json)
    }

    @Test func anOperatorKeepsWhatIsNotSaid() throws {
        let known = OperatorInfo(
            name: "ada", role: .approver, scope: Scope(environments: ["lab"], labels: ["team": "a"]),
            createdAt: Timestamp(milliseconds: 0))
        func put(_ options: [String], over known: OperatorInfo?) throws -> OperatorPut {
            let command = try TiangongCommand.parseAsRoot(["operator", "set", "ada"] + options)
            return try #require(command as? OperatorSetCommand).put(over: known)
        }
        #expect(try put([], over: known) == OperatorPut(name: "ada", role: .approver, scope: known.scope))
        #expect(try put(["--role", "viewer"], over: known).scope == known.scope)
        #expect(try put(["-e", "prod,lab"], over: known).scope == Scope(environments: ["prod", "lab"]))
        #expect(try put(["-l", "team=b"], over: known).scope == Scope(labels: ["team": "b"]))
        #expect(try put(["--everywhere"], over: known).scope == nil)
        #expect(try put([], over: nil) == OperatorPut(name: "ada", role: .operator, scope: nil))
        for options in [["--everywhere", "-e", "lab"], ["-e", ""], ["-e", "a,,b"], ["-l", "team"]] {
            let error = #expect(throws: DeployError.self) { try put(options, over: known) }
            #expect(error?.code == .invalidArgument)
        }
    }

    @Test func labelsOfAnAgentAreAddedAndTakenAway() throws {
        func update(_ options: [String]) throws -> AgentUpdate {
            let command = try TiangongCommand.parseAsRoot(["agent", "set", "web-1"] + options)
            return try #require(command as? AgentSetCommand).update(over: ["role": "web", "zone": "1"])
        }
        #expect(try update(["-l", "zone=2", "--remove-label", "role"]).labels == ["zone": "2"])
        #expect(try update(["-e", "prod"]).labels == nil)
        #expect(try update(["-e", "prod"]).environment == "prod")
        #expect(try update(["--remove-label", "role,zone"]).labels == [:])
        let error = #expect(throws: DeployError.self) { try update([]) }
        #expect(error?.code == .invalidArgument)
    }

    @Test func anEnrolmentSaysWhatWasAsked() throws {
        let command = try TiangongCommand.parseAsRoot([
            "enrolment", "create", "-e", "lab", "-l", "role=web", "--name-prefix", "web-", "--from", "10.0.0.0/8,::/0",
            "--uses", "3", "--expires", "2h",
        ])
        let request = try #require(command as? EnrolmentCreateCommand).request()
        #expect(request.environment == "lab" && request.labels == ["role": "web"] && request.namePrefix == "web-")
        #expect(request.sources == ["10.0.0.0/8", "::/0"] && request.uses == 3 && request.expiresIn == 7200)
        let plain = try #require(try TiangongCommand.parseAsRoot(["enrolment", "create"]) as? EnrolmentCreateCommand)
        let standard = try plain.request()
        #expect(standard.environment == "default" && standard.labels == nil && standard.sources == nil)
    }

    private func parse(_ arguments: [String]) throws -> ShellRunCommand {
        try #require(try TiangongCommand.parseAsRoot(arguments) as? ShellRunCommand)
    }

    private func request(_ arguments: [String]) throws -> RunCreate {
        try parse(["run"] + arguments).request(readInput: { [] })
    }
}
