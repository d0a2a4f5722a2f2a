// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Testing

@testable import TUI

@Suite struct LogBufferTests {
    private func add(_ buffer: LogBuffer, _ text: String, lane: Int = 0, kind: LogLine.Kind = .stdout) {
        buffer.append(Array(text.utf8), lane: lane, kind: kind, at: 0)
    }

    private func text(_ buffer: LogBuffer, _ number: Int) -> String? {
        buffer.line(number).map { String(decoding: $0.bytes, as: UTF8.self) }
    }

    @Test func `chunks are cut into lines wherever they were split`() {
        let buffer = LogBuffer()
        for part in ["on", "e\ntw", "o\n\nth", "ree"] { add(buffer, part) }
        #expect((0..<4).map { text(buffer, $0) } == ["one", "two", "", "three"])
        #expect(buffer.line(3)?.isPartial == true)
        buffer.finish(lane: 0)
        #expect(buffer.line(3)?.isPartial == false && buffer.endLine == 4)
    }

    @Test func `streams do not tear each other's lines`() {
        let buffer = LogBuffer()
        add(buffer, "out begins ")
        add(buffer, "err\n", kind: .stderr)
        add(buffer, "and ends\n")
        #expect(text(buffer, 0) == "err" && text(buffer, 1) == "out begins and ends")
    }

    @Test func `whole slabs are dropped, counted, and numbers stay`() {
        let buffer = LogBuffer(capacity: 2 << 20)
        let line = String(repeating: "x", count: 1023) + "\n"
        for _ in 0..<4096 { add(buffer, line) }
        #expect(buffer.dropped > 0 && buffer.dropped == buffer.firstLine)
        #expect(buffer.endLine == 4096)
        #expect(buffer.line(0) == nil && buffer.line(4095) != nil && buffer.line(4096) == nil)
        #expect(buffer.kept <= 2 << 20)
    }

    @Test func `a line without end is cut and memory stays bounded`() {
        let buffer = LogBuffer(capacity: 2 << 20)
        for _ in 0..<64 { add(buffer, String(repeating: "y", count: 100_000)) }
        #expect(buffer.kept <= 2 << 20)
        for number in buffer.firstLine..<buffer.endLine {
            #expect((buffer.line(number)?.bytes.count ?? 0) <= LogBuffer.lineLimit)
        }
    }

    private func find(_ buffer: LogBuffer, _ text: String, from: Int, backwards: Bool) -> Int? {
        guard let pattern = LogPattern(text) else { return nil }
        var at = from
        for _ in 0..<100 {
            switch buffer.search(pattern, from: at, backwards: backwards) {
            case .found(let line): return line
            case .next(let line): at = line
            case .exhausted: return nil
            }
        }
        return nil
    }

    @Test func `search finds over slabs, both ways, and in the unfinished line`() {
        let buffer = LogBuffer()
        for number in 0..<200_000 { add(buffer, "line \(number) \(number == 150_000 ? "Needle" : "hay")\n") }
        add(buffer, "tail needle")
        #expect(find(buffer, "needle", from: 0, backwards: false) == 150_000)
        #expect(find(buffer, "needle", from: 150_001, backwards: false) == 200_000)
        #expect(find(buffer, "needle", from: 199_999, backwards: true) == 150_000)
        #expect(find(buffer, "needle", from: 200_000, backwards: true) == 200_000)
        #expect(find(buffer, "NEEDLE", from: 0, backwards: false) == nil)
        #expect(find(buffer, "line 3 ", from: 149_999, backwards: true) == 3)
        #expect(find(buffer, "needle", from: 149_999, backwards: true) == nil)
    }

    @Test func `following stays at the end, pausing stays at its line`() {
        let buffer = LogBuffer()
        for number in 0..<100 { add(buffer, "\(number)\n") }
        let size = Size(columns: 20, rows: 10)
        var viewport = LogViewport()
        viewport.settle(buffer, size)
        #expect(viewport.top.line == 90)
        viewport.scroll(-5, buffer, size)
        #expect(viewport.top.line == 85 && !viewport.follows)
        for number in 100..<200 { add(buffer, "\(number)\n") }
        viewport.settle(buffer, size)
        #expect(viewport.top.line == 85)
        viewport.scroll(1000, buffer, size)
        #expect(viewport.top.line == 190)
    }

    @Test func `wrapped lines scroll by rows and the end is at the bottom`() {
        let buffer = LogBuffer()
        add(buffer, String(repeating: "a", count: 25) + "\n" + String(repeating: "中", count: 8) + "\nz\n")
        let size = Size(columns: 10, rows: 3)
        var viewport = LogViewport()
        viewport.settle(buffer, size)
        #expect(viewport.top == LogViewport.Place(line: 1, row: 0))
        let rows = viewport.layout(buffer, size) { LogText($0) }
        #expect(rows.map { $0.row.to - $0.row.from } == [5, 3, 1])
        viewport.scroll(-1, buffer, size)
        #expect(viewport.top == LogViewport.Place(line: 0, row: 2))
    }

    @Test func `colours of the output are shown within their line only`() {
        let line = LogLine(bytes: Array("\u{1B}[31mred\u{1B}[0m x\u{1B}[2J".utf8)[...], lane: 0, kind: .stdout, at: 0)
        let text = LogText(line)
        #expect(text.scalars.count == 5)
        #expect(text.styles[0].colour == .red && text.styles[4] == .plain)
        #expect(LogText(line, ansi: false).styles[0] == .plain)
    }
}

@Suite struct CanvasTests {
    @Test func `wide characters are never left in halves`() {
        var canvas = Canvas(Size(columns: 6, rows: 1))
        canvas.put("中文字", 0, 0)
        canvas.put("x", 1, 0)
        #expect(CanvasDump.plain(canvas, 0) == " x文字")
        canvas.put("y", 2, 0)
        #expect(CanvasDump.plain(canvas, 0) == " xy 字")
        canvas.put("中", 5, 0)
        #expect(CanvasDump.plain(canvas, 0).unicodeScalars.count == 5)
    }

    @Test func `drawing outside is cut off`() {
        var canvas = Canvas(Size(columns: 4, rows: 2))
        canvas.put("abcdef", -2, 0)
        canvas.put("abcdef", 2, 1)
        canvas.put("abc", 0, 9)
        canvas.fill(Rect(-5, -5, 100, 100), .dim)
        #expect(canvas[9, 9] == .blank)
    }

    @Test func `characters terminals disagree on become a placeholder`() {
        var canvas = Canvas(Size(columns: 8, rows: 1))
        canvas.put("a\u{1F1E8}\u{1FAE9}b", 0, 0)
        #expect(CanvasDump.plain(canvas, 0) == "a<><>b  ")
    }
}
