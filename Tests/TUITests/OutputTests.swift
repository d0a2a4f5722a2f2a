// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import NIOCore
import Testing

@testable import TUI

@Suite struct OutputTests {
    @Test func columnsAlignWithWideCharacters() {
        let printer = TablePrinter(
            columns: [.init(title: "NAME"), .init(title: "N", right: true)], color: false, width: nil)
        let text = printer.text([[TableCell("生产"), TableCell("1")], [TableCell("web-10"), TableCell("100")]])
        #expect(text == "NAME      N\n生产      1\nweb-10  100\n")
    }

    @Test func onlyElasticColumnsAreCutAndOnlyOnATerminal() {
        let columns: [TablePrinter.Column] = [.init(title: "ID"), .init(title: "COMMAND", elastic: true)]
        let rows = [[TableCell("abcdefgh"), TableCell("0123456789abcdef")]]
        #expect(
            TablePrinter(columns: columns, color: false, width: nil).text(rows).hasSuffix(
                "abcdefgh  0123456789abcdef\n"))
        #expect(TablePrinter(columns: columns, color: false, width: 20).text(rows).hasSuffix("abcdefgh  012345678~\n"))
    }

    @Test func foreignTextCannotDriveTheTerminal() {
        let cell = TableCell("a\u{1B}[31m\u{1B}]0;x\u{07}b\nc\u{202E}")
        #expect(!cell.text.unicodeScalars.contains { $0.value < 0x20 || $0.value == 0x202E })
    }

    @Test func jsonKeepsValuesButNoControlCharacters() throws {
        let text = try JSONPrinter.line(["k": "é\u{9B}\u{202E}\u{7F}\u{1F600}\u{E0001}"])
        #expect(text == #"{"k":"é\u009b\u202e\u007f😀\udb40\udc01"}"#)
    }

    @Test func linesArePrefixedWhereverChunksEnd() {
        let input = Array("one\ntwo\n\nlast".utf8)
        for size in 1...input.count {
            var prefixer = LinePrefixer(name: "web")
            var output = ""
            for start in stride(from: 0, to: input.count, by: size) {
                output += String(
                    buffer: prefixer.feed(ByteBuffer(bytes: input[start..<min(start + size, input.count)])))
            }
            output += String(buffer: prefixer.finish())
            #expect(output == "web | one\nweb | two\nweb | \nweb | last\n")
        }
    }

    @Test func anEndlessLineIsBrokenAndNotKept() {
        var prefixer = LinePrefixer(name: "n")
        var written = 0
        for _ in 0..<10 { written += prefixer.feed(ByteBuffer(repeating: 0x61, count: 50_000)).readableBytes }
        written += prefixer.finish().readableBytes
        let lines = (500_000 + LinePrefixer.lineLimit - 1) / LinePrefixer.lineLimit
        #expect(written == 500_000 + lines * 5)
    }

    @Test func prefixedBytesStayBytes() {
        var prefixer = LinePrefixer(name: "n")
        let output = prefixer.feed(ByteBuffer(bytes: [0xFF, 0x00, 0x0A]))
        #expect(Array(output.readableBytesView) == Array("n | ".utf8) + [0xFF, 0x00, 0x0A])
    }

    @Test func aTerminalGetsColoursOnlyAndNoneBeyondALine() {
        var colored = TerminalText(color: true)
        var out = String(
            buffer: colored.feed(
                ByteBuffer(string: "\u{1B}[31mred\nplain\u{1B}[8mhidden\u{1B}[2J\u{1B}]52;c;x\u{07}\n")))
        out += String(buffer: colored.finish())
        #expect(out == "\u{1B}[31mred\u{1B}[0m\nplainhidden\n")
        var plain = TerminalText(color: false)
        #expect(String(buffer: plain.feed(ByteBuffer(string: "\u{1B}[31mred\n"))) == "red\n")
    }

    @Test func settingsComeFromFlagThenEnvironmentThenTerminal() throws {
        func settings(_ format: OutputFormat?, _ color: ColorMode?, _ environment: [String: String], tty: Bool) throws
            -> OutputSettings
        {
            try OutputSettings(
                format: format, color: color, quiet: false, environment: environment, outputIsTerminal: tty,
                errorIsTerminal: tty)
        }
        #expect(try settings(.table, nil, ["TIANGONG_OUTPUT": "json"], tty: false).format == .table)
        #expect(try settings(nil, nil, ["TIANGONG_OUTPUT": "json"], tty: false).format == .json)
        #expect(try settings(nil, nil, ["TERM": "xterm"], tty: true).color)
        #expect(try !settings(nil, nil, ["TERM": "xterm", "NO_COLOR": "1"], tty: true).color)
        #expect(try settings(nil, .always, ["NO_COLOR": "1"], tty: false).color)
        #expect(try !settings(nil, nil, ["TERM": "dumb"], tty: true).color)
        let error = #expect(throws: DeployError.self) { try settings(nil, nil, ["TIANGONG_COLOR": "blue"], tty: true) }
        #expect(error?.code.exitStatus == 2)
    }

    @Test(
        arguments: [
            (TaskState.succeeded, nil, nil, Int32(0)), (.failed, 3, nil, 3), (.failed, 255, nil, 255),
            (.failed, nil, 9, 137),
            (.failed, nil, nil, 3), (.failed, -1, nil, 3), (.timedOut, nil, 15, 3), (.canceled, nil, 15, 3),
            (.interrupted, nil, nil, 3), (.rejected, nil, nil, 3),
        ] as [(TaskState, Int32?, Int32?, Int32)])
    func oneTasksEndIsTheExitStatus(_ state: TaskState, _ code: Int32?, _ signal: Int32?, _ status: Int32) {
        #expect(TaskOutcome.exitStatus([Self.task(state, code, signal)]) == status)
    }

    @Test func severalTasksGiveZeroOrThree() {
        #expect(TaskOutcome.exitStatus([Self.task(.succeeded), Self.task(.succeeded)]) == 0)
        #expect(TaskOutcome.exitStatus([Self.task(.succeeded), Self.task(.failed, 9)]) == 3)
    }

    @Test func theExitTableIsTheManuals() {
        let expected: [ErrorCode: Int32] = [
            .invalidArgument: 2, .tooLarge: 2, .startFailed: 3, .taskFailed: 3, .timedOut: 3, .canceled: 3, .expired: 3,
            .interrupted: 3,
            .unauthenticated: 4, .forbidden: 5, .policyDenied: 5, .notFound: 6, .ambiguous: 6, .unreachable: 7,
            .unavailable: 7, .stillRunning: 8, .conflict: 9,
        ]
        for code in ErrorCode.allCases { #expect(code.exitStatus == expected[code] ?? 1) }
    }

    @Test func errorsAreTwoLinesOrOneObject() {
        let error = DeployError(.notFound, "no agent 'x\u{1B}[0m'", hint: "tiangong agent list")
        #expect(Diagnostics.text(error, format: .table) == "tiangong: no agent 'x'\n  try: tiangong agent list\n")
        #expect(
            Diagnostics.text(DeployError(.conflict, "late"), format: .json)
                == #"{"error":{"code":"conflict","message":"late"}}"# + "\n")
    }

    @Test func timesAreShort() {
        let start = Timestamp(milliseconds: 1_000_000)
        #expect(TimeText.age(start, now: start.adding(milliseconds: 119_000)) == "119s")
        #expect(TimeText.age(start.adding(milliseconds: 5000), now: start) == "0s")
        #expect(TimeText.span(start, start.adding(milliseconds: 430)) == "0.4s")
        #expect(TimeText.span(start, start.adding(milliseconds: 7_500_000)) == "2h05m")
        #expect(TimeText.seconds(5400) == "90m" && TimeText.seconds(30) == "30s" && TimeText.seconds(0.5) == "0.5s")
    }

    private static func task(_ state: TaskState, _ code: Int32? = nil, _ signal: Int32? = nil) -> TaskRecord {
        var task = TaskRecord(
            id: .random(), runID: .random(), agentID: .random(), agentName: "a", type: "shell", command: "c",
            actor: "o",
            createdAt: .now(), expiresAt: nil)
        task.state = state
        task.exitCode = code
        task.signal = signal
        return task
    }
}
