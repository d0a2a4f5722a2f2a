// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Foundation
import NIOCore
import Testing

@testable import Agent

@Suite struct `What is hidden in output` {
    private func secret(_ text: String) throws -> Secret {
        Secret(try #require(SecretReference("name")), bytes: Array(text.utf8))
    }

    private func redaction(_ texts: String...) throws -> Redaction {
        try #require(Redaction(try texts.map { try secret($0) }))
    }

    /// Feeds the pieces one after the other, with or without a pause after each.
    private func pass(_ pieces: [String], _ redaction: Redaction, pauses: Bool = false) -> String {
        var redactor = OutputRedactor(redaction)
        var out = ByteBuffer()
        for piece in pieces {
            out.writeImmutableBuffer(redactor.take(ByteBuffer(string: piece)))
            if pauses { out.writeImmutableBuffer(redactor.drain()) }
        }
        out.writeImmutableBuffer(redactor.drain())
        return String(buffer: out)
    }

    @Test func `hides a secret wherever it is cut`() throws {
        let redaction = try redaction("hunter2-hunter3")
        let text = "a hunter2-hunter2-hunter3 b"
        for cut in 0...text.count {
            let pieces = [String(text.prefix(cut)), String(text.dropFirst(cut))]
            #expect(pass(pieces, redaction) == "a hunter2-[redacted] b", "cut at \(cut)")
        }
        #expect(pass(text.map { String($0) }, redaction) == "a hunter2-[redacted] b")
    }

    @Test func `hides what comes one byte at a time with pauses between, but for three bytes`() throws {
        let out = pass("x canary-value y".map { String($0) }, try redaction("canary-value"), pauses: true)
        #expect(!out.contains("cana") && !out.contains("value"))
        #expect(out == "x can[redacted] y")
    }

    @Test func `passes on at a pause what only looks like a beginning`() throws {
        #expect(pass(["Enter ca", "t: "], try redaction("canary-value"), pauses: true) == "Enter cat: ")
    }

    @Test(arguments: 0..<7)
    func `hides base64, in both alphabets, wherever it begins and however it is wrapped`(before: Int) throws {
        let value = "canary?>~\u{7f}value-\u{ff}x"
        let redaction = try redaction(value)
        let text = Data((String(repeating: "p", count: before) + value + "suffix").utf8)
        for options: Data.Base64EncodingOptions in [[], .lineLength64Characters, [.lineLength76Characters]] {
            let plain = text.base64EncodedString(options: options)
            let safe = plain.replacing("+", with: "-").replacing("/", with: "_")
            for encoded in [plain, safe] {
                let out = pass([encoded], redaction)
                #expect(out.contains("[redacted]"))
                let certain = Redaction.base64Forms(Array(value.utf8))
                #expect(certain.allSatisfy { !out.utf8.contains($0) })
            }
        }
    }

    @Test func `hides long base64 broken over lines`() throws {
        let value = String((0..<300).map { Character(Unicode.Scalar(UInt8(33 + $0 * 7 % 90))) })
        let text = Data("user:\(value)\n".utf8).base64EncodedString(options: [
            .lineLength76Characters, .endLineWithLineFeed,
        ])
        let out = pass(text.map { String($0) }, try redaction(value))
        #expect(out.count < 40)
    }

    @Test(arguments: [
        "p%40ss w%26rd/%C3%A9", "p%40ss+w%26rd%2F%c3%a9", "p@ss%20w&rd/é", "%70%40%73%73%20%77%26%72%64%2f%C3%A9",
    ])
    func `hides URL-encoded forms`(encoded: String) throws {
        let redaction = try redaction("p@ss w&rd/é")
        #expect(pass(["?q=\(encoded)&z=%41%"], redaction) == "?q=[redacted]&z=%41%")
        #expect(pass(encoded.map { String($0) }, redaction) == "[redacted]")
    }

    @Test func `counts what overlaps once, and what follows separately`() throws {
        #expect(pass(["abcdefghijkl"], try redaction("abcdefgh", "efghijkl")) == "[redacted]")
        #expect(pass(["secret1secret2"], try redaction("secret1", "secret2")) == "[redacted][redacted]")
        #expect(pass(["aaaaaaaaaaaaaaa."], try redaction("aaaaaa")) == "[redacted].")
    }

    @Test func `hides the lines of a key shown one by one`() throws {
        let redaction = try redaction("-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG\nw0BAQEFAASCBKcwggSj\n")
        #expect(
            pass([" 1\tMIIEvQIBADANBgkqhkiG\n 2\tw0BAQEFAASCBKcwggSj\n"], redaction)
                == " 1\t[redacted]\n 2\t[redacted]\n")
    }

    @Test func `leaves all else as it is, byte for byte`() throws {
        let redaction = try redaction("canary-value", "%%percent%%", "QUJDREVG")
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<50 {
            // Letters of the secrets, so that false starts are everywhere.
            let letters = Array("canry-vlueQUJD%41\n\r+ \u{0}".utf8)
            let bytes = (0..<2000).map { _ in letters[Int.random(in: 0..<letters.count, using: &generator)] }
            var redactor = OutputRedactor(redaction)
            var out = ByteBuffer()
            var rest = bytes[...]
            while !rest.isEmpty {
                let count = Int.random(in: 1...200, using: &generator)
                out.writeImmutableBuffer(redactor.take(ByteBuffer(bytes: rest.prefix(count))))
                rest = rest.dropFirst(count)
            }
            out.writeImmutableBuffer(redactor.drain())
            let text = String(buffer: out)
            if !text.contains(Redaction.mark) { #expect(Array(out.readableBytesView) == bytes) }
        }
    }

    @Test func `finds what a plain search finds, in random text`() throws {
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<300 {
            func random(_ range: ClosedRange<Int>) -> String {
                String(
                    (0..<Int.random(in: range, using: &generator)).map { _ in
                        "ab".randomElement(using: &generator) ?? "a"
                    })
            }
            let secrets = (0..<3).map { _ in random(6...9) }
            let text = random(0...200)
            let redaction = try #require(Redaction(try secrets.map { try secret($0) }))
            var covered = [Bool](repeating: false, count: text.count)
            let bytes = Array(text.utf8)
            for pattern in secrets.map({ Array($0.utf8) }) where pattern.count <= bytes.count {
                for start in 0...(bytes.count - pattern.count)
                where Array(bytes[start..<start + pattern.count]) == pattern {
                    for index in start..<start + pattern.count { covered[index] = true }
                }
            }
            let expected = zip(bytes, covered).filter { !$0.1 }.map(\.0)
            let out = pass(text.split(by: 7), redaction).replacing(Redaction.mark, with: "")
            // A beginning of four bytes at the very end counts as a secret.
            #expect(expected.starts(with: out.utf8) && expected.count - out.utf8.count < 9)
        }
    }

    @Test func `takes time linear in the output`() throws {
        let redaction = try redaction(String(repeating: "a", count: 60_000) + "b")
        let chunk = ByteBuffer(repeating: UInt8(ascii: "a"), count: 65_536)
        var redactor = OutputRedactor(redaction)
        var length = 0
        for _ in 0..<16 { length += redactor.take(chunk).readableBytes }
        #expect(length == 16 * 65_536 - 60_000)
    }

    @Test func `shows nothing of a secret however it is printed`() throws {
        let secret = try secret("canary-value")
        var dumped = ""
        dump(secret, to: &dumped)
        for text in ["\(secret)", String(reflecting: secret), dumped, "\([secret])", "\(TaskSecrets([secret]))"] {
            #expect(!text.contains("canary"))
        }
        #expect(Mirror(reflecting: secret).children.isEmpty)
    }

    @Test func `does not look for what is too short`() throws {
        #expect(Redaction([try secret("abcde")]) == nil)
    }
}

extension String {
    fileprivate func split(by size: Int) -> [String] {
        stride(from: 0, to: count, by: size).map { String(dropFirst($0).prefix(size)) }
    }
}

extension String.UTF8View {
    fileprivate func contains(_ pattern: [UInt8]) -> Bool {
        String(self).contains(String(decoding: pattern, as: UTF8.self))
    }
}
