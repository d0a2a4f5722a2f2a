// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import CMongo
import Dispatch
import Glibc
import NIOCore
import Synchronization

/// Connects one client to its servers: by name, over TCP, and with TLS if its datasource says so.
final class MongoDialer: Sendable {
    /// The connections it made.
    let sockets = MongoSockets()

    private let tls: Bool
    private let authorityFile: String?
    private let timeout: Duration

    /// - Parameters:
    ///   - tls: Whether servers must prove who they are, with a certificate.
    ///   - authorityFile: Whom to believe; nil for the system's authorities.
    ///   - timeout: How long one server may take.
    init(tls: Bool, authorityFile: String?, timeout: Duration) {
        self.tls = tls
        self.authorityFile = authorityFile
        self.timeout = timeout
    }

    /// Makes a client use it. It must live as long as the client.
    func attach(to client: OpaquePointer) {
        mongoc_client_set_stream_initiator(
            client,
            { _, host, dialer, error in
                guard let host, let dialer else { return nil }
                return Unmanaged<MongoDialer>.fromOpaque(dialer).takeUnretainedValue().connect(host, error)
            }, Unmanaged.passUnretained(self).toOpaque())
    }

    private func connect(
        _ host: UnsafePointer<mongoc_host_list_t>, _ error: UnsafeMutablePointer<bson_error_t>?
    ) -> UnsafeMutablePointer<mongoc_stream_t>? {
        let name = withUnsafeBytes(of: host.pointee.host) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        do throws(CError) {
            guard !sockets.isShut else { throw CError(stream: "canceled") }
            let stream = MongoStream.make(try dial(name, host.pointee.port), sockets)
            return tls ? try secure(stream, name) : stream
        } catch let trouble {
            sockets.trouble = "\(name):\(host.pointee.port): \(trouble.text)"
            trouble.write(to: error)
            return nil
        }
    }

    // MARK: TLS

    private func secure(
        _ stream: UnsafeMutablePointer<mongoc_stream_t>, _ name: String
    ) throws(CError) -> UnsafeMutablePointer<mongoc_stream_t> {
        if let authorityFile, access(authorityFile, R_OK) != 0 {
            mongoc_stream_destroy(stream)
            throw CError(stream: "ca-file \(authorityFile) cannot be read: \(String(cString: strerror(errno)))")
        }
        let made = withOptions { options in mongoc_stream_tls_new_with_hostname(stream, name, options, 1) }
        guard let made else {
            mongoc_stream_destroy(stream)
            throw CError(stream: "ca-file holds no certificates in PEM, or TLS cannot be used")
        }
        let limit = MongoSockets.milliseconds(until: ContinuousClock.now + timeout)
        let (isDone, error) = CError.report { mongoc_stream_tls_handshake_block(made, name, limit, $0) }
        guard isDone else {
            mongoc_stream_destroy(made)
            throw CError(stream: error.text)
        }
        return made
    }

    private func withOptions<Value>(_ body: (UnsafeMutablePointer<mongoc_ssl_opt_t>) -> Value) -> Value {
        var options = mongoc_ssl_opt_t()
        guard let authorityFile else { return body(&options) }
        return authorityFile.withCString { file in
            options.ca_file = file
            return body(&options)
        }
    }

    // MARK: TCP

    private func dial(_ name: String, _ port: UInt16) throws(CError) -> Int32 {
        var last = CError(stream: "it has no address")
        for address in try addresses(name, port) {
            do throws(CError) {
                return try dial(address)
            } catch {
                last = error
            }
            if sockets.isShut { break }
        }
        throw last
    }

    private func dial(_ address: SocketAddressBytes) throws(CError) -> Int32 {
        let flags = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        let descriptor = socket(address.family, flags, 0)
        guard descriptor >= 0 else { throw CError(stream: String(cString: strerror(errno))) }
        guard sockets.adopt(descriptor) else { throw CError(stream: "canceled") }
        let deadline = ContinuousClock.now + timeout
        let isStarted = address.bytes.withUnsafeBytes { bytes in
            bytes.withMemoryRebound(to: sockaddr.self) {
                Glibc.connect(descriptor, $0.baseAddress, socklen_t(bytes.count))
            }
        }
        var trouble = isStarted == 0 ? 0 : errno
        if trouble == EINPROGRESS {
            trouble = MongoSockets.wait(descriptor, for: POLLOUT, until: deadline) ? 0 : ETIMEDOUT
            var length = socklen_t(MemoryLayout<Int32>.size)
            if trouble == 0 { getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &trouble, &length) }
        }
        if trouble == 0, sockets.isShut { trouble = ECANCELED }
        guard trouble == 0 else {
            sockets.close(descriptor)
            throw CError(stream: String(cString: strerror(trouble)))
        }
        // A server whose host is gone answers nothing, for ever: its kernel is asked now and then.
        for (level, option, value) in [
            (NIOBSDSocket.OptionLevel.tcp.rawValue, TCP_NODELAY, Int32(1)), (SOL_SOCKET, SO_KEEPALIVE, 1),
            (NIOBSDSocket.OptionLevel.tcp.rawValue, TCP_KEEPIDLE, 30),
            (NIOBSDSocket.OptionLevel.tcp.rawValue, TCP_KEEPINTVL, 10),
            (NIOBSDSocket.OptionLevel.tcp.rawValue, TCP_KEEPCNT, 3),
        ] {
            var value = value
            setsockopt(descriptor, level, option, &value, socklen_t(MemoryLayout<Int32>.size))
        }
        return descriptor
    }

    /// Looks a name up, on another thread: it may take longer than a task that is being stopped can wait.
    private func addresses(_ name: String, _ port: UInt16) throws(CError) -> [SocketAddressBytes] {
        let found = Lookup()
        let isDone = DispatchSemaphore(value: 0)
        DispatchQueue.global().async {
            let addresses = (try? NameService.addresses(of: name, port: String(port))) ?? []
            found.addresses.withLock { $0 = addresses }
            isDone.signal()
        }
        let deadline = ContinuousClock.now + timeout
        while isDone.wait(timeout: .now() + .milliseconds(50)) == .timedOut {
            guard !sockets.isShut else { throw CError(stream: "canceled") }
            guard ContinuousClock.now < deadline else { throw CError(stream: "its name is not found in time") }
        }
        let addresses = found.addresses.withLock { $0 }
        guard !addresses.isEmpty else { throw CError(stream: "its name is not known") }
        return addresses
    }

    private final class Lookup: Sendable {
        let addresses = Mutex<[SocketAddressBytes]>([])
    }
}

extension CError {
    /// Something wrong with a connection.
    fileprivate init(stream text: String) {
        self.init(domain: MONGOC_ERROR_STREAM.rawValue, code: MONGOC_ERROR_STREAM_CONNECT.rawValue, text: text)
    }
}
