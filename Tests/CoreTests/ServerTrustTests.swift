// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOCore
import NIOPosix
import NIOSSL
import Testing

@testable import Core

/// A real TLS listener with our own authority, and clients with the right and the wrong trust.
@Suite struct ServerTrustTests {
    /// Answers every upgrade with 401, so that a trusted connection is told apart from a refused certificate.
    final class Listener {
        let directory = NSTemporaryDirectory() + "/tiangong-tls-\(UUID().uuidString)"
        let authority: CertificateAuthority
        let channel: any Channel

        init(names: [String]) async throws {
            authority = CertificateAuthority(directory: directory)
            let context = try authority.serverCredentials(names: names).context(clientAuthority: nil)
            channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .childChannelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: context))
                        try channel.pipeline.syncOperations.addHandler(Refuser())
                    }
                }
                .bind(host: "127.0.0.1", port: 0).get()
        }

        deinit {
            channel.close(promise: nil)
            try? FileManager.default.removeItem(atPath: directory)
        }

        func dial(host: String = "localhost", _ trust: ServerTrust) async -> ErrorCode? {
            do {
                let port = channel.localAddress?.port ?? 0
                _ = try await WebSocketDialer.dial(
                    ServerEndpoint(url: "https://\(host):\(port)", trust: trust), path: "/ws/operator", token: "x")
                return nil
            } catch { return error.code }
        }
    }

    final class Refuser: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            let response = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: response)), promise: nil)
        }
    }

    @Test func `a client with the CA file, the CA's pin or the leaf's pin gets through to the credential check`()
        async throws
    {
        let listener = try await Listener(names: ["localhost", "127.0.0.1"])
        #expect(await listener.dial(.caFile(listener.authority.certificateFile)) == .unauthenticated)
        #expect(await listener.dial(host: "127.0.0.1", .caFile(listener.authority.certificateFile)) == .unauthenticated)
        #expect(await listener.dial(.fingerprint(try listener.authority.fingerprint())) == .unauthenticated)
        let pem = try String(contentsOfFile: "\(listener.directory)/server.pem", encoding: .utf8)
        let leaf = try NIOSSLCertificate(bytes: Array(pem.utf8), format: .pem)
        #expect(
            await listener.dial(.fingerprint(CertificateFingerprint.hex(ofDER: try leaf.toDERBytes())))
                == .unauthenticated)
    }

    @Test func `a wrong pin, another CA and the system's roots are refused before a token is sent`() async throws {
        let listener = try await Listener(names: ["localhost"])
        let other = try await Listener(names: ["localhost"])
        #expect(await listener.dial(.fingerprint(String(repeating: "0", count: 64))) == .unreachable)
        #expect(await listener.dial(.fingerprint(try other.authority.fingerprint())) == .unreachable)
        #expect(await listener.dial(.caFile(other.authority.certificateFile)) == .unreachable)
        #expect(await listener.dial(.system) == .unreachable)
        #expect(await listener.dial(.caFile("/nonexistent")) == .invalidArgument)
    }

    @Test func `the host name is checked with a CA file`() async throws {
        let listener = try await Listener(names: ["elsewhere.example"])
        #expect(await listener.dial(.caFile(listener.authority.certificateFile)) == .unreachable)
    }

    @Test func `keys are private, the authority stays, the leaf follows its names`() throws {
        let directory = NSTemporaryDirectory() + "/tiangong-tls-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let authority = CertificateAuthority(directory: directory)
        _ = try authority.serverCredentials(names: ["a"])
        let pin = try authority.fingerprint()
        let leaf = try String(contentsOfFile: "\(directory)/server.pem", encoding: .utf8)
        _ = try authority.serverCredentials(names: ["a"])
        #expect(try String(contentsOfFile: "\(directory)/server.pem", encoding: .utf8) == leaf)
        _ = try authority.serverCredentials(names: ["a", "b"])
        #expect(try String(contentsOfFile: "\(directory)/server.pem", encoding: .utf8) != leaf)
        #expect(try authority.fingerprint() == pin)
        for key in ["ca.key", "server.key"] {
            let attributes = try FileManager.default.attributesOfItem(atPath: "\(directory)/\(key)")
            #expect((attributes[.posixPermissions] as? NSNumber)?.intValue == 0o600)
        }
        try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: "\(directory)/ca.key")
        let error = #expect(throws: DeployError.self) { try authority.serverCredentials(names: ["c"]) }
        #expect(error?.code == .forbidden)
    }

    @Test(arguments: [
        ("AB:" + String(repeating: "cd:", count: 31), false), ("sha256:" + String(repeating: "ab", count: 32), true),
    ])
    func `a fingerprint is 32 bytes of hex`(text: String, valid: Bool) {
        #expect((try? ServerTrust(caFile: nil, fingerprint: text)) != nil || !valid)
        #expect(throws: DeployError.self) { try ServerTrust(caFile: "x", fingerprint: text) }
        #expect(throws: DeployError.self) { try ServerTrust(caFile: nil, fingerprint: "abc") }
    }
}
