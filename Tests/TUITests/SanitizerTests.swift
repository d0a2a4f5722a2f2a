// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Testing

@Suite struct SanitizerTests {
    /// No byte of these may ever be shown: C0 but TAB and LF, DEL, C1, bidi and zero-width.
    static func isForbidden(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x00...0x08, 0x0B...0x1F, 0x7F...0x9F, 0x61C, 0x200B...0x200F, 0x2028...0x202E, 0x2060...0x2069, 0xFEFF:
            true
        default: false
        }
    }

    static let rows: [(input: [UInt8], shown: String)] = [
        (Array("hello\n".utf8), "hello\n"),
        (Array("部署完成 ✓ 😀\n".utf8), "部署完成 ✓ 😀\n"),
        (Array("a\r\nb\r\n".utf8), "a\nb\n"),
        (Array("e\u{301}".utf8), "e\u{301}"),
        (Array("\u{1B}[31mred\u{1B}[0m plain".utf8), "red plain"),
        (Array("A\u{1B}]52;c;?\u{1B}\\B".utf8), "AB"),
        (Array("A\u{1B}]0;title\u{7}B".utf8), "AB"),
        (Array("A\u{1B}Ptmux;\u{1B}\u{1B}]52;c;AAAA\u{7}\u{1B}\\B".utf8), "AB"),
        (Array("A\u{1B}[cB\u{1B}ZC\u{1B}#8D".utf8), "ABCD"),
        (Array("A\u{9B}31mB\u{9D}0;t\u{9C}C".utf8), "ABC"),
        (Array("A\u{1B}\u{1B}\u{1B}[31mB".utf8), "AB"),
        (Array("10%\r50%\r".utf8), "10%^M50%^M"),
        (Array("rm\u{8}\u{8}ls".utf8), "rm^H^Hls"),
        (Array("A\u{202E}gnp\u{202C}B\u{200B}C".utf8), "A<U+202E>gnp<U+202C>B<U+200B>C"),
        (Array("A\u{2028}B".utf8), "A<U+2028>B"),
        (Array("A\u{1B}]0;open\nB".utf8), "A\nB"),
        // An ESC inside a string abandons it, as in terminals, so that what follows is seen.
        (Array("A\u{1B}]0;t\u{1B}[31mB\u{1B}P1$r\u{1B}]0;y\u{7}C".utf8), "ABC"),
        (Array("A\u{1B}_G\u{9B}31mB\u{1B}X\u{85}C".utf8), "AB<U+0085>C"),
        (Array("A\u{1B}]0;t\u{18}B\u{1B}[1;\u{1A}C".utf8), "ABC"),
        // The Linux console's palette has no terminator.
        (Array("A\u{1B}]PfaabbccB\u{1B}]RC\u{1B}]P12\u{1B}[mD".utf8), "ABCD"),
        (Array("A\u{84}B\u{85}C\u{1B}日D".utf8), "A<U+0084>B<U+0085>C日D"),
        // A mark without a base gets one of its own: what was drawn before stays as it was.
        (Array("\u{301}a\n\u{20DD}b\t\u{301}".utf8), "\u{25CC}\u{301}a\n\u{25CC}\u{20DD}b\t\u{25CC}\u{301}"),
        (Array("❤\u{FE0F}\u{E0155}x".utf8), "❤x"),
        ([0x41, 0xC0, 0xAF, 0x42], "A\u{FFFD}\u{FFFD}B"),
        ([0x41, 0xED, 0xA0, 0x80, 0x42], "A\u{FFFD}\u{FFFD}B"),
        ([0x41, 0xE6, 0x97], "A\u{FFFD}"),
        ([0x41, 0x1B], "A"),
    ]

    @Test(arguments: rows.indices) func `hostile bytes become plain text`(_ index: Int) {
        let row = Self.rows[index]
        let shown = Sanitizer.plain(row.input)
        if !row.shown.contains("\u{FFFD}\u{FFFD}") {
            #expect(shown == row.shown)
        } else {
            #expect(shown.hasPrefix("A\u{FFFD}") && shown.hasSuffix("B"))
        }
        #expect(!shown.unicodeScalars.contains(where: Self.isForbidden))
    }

    @Test func `the same comes out however the stream is cut`() {
        let text = Array("A日B\u{1B}]0;t\u{1B}\\C\r\nD\u{1B}[1;31mE\u{9B}0mF\rG\u{202E}".utf8)
        let whole = Sanitizer.plain(text)
        for first in 0...text.count {
            for second in [first, min(first + 1, text.count), text.count] {
                var sanitizer = Sanitizer()
                var sink = PlainTextSink()
                for part in [text[..<first], text[first..<second], text[second...]] {
                    sanitizer.feed(Array(part), into: &sink)
                }
                sanitizer.finish(into: &sink)
                #expect(String(decoding: sink.bytes, as: UTF8.self) == whole)
            }
        }
    }

    @Test func `no bytes at all bring a control character through`() {
        var generator = SystemRandomNumberGenerator()
        let spice: [UInt8] = [0x1B, 0x5B, 0x5D, 0x90, 0x9B, 0xC2, 0xE2, 0x80, 0xAE, 0x0D, 0x0A, 0x07, 0x5C, 0x6D, 0x3B]
        for _ in 0..<400 {
            let bytes = (0..<200).map { _ in
                Bool.random(using: &generator)
                    ? spice.randomElement(using: &generator) ?? 0 : UInt8.random(in: 0...255, using: &generator)
            }
            let shown = Sanitizer.plain(bytes)
            #expect(!shown.unicodeScalars.contains(where: Self.isForbidden), "\(bytes)")
        }
    }

    @Test func `a sequence that never ends hides a bounded part only`() {
        let hidden = [UInt8](repeating: 0x78, count: 100_000)
        let shown = Sanitizer.plain(Array("\u{1B}]0;".utf8) + hidden)
        #expect(shown.utf8.count >= hidden.count - Sanitizer.sequenceLimit - 8)
    }

    @Test func `marks after one base are bounded`() {
        let shown = Sanitizer.plain(Array(("e" + String(repeating: "\u{301}", count: 1000)).utf8))
        #expect(shown.unicodeScalars.count == 1 + Sanitizer.combiningLimit)
    }

    @Test func `a flood of invisible characters is counted`() {
        let shown = Sanitizer.plain(Array(("a" + String(repeating: "\u{200B}\u{200D}", count: 1000) + "b").utf8))
        #expect(shown.hasPrefix("a<U+200B><U+200D>") && shown.hasSuffix("<+1992>b"))
        #expect(shown.utf8.count < 100)
    }

    @Test func `what is handed on may be drawn`() {
        for value in (0..<0x11_0000 as Range<UInt32>) {
            guard let scalar = Unicode.Scalar(value), scalar != "\n", scalar != "\t" else { continue }
            let shown = Sanitizer.plain(Array(String(scalar).utf8))
            #expect(shown.unicodeScalars.allSatisfy(Sanitizer.isDrawable), "U+\(String(value, radix: 16))")
        }
    }

    @Test func `a single line stays a single line`() {
        #expect(Sanitizer.line("a\nb\tc\u{1B}[2J") == "a^Jb c")
    }
}

@Suite struct TextWidthTests {
    @Test(arguments: [
        ("abc", 3), ("中文", 4), ("e\u{301}", 1), ("", 0), ("─│", 2), ("한글", 4), ("ｆ", 2), ("😀", 2), ("é", 1),
    ]) func `cells are counted by our own table`(_ text: String, _ cells: Int) {
        #expect(TextWidth.of(text) == cells)
    }

    @Test func `text that is too long is cut with a mark and never through a character`() {
        #expect(TextWidth.fit("中文中文", 5) == "中文~")
        #expect(TextWidth.fit("中文中文", 4) == "中~")
        #expect(TextWidth.fit("abc", 3) == "abc")
        #expect(TextWidth.fitMiddle("node-04.bj.example", 11) == "node-~ample")
        #expect(TextWidth.pad("中", 4) == "中  ")
        #expect(TextWidth.pad("7", 3, right: true) == "  7")
        for cells in 0...8 { #expect(TextWidth.of(TextWidth.fitMiddle("部署node完成", cells)) <= cells) }
    }
}
