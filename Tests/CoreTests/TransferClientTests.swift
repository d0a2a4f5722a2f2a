// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOCore
import NIOPosix
import NIOSSL
import Synchronization
import Testing

@testable import Core

/// A TLS server that answers as a script says, which is given each request's head and, once its body is there, `end`;
/// counts what it was sent.
private final class ScriptServer: Sendable {
    struct Seen: Sendable {
        var connections = 0
        var heads: [String] = []
        var bodyBytes = 0
    }

    typealias Script = @Sendable (String, any Channel) -> Void

    let authority: CertificateAuthority
    let channel: any Channel
    let seen: SeenBox

    final class SeenBox: Sendable {
        let value = Mutex(Seen())
    }

    init(_ script: @escaping Script) async throws {
        authority = CertificateAuthority(directory: NSTemporaryDirectory() + "/tiangong-tls-\(UUID().uuidString)")
        let context = try authority.serverCredentials(names: ["localhost"]).context(clientAuthority: nil)
        let seen = SeenBox()
        self.seen = seen
        channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    seen.value.withLock { $0.connections += 1 }
                    try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: context))
                    try channel.pipeline.syncOperations.addHandler(Reader(script, seen))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
    }

    deinit {
        channel.close(promise: nil)
        try? FileManager.default.removeItem(atPath: (authority.certificateFile as NSString).deletingLastPathComponent)
    }

    func client(idle: Duration = .seconds(30), pin: String? = nil) throws -> TransferClient {
        let trust: ServerTrust = pin.map { .fingerprint($0) } ?? .caFile(authority.certificateFile)
        return try TransferClient(
            ServerEndpoint(url: "https://localhost:\(channel.localAddress?.port ?? 0)", trust: trust),
            token: "secret", idleTimeout: idle)
    }

    /// Takes heads and bodies apart, and no more.
    final class Reader: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer

        private let script: Script
        private let seen: SeenBox
        private var gathered = ""
        private var bodyLeft = 0

        init(_ script: @escaping Script, _ seen: SeenBox) {
            self.script = script
            self.seen = seen
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            var bytes = unwrapInboundIn(data)
            if bodyLeft > 0 {
                take(&bytes)
                if bodyLeft == 0 { script("end", context.channel) }
            }
            guard bytes.readableBytes > 0 else { return }
            gathered += bytes.readString(length: bytes.readableBytes) ?? ""
            guard let end = gathered.range(of: "\r\n\r\n") else { return }
            let head = String(gathered[..<end.lowerBound])
            var rest = ByteBuffer(string: String(gathered[end.upperBound...]))
            gathered = ""
            for line in head.lowercased().split(separator: "\r\n") where line.hasPrefix("content-length: ") {
                bodyLeft = Int(line.dropFirst(16)) ?? 0
            }
            seen.value.withLock { $0.heads.append(head) }
            script(head, context.channel)
            take(&rest)
            if bodyLeft == 0 { script("end", context.channel) }
        }

        private func take(_ bytes: inout ByteBuffer) {
            let count = min(bodyLeft, bytes.readableBytes)
            bytes.moveReaderIndex(forwardBy: count)
            bodyLeft -= count
            seen.value.withLock { $0.bodyBytes += count }
        }
    }
}

extension Channel {
    fileprivate func say(_ text: String) { writeAndFlush(ByteBuffer(string: text), promise: nil) }
}

@Suite(.timeLimit(.minutes(10))) struct `Content over HTTPS` {
    @Test func `comes whole, over one connection for request after request`() async throws {
        let server = try await ScriptServer { head, channel in
            guard head != "end" else { return }
            let body = String(head.prefix { !$0.isNewline })
            channel.say("HTTP/1.1 200 OK\r\nContent-Length: \(body.utf8.count)\r\nETag: \"e\"\r\n\r\n\(body)")
        }
        let client = try server.client()
        for _ in 0..<5 {
            let response = try await client.get("/content", query: [("file", "0"), ("x", "a b&c")])
            #expect(response.status == 200)
            #expect(response.header("etag") == "\"e\"")
            let body = try await response.collect(atMost: 1000)
            #expect(String(buffer: body) == "GET /content?file=0&x=a%20b%26c HTTP/1.1")
            #expect(response.length == Int64(body.readableBytes))
        }
        _ = try await client.get("/content", from: 17, ifRange: "\"e\"").collect(atMost: 1000)
        let seen = server.seen.value.withLock { $0 }
        #expect(seen.connections == 1)
        #expect(seen.heads[0].contains("Authorization: Bearer secret"))
        #expect(seen.heads[5].contains("Range: bytes=17-") && seen.heads[5].contains("If-Range: \"e\""))
    }

    @Test func `is refused in the server's own words`() async throws {
        let error = #"{"error":{"code":"conflict","message":"byte 5 is next","hint":"go on from there"}}"#
        let server = try await ScriptServer { head, channel in
            guard head != "end" else { return }
            if head.contains("/words") {
                channel.say("HTTP/1.1 409 Conflict\r\nContent-Length: \(error.utf8.count)\r\n\r\n\(error)")
            } else if head.contains("/late") {
                channel.say("HTTP/1.1 429 X\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n")
            } else {
                channel.say("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 2\r\n\r\nno")
            }
        }
        let client = try server.client()
        let words = await #expect(throws: DeployError.self) { try await client.get("/words") }
        #expect(words?.code == .conflict && words?.message == "byte 5 is next" && words?.hint == "go on from there")
        let late = await #expect(throws: DeployError.self) { try await client.get("/late") }
        #expect(late?.code == .rateLimited && late?.retryAfter == 7)
        let other = await #expect(throws: DeployError.self) { try await client.post("/other", json: ["a": 1]) }
        #expect(other?.code == .unavailable && other?.message.contains("502 Bad Gateway") == true)
        #expect(server.seen.value.withLock { $0.connections } == 1)
    }

    @Test func `that is cut gives out what came before, then says so`() async throws {
        let server = try await ScriptServer { head, channel in
            guard head != "end" else { return }
            let half = ByteBuffer(string: "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
            channel.writeAndFlush(half).whenComplete { _ in channel.close(promise: nil) }
        }
        let response = try await server.client().get("/")
        #expect(try await response.next() == ByteBuffer(string: "half"))
        let error = await #expect(throws: DeployError.self) { try await response.next() }
        #expect(error?.code == .unreachable)
    }

    @Test func `that is not taken is not sent, and is not taken for a server that stands still`() async throws {
        let total = 24 << 20
        let server = try await ScriptServer { head, channel in
            guard head != "end" else { return }
            channel.say("HTTP/1.1 200 OK\r\nContent-Length: \(total)\r\n\r\n")
            let piece = ByteBuffer(repeating: 7, count: 1 << 20)
            for _ in 0..<24 { channel.writeAndFlush(piece, promise: nil) }
        }
        let response = try await server.client(idle: .seconds(4)).get("/")
        try await Task.sleep(for: .seconds(5))
        var count = 0
        var largest = 0
        while let part = try await response.next() {
            count += part.readableBytes
            largest = max(largest, part.readableBytes)
        }
        #expect(count == total)
        #expect(largest <= 4 << 20)
    }

    @Test func `is not waited for longer than the limit`() async throws {
        let server = try await ScriptServer { head, channel in
            if head.contains("/body") { channel.say("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf") }
        }
        let client = try server.client(idle: .seconds(2))
        let head = await #expect(throws: DeployError.self) { try await client.get("/head") }
        #expect(head?.message.contains("has not moved a byte for 2") == true)
        let response = try await client.get("/body")
        let body = await #expect(throws: DeployError.self) { try await response.collect(atMost: 1000) }
        #expect(body?.code == .unreachable)
        let upload = await #expect(throws: DeployError.self) {
            try await client.put("/head", length: 3) { ByteBuffer(string: "abc") }
        }
        #expect(upload?.code == .unreachable)
    }

    @Test func `is sent in pieces, and no further once the server has answered`() async throws {
        let server = try await ScriptServer { head, channel in
            if head.contains("/full") {
                let error = #"{"error":{"code":"insufficient_storage","message":"full"}}"#
                channel.say(
                    "HTTP/1.1 507 X\r\nConnection: close\r\nContent-Length: \(error.utf8.count)\r\n\r\n\(error)")
            } else if head == "end" {
                channel.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            }
        }
        let client = try server.client()
        var pieces = 0
        let answer = try await client.put("/taken", headers: [("Content-Range", "bytes 0-99/100")], length: 100) {
            pieces += 1
            return ByteBuffer(repeating: 1, count: 10)
        }
        #expect(String(buffer: answer) == "ok" && pieces == 10)
        #expect(server.seen.value.withLock { $0.bodyBytes } == 100)
        pieces = 0
        let error = await #expect(throws: DeployError.self) {
            try await client.put("/full", length: 1 << 40) {
                pieces += 1
                return ByteBuffer(repeating: 1, count: 1 << 20)
            }
        }
        #expect(error?.code == .insufficientStorage && error?.message == "full")
        #expect(pieces < 1000)
        let short = await #expect(throws: DeployError.self) { try await client.put("/taken", length: 5) { nil } }
        #expect(short?.code == .internal)
    }

    @Test func `with a head beyond all measure, or of a server that is not believed, is no content`() async throws {
        let field = "A: " + String(repeating: "b", count: 1000) + "\r\n"
        let server = try await ScriptServer { _, channel in
            channel.say("HTTP/1.1 200 OK\r\n" + String(repeating: field, count: 64))
        }
        let long = await #expect(throws: DeployError.self) { try await server.client().get("/") }
        #expect(long?.code == .unreachable)
        let before = server.seen.value.withLock { $0.heads.count }
        let wrong = await #expect(throws: DeployError.self) {
            try await server.client(pin: String(repeating: "0", count: 64)).get("/")
        }
        #expect(wrong?.code == .unreachable)
        #expect(server.seen.value.withLock { $0.heads.count } == before)
        #expect(throws: DeployError.self) {
            try TransferClient(ServerEndpoint(url: "localhost", trust: .system), token: "a\r\nb")
        }
    }

    @Test func `is given up when its task is`() async throws {
        let server = try await ScriptServer { head, channel in
            if head.contains("/body") { channel.say("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf") }
        }
        let client = try server.client()
        for path in ["/head", "/body"] {
            let task = Task<ErrorCode?, Never> {
                do {
                    _ = try await client.get(path).collect(atMost: 1000)
                    return nil
                } catch { return DeployError(wrapping: error).code }
            }
            while server.seen.value.withLock({ !($0.heads.last?.contains(path) ?? false) }) { await Task.yield() }
            task.cancel()
            #expect(await task.value == .canceled)
        }
    }
}
