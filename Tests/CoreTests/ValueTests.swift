// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import NIOCore
import Testing

@Suite struct ValueTests {
    @Test(
        arguments: [
            (0, "1970-01-01T00:00:00.000Z"), (1_795_000_000_125, "2026-11-18T11:06:40.125Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"), (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
        ] as [(Int64, String)])
    func `a moment is written and read as RFC 3339`(milliseconds: Int64, text: String) {
        #expect(Timestamp(milliseconds: milliseconds).description == text)
        #expect(Timestamp(text)?.milliseconds == milliseconds)
    }

    @Test(arguments: [
        "", "2026", "2026-13-01T00:00:00Z", "2026-11-24 00:00:00Z", "2026-11-24T00:00:00", "2026-11-24T00:00:00+01:00",
    ])
    func `a malformed time is nil`(text: String) { #expect(Timestamp(text) == nil) }

    @Test func `a time never overflows`() {
        #expect(Timestamp.now().adding(milliseconds: .max).description == "9999-12-31T23:59:59.999Z")
    }

    @Test func `ids are random from the first character and refuse what could be a path`() {
        let ids = (0..<1000).map { _ in TaskID.random() }
        #expect(Set(ids).count == 1000)
        #expect(Set(ids.map { $0.rawValue.first }).count > 20)
        for bad in ["", "../x", "a b", "a/b", "é", String(repeating: "a", count: 65), "a\n"] {
            #expect(TaskID(bad) == nil)
        }
    }

    @Test func `an empty selector matches nobody`() {
        var agent = AgentInfo(id: .random(), name: "web-1", createdAt: .now())
        agent.labels = ["role": "web", "zone": "a"]
        #expect(!TargetSelector().matches(agent))
        #expect(TargetSelector(agents: ["web-1"]).matches(agent))
        #expect(TargetSelector(labels: ["role": "web", "zone": "a"]).matches(agent))
        #expect(!TargetSelector(labels: ["role": "web", "zone": "b"]).matches(agent))
        #expect(!TargetSelector(agents: ["web"]).matches(agent), "names are compared whole")
    }

    @Test(arguments: [("30s", 30.0), ("5m", 300), ("1.5h", 5400), ("90d", 7_776_000), ("250ms", 0.25), ("7", 7)])
    func `spans of time are read`(text: String, seconds: Double) throws {
        #expect(try TimeSpan.seconds(text) == seconds)
    }

    @Test(arguments: ["", "-1s", "x", "1y", "infs", "nan", "1e400", "0x10s"]) func `bad spans of time are refused`(
        text: String
    ) {
        #expect(throws: DeployError.self) { try TimeSpan.seconds(text) }
    }

    @Test(arguments: [("64MiB", 67_108_864), ("1GB", 1_000_000_000), ("512k", 524_288), ("10", 10)])
    func `sizes are read`(text: String, bytes: Int64) throws { #expect(try ByteSize.bytes(text) == bytes) }

    @Test(arguments: ["https://h:1", "wss://h:1/", "h:1"]) func `server URLs are read`(url: String) throws {
        let endpoint = try ServerEndpoint(url: url, trust: .system)
        #expect(endpoint.host == "h")
        #expect(endpoint.port == 1)
    }

    @Test func `an IPv6 address keeps its brackets in the URL`() throws {
        let endpoint = try ServerEndpoint(url: "https://[::1]:9", trust: .system)
        #expect(endpoint.host == "::1")
        #expect(endpoint.url == "https://[::1]:9")
        #expect(try ServerEndpoint(url: "h", trust: .system).port == 8443)
    }

    @Test(arguments: ["http://h", "", "https://", "h:0", "h:99999", "https://u@h", "https://h/x", "[::1"])
    func `bad server URLs are refused`(url: String) {
        #expect(throws: DeployError.self) { try ServerEndpoint(url: url, trust: .system) }
    }

    @Test func `log chunks survive compression byte for byte`() throws {
        let compressor = ChunkCompressor()
        let decompressor = ChunkDecompressor()
        for bytes in [
            [], [0], [UInt8](repeating: 65, count: 65_536), (0..<65_536).map { _ in UInt8.random(in: 0...255) },
        ] {
            let raw = ByteBuffer(bytes: bytes)
            let (codec, payload) = compressor.compress(raw)
            #expect(payload.readableBytes <= raw.readableBytes)
            let chunk = LogChunk(
                seq: 0, stream: .stdout, offset: 0, at: .now(), codec: codec, rawLength: bytes.count, payload: payload)
            #expect(try decompressor.decompress(chunk) == raw)
        }
    }

    @Test func `a chunk that lies about its length is refused`() {
        let (codec, payload) = ChunkCompressor().compress(ByteBuffer(bytes: [UInt8](repeating: 65, count: 4096)))
        #expect(codec == .zstd)
        for length in [0, 4095, 4097, 1 << 40] {
            let chunk = LogChunk(
                seq: 0, stream: .stdout, offset: 0, at: .now(), codec: codec, rawLength: length, payload: payload)
            #expect(throws: DeployError.self) { try ChunkDecompressor().decompress(chunk) }
        }
    }

    @Test func `back-off grows to its cap and is never zero`() {
        var backoff = Backoff(base: .seconds(1), cap: .seconds(8))
        for ceiling in [1.0, 2, 4, 8, 8, 8] {
            let wait = backoff.next()
            #expect(wait >= .seconds(ceiling * 0.1) && wait <= .seconds(ceiling))
        }
    }

    @Test(arguments: [
        (["argv": JSONValue.array([])], "argv"), (["argv": .string("x")], "argv"), (["cwd": .string("tmp")], "cwd"),
        (["env": .object(["1A": .string("x")])], "env"), (["stdin_base64": .string("!")], "stdin_base64"),
        (["nope": .null], "nope"),
    ])
    func `a bad shell parameter is named`(params: [String: JSONValue], name: String) {
        let error = #expect(throws: DeployError.self) { try TaskSpec(command: "true", params: params).validate() }
        #expect(error?.message.contains(name) == true)
    }

    @Test func `an empty or oversized command is refused`() {
        #expect(throws: DeployError.self) { try TaskSpec(command: " \n").validate() }
        #expect(throws: DeployError.self) { try TaskSpec(command: String(repeating: "x", count: 16_385)).validate() }
        #expect(throws: DeployError.self) { try TaskSpec(type: "mysql", command: " \n").validate() }
        #expect(throws: DeployError.self) { try TaskSpec(type: "My SQL", command: "select 1").validate() }
        #expect(throws: DeployError.self) {
            try TaskSpec(type: "mysql", command: "select 1", params: ["x": .null]).validate()
        }
        #expect(throws: DeployError.self) { try TaskSpec(command: "true", timeout: 0).validate() }
    }
}
