// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import CMariaDB
import Core
import Glibc
import NIOCore

/// One connection to a server, used by one thread at a time; others may only cut its line.
///
/// The class is Sendable by that rule: the compiler cannot see it.
final class MySQLConnection: @unchecked Sendable {
    private let handle: UnsafeMutablePointer<MYSQL>
    private var isClosed = false
    /// Its socket.
    let line: MySQLLine
    /// How the server calls this connection, for KILL.
    let id: UInt

    /// The largest row or answer, in bytes; memory for it is taken only as it is needed.
    static let maximumPacket = 64 << 20
    /// Stack of what the library does without blocking, in bytes.
    private static let stackSize = 256 << 10
    /// Ways to sign in that show the password to nobody but a server who knows it.
    private static let authentications =
        "mysql_native_password,caching_sha2_password,sha256_password,client_ed25519,parsec"

    /// Connects and signs in; blocks, for at most `seconds` once the host's name is resolved.
    ///
    /// - Parameters:
    ///   - endpoint: Where and as whom.
    ///   - password: The account's password.
    ///   - database: Where to begin; nil for nowhere.
    ///   - seconds: How long it may take.
    ///   - line: To be cut by whoever does not want to wait longer.
    /// - Throws: `start_failed`, in one sentence and with what to try.
    init(
        _ endpoint: MySQLEndpoint, password: [UInt8]?, database: String?, within seconds: Double, line: MySQLLine
    ) throws(DeployError) {
        guard let handle = mysql_init(nil) else { throw DeployError(.unavailable, "this host is out of memory") }
        self.handle = handle
        self.line = line
        let strings = CStrings()
        defer { strings.free() }
        Self.prepare(handle, endpoint, within: seconds)
        let host = strings.add(endpoint.socket == nil ? endpoint.host : nil)
        let user = strings.add(endpoint.user)
        let secret = strings.add(password)
        let schema = strings.add(database)
        let path = strings.add(endpoint.socket)
        let deadline = ContinuousClock.now + .seconds(seconds)
        var connected: UnsafeMutablePointer<MYSQL>?
        Self.drive(handle, until: deadline, line) {
            mysql_real_connect_start(&connected, handle, host, user, secret, schema, UInt32(endpoint.port), path, 0)
        } resume: {
            mysql_real_connect_cont(&connected, handle, $0)
        }
        guard connected != nil else {
            let failure = Self.failure(handle)
            mysql_close(handle)
            line.close()
            let isLate = line.isCut || ContinuousClock.now >= deadline
            throw Self.error(failure, endpoint, limit: isLate ? seconds : nil)
        }
        // The library connects without TLS when the server offers none, unless it is to verify a certificate.
        guard endpoint.encryption == .off || mysql_get_ssl_cipher(handle) != nil else {
            mysql_close(handle)
            line.close()
            throw Self.noEncryption(endpoint, "the server offers none")
        }
        Self.keepAlive(mysql_get_socket(handle))
        line.attach(mysql_get_socket(handle))
        id = mysql_thread_id(handle)
    }

    deinit { close() }

    /// Says goodbye and lets go of everything.
    func close() {
        guard !isClosed else { return }
        isClosed = true
        line.close()
        mysql_close(handle)
    }

    // MARK: Statements

    /// Sends one statement and waits for the beginning of its answer.
    ///
    /// - Parameters:
    ///   - statement: Sent as it is.
    ///   - seconds: How long it may take; nil for as long as it takes.
    func query(_ statement: String, within seconds: Double? = nil) throws(MySQLFailure) {
        var statement = statement
        let status = statement.withUTF8 { bytes -> Int32 in
            bytes.withMemoryRebound(to: CChar.self) { text in
                guard let seconds else { return mysql_real_query(handle, text.baseAddress, UInt(text.count)) }
                var status: Int32 = 1
                Self.drive(handle, until: .now + .seconds(seconds), line) {
                    mysql_real_query_start(&status, handle, text.baseAddress, UInt(text.count))
                } resume: {
                    mysql_real_query_cont(&status, handle, $0)
                }
                return status
            }
        }
        guard status == 0 else { throw failure }
    }

    /// The rows of the present result as they arrive; nil when it has none. They must be read or freed before anything else.
    func rows() throws(MySQLFailure) -> MySQLRows? {
        guard let result = mysql_use_result(handle) else {
            guard mysql_field_count(handle) == 0 else { throw failure }
            return nil
        }
        return MySQLRows(result, handle)
    }

    /// Goes to the next result of the same statement; false when there is none.
    func nextResult() throws(MySQLFailure) -> Bool {
        let status = mysql_next_result(handle)
        guard status <= 0 else { throw failure }
        return status == 0
    }

    /// Sends a statement whose few rows are wanted as texts; keeps at most `limit` of them.
    func texts(
        _ statement: String, limit: Int = 1000, within seconds: Double? = nil
    ) throws(MySQLFailure) -> (names: [String], rows: [[String?]]) {
        try query(statement, within: seconds)
        var names: [String] = []
        var found: [[String?]] = []
        repeat {
            guard let rows = try rows() else { continue }
            defer { rows.free() }
            names = rows.columns.map(\.column.name)
            while let row = try rows.next() {
                if found.count < limit { found.append(names.indices.map { row.text($0) }) }
            }
        } while try nextResult()
        return (names, found)
    }

    /// Forgets all that the session has: variables, locks, temporary tables, an open transaction.
    func reset(within seconds: Double) throws(MySQLFailure) {
        var status: Int32 = 1
        Self.drive(handle, until: .now + .seconds(seconds), line) {
            mysql_reset_connection_start(&status, handle)
        } resume: {
            mysql_reset_connection_cont(&status, handle, $0)
        }
        guard status == 0 else { throw failure }
    }

    /// Rows that the last statement changed.
    var affectedRows: Int64 { max(0, Int64(bitPattern: mysql_affected_rows(handle))) }
    /// Warnings of the last statement.
    var warningCount: Int { Int(mysql_warning_count(handle)) }
    /// Whether a transaction is open.
    var isInTransaction: Bool { handle.pointee.server_status & UInt32(SERVER_STATUS_IN_TRANS) != 0 }

    private var failure: MySQLFailure { Self.failure(handle) }

    // MARK: The library

    private static func failure(_ handle: UnsafeMutablePointer<MYSQL>) -> MySQLFailure {
        let code = mysql_errno(handle)
        return MySQLFailure(
            code: code == 0 ? 2000 : code, state: mysql_sqlstate(handle).map { String(cString: $0) } ?? "HY000",
            message: mysql_error(handle).map { String(cString: $0) } ?? "")
    }

    private static func prepare(
        _ handle: UnsafeMutablePointer<MYSQL>, _ endpoint: MySQLEndpoint, within seconds: Double
    ) {
        var stack = stackSize
        mysql_options(handle, MYSQL_OPT_NONBLOCK, &stack)
        // Without it, the library takes "localhost" for a socket.
        var transport = endpoint.socket == nil ? MYSQL_PROTOCOL_TCP.rawValue : MYSQL_PROTOCOL_SOCKET.rawValue
        mysql_options(handle, MYSQL_OPT_PROTOCOL, &transport)
        mysql_options(handle, MYSQL_SET_CHARSET_NAME, "utf8mb4")
        var none: UInt32 = 0
        mysql_options(handle, MYSQL_OPT_LOCAL_INFILE, &none)
        var packet = maximumPacket
        mysql_options(handle, MYSQL_OPT_MAX_ALLOWED_PACKET, &packet)
        mysql_options(handle, MARIADB_OPT_RESTRICTED_AUTH, authentications)
        mysql_options4(handle, MYSQL_OPT_CONNECT_ATTR_ADD, "program_name", "tiangong-agent")
        // The library takes these seconds for milliseconds where it matters: while TLS is set up. What is set up otherwise
        // has our own deadline.
        var patience = UInt32(seconds * 1000)
        mysql_options(handle, MYSQL_OPT_CONNECT_TIMEOUT, &patience)
        guard endpoint.encryption != .off else { return }
        var yes: my_bool = 1
        mysql_options(handle, MYSQL_OPT_SSL_ENFORCE, &yes)
        mysql_options(handle, MARIADB_OPT_TLS_VERSION, "TLSv1.2,TLSv1.3")
        guard endpoint.encryption == .verify else { return }
        mysql_options(handle, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &yes)
        if let file = endpoint.authorities { mysql_options(handle, MYSQL_OPT_SSL_CA, file) }
    }

    /// Lets a call of the library that does not block go on whenever its socket is ready, until it is done. When the deadline
    /// has come or the line was cut, the socket is shut, and the call ends with an error.
    private static func drive(
        _ handle: UnsafeMutablePointer<MYSQL>, until deadline: ContinuousClock.Instant, _ line: MySQLLine,
        start: () -> Int32, resume: (Int32) -> Int32
    ) {
        var wanted = start()
        while wanted != 0 {
            let socket = mysql_get_socket(handle)
            line.attach(socket)
            var events: Int16 = 0
            if wanted & MYSQL_WAIT_READ != 0 { events |= Int16(POLLIN) }
            if wanted & MYSQL_WAIT_WRITE != 0 { events |= Int16(POLLOUT) }
            var descriptor = pollfd(fd: socket, events: events, revents: 0)
            let isReady = poll(&descriptor, 1, 20) > 0
            if ContinuousClock.now >= deadline || line.isCut {
                shutdown(socket, Int32(SHUT_RDWR))
                wanted = resume(wanted | MYSQL_WAIT_TIMEOUT)
            } else if isReady {
                wanted = resume(wanted & ~MYSQL_WAIT_TIMEOUT)
            }
        }
    }

    /// A peer that is gone without a word is noticed within about two minutes.
    private static func keepAlive(_ descriptor: Int32) {
        for (option, value) in [(TCP_KEEPIDLE, 60), (TCP_KEEPINTVL, 15), (TCP_KEEPCNT, 4), (TCP_USER_TIMEOUT, 120_000)]
        {
            var value = Int32(value)
            setsockopt(
                descriptor, NIOBSDSocket.OptionLevel.tcp.rawValue, option, &value, socklen_t(MemoryLayout<Int32>.size))
        }
        var yes: Int32 = 1
        setsockopt(descriptor, SOL_SOCKET, SO_KEEPALIVE, &yes, socklen_t(MemoryLayout<Int32>.size))
    }

    private static func noEncryption(_ endpoint: MySQLEndpoint, _ message: String) -> DeployError {
        DeployError(
            .startFailed, "no TLS with \(endpoint.address): \(message)",
            hint: endpoint.encryption == .verify
                ? "check ca-file and that host is a name in the server's certificate" : "set up TLS on the server")
    }

    private static func error(_ failure: MySQLFailure, _ endpoint: MySQLEndpoint, limit: Double?) -> DeployError {
        let address = endpoint.address
        if let limit {
            return DeployError(
                .startFailed, "\(address) did not answer within \(Int(limit.rounded(.up))) s",
                hint: "check host and port, or raise connect-timeout")
        }
        switch failure.code {
        case 1044, 1045, 1698, 1251, 2059:
            return DeployError(
                .startFailed, "\(address) does not let '\(endpoint.user)' in: \(failure.text)",
                hint: endpoint.password.map { "check the user, and the password in the secret '\($0.name)'" })
        case 2026:
            return noEncryption(endpoint, failure.message)
        case 2000...2999:
            return DeployError(
                .startFailed, "\(address) cannot be reached: \(failure.message)",
                hint: "check that the server runs, and host and port")
        default: return DeployError(.startFailed, "\(address) refuses the connection: \(failure.text)")
        }
    }
}

/// Texts for C that live until they are freed, and are wiped then.
private final class CStrings {
    private var texts: [UnsafeMutablePointer<CChar>] = []

    func add(_ text: String?) -> UnsafePointer<CChar>? { add(text.map { Array($0.utf8) }) }

    func add(_ bytes: [UInt8]?) -> UnsafePointer<CChar>? {
        guard let bytes else { return nil }
        let text = UnsafeMutablePointer<CChar>.allocate(capacity: bytes.count + 1)
        for (index, byte) in bytes.enumerated() { text[index] = CChar(bitPattern: byte) }
        text[bytes.count] = 0
        texts.append(text)
        return UnsafePointer(text)
    }

    func free() {
        for text in texts {
            explicit_bzero(text, strlen(text))
            text.deallocate()
        }
        texts = []
    }
}
