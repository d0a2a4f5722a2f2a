// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import CPostgres
import Glibc

/// One connection to a PostgreSQL server, over libpq. All calls block and are made by one thread at a time; another may stop
/// them through a ``PostgresInterrupt``.
///
/// Safe to hand from thread to thread: nothing but the thread that holds it touches libpq's state, except that a request to
/// cancel is made of a copy that libpq makes for that.
final class PostgresConnection: @unchecked Sendable {
    private let handle: OpaquePointer
    /// Takes what the server tells beside results.
    var onNotice: ((PostgresNotice) -> Void)?

    private init(_ handle: OpaquePointer) {
        self.handle = handle
        PQsetNoticeReceiver(
            handle,
            { pointer, result in
                guard let pointer, let result else { return }
                let connection = Unmanaged<PostgresConnection>.fromOpaque(pointer).takeUnretainedValue()
                connection.onNotice?(PostgresResult.notice(result))
            }, Unmanaged.passUnretained(self).toOpaque())
    }

    deinit { PQfinish(handle) }

    // MARK: Connecting

    /// Connects, within the target's time limit.
    ///
    /// - Parameters:
    ///   - target: Where to.
    ///   - password: The password.
    ///   - addresses: The host's addresses, tried in their order; empty for a socket.
    ///   - systemAuthorities: The file with the authorities of this host.
    ///   - interrupt: Stops it at once.
    static func connect(
        _ target: PostgresTarget, password: String?, addresses: [String], systemAuthorities: String?,
        interrupt: PostgresInterrupt
    ) throws(PostgresFailure) -> PostgresConnection {
        let end = ContinuousClock.now + .seconds(target.connectTimeout)
        var failure = PostgresFailure(.unreachable, "\(target.host) has no address")
        let places: [String?] = addresses.isEmpty ? [nil] : addresses
        for (index, address) in places.enumerated() {
            var parameters = target.parameters(address: address, systemAuthorities: systemAuthorities)
            if let password { parameters.append(("password", password)) }
            // Each address gets its share of the time, so that one that is silent does not keep us from the others.
            let share = (end - ContinuousClock.now) / (places.count - index)
            do throws(PostgresFailure) {
                return try connect(parameters, target, until: .now + share, interrupt)
            } catch {
                failure = error
                guard error.kind == .unreachable || error.kind == .timedOut else { break }
            }
        }
        throw failure
    }

    private static func connect(
        _ parameters: [(name: String, value: String)], _ target: PostgresTarget,
        until deadline: ContinuousClock.Instant, _ interrupt: PostgresInterrupt
    ) throws(PostgresFailure) -> PostgresConnection {
        let names = parameters.map { strdup($0.name) }
        let values = parameters.map { strdup($0.value) }
        defer { for text in names + values { free(text) } }
        let handle = (names + [nil]).map { UnsafePointer($0) }.withUnsafeBufferPointer { names in
            (values + [nil]).map { UnsafePointer($0) }.withUnsafeBufferPointer { values in
                names.baseAddress.flatMap { names in
                    values.baseAddress.flatMap { PQconnectStartParams(names, $0, 0) }
                }
            }
        }
        guard let handle else { throw PostgresFailure(.unreachable, "there is no memory for a connection") }
        let connection = PostgresConnection(handle)
        var furthest = CONNECTION_STARTED
        var polled = PGRES_POLLING_WRITING
        while polled != PGRES_POLLING_OK {
            if polled == PGRES_POLLING_FAILED || PQstatus(handle) == CONNECTION_BAD {
                throw connection.connectFailure(furthest)
            }
            let events = polled == PGRES_POLLING_READING ? POLLIN : POLLOUT
            switch connection.wait(events, interrupt, until: deadline) {
            case .ready: break
            case .stopped: throw PostgresFailure(.stopped, "stopped while connecting")
            case .timedOut:
                throw PostgresFailure(
                    .timedOut, "\(target.place) did not answer within \(plain(target.connectTimeout)) s")
            }
            polled = PQconnectPoll(handle)
            let status = PQstatus(handle)
            if status != CONNECTION_BAD { furthest = status }
        }
        PQsetnonblocking(handle, 1)
        return connection
    }

    private func connectFailure(_ furthest: ConnStatusType) -> PostgresFailure {
        let kind: PostgresFailure.Kind =
            switch furthest {
            case CONNECTION_STARTED, CONNECTION_MADE, CONNECTION_NEEDED: .unreachable
            case CONNECTION_SSL_STARTUP: .untrusted
            default: .refused
            }
        return PostgresFailure(kind, message)
    }

    private static func plain(_ seconds: Double) -> String {
        seconds == seconds.rounded() && seconds < 1e9 ? "\(Int(seconds))" : "\(seconds)"
    }

    // MARK: State

    /// Whether the server's session is open and in no transaction.
    var isIdle: Bool { PQstatus(handle) == CONNECTION_OK && PQtransactionStatus(handle) == PQTRANS_IDLE }

    /// Whether the session is in a transaction, failed or not.
    var isInTransaction: Bool { [PQTRANS_INTRANS, PQTRANS_INERROR].contains(PQtransactionStatus(handle)) }

    /// A setting that the server tells of without being asked, such as `client_encoding`.
    func setting(_ name: String) -> String? { PQparameterStatus(handle, name).map { String(cString: $0) } }

    /// What libpq says went wrong, in one line.
    private var message: String {
        let text = PQerrorMessage(handle).map { String(cString: $0) } ?? ""
        let lines = text.split(whereSeparator: \.isNewline).map { $0.trimmingPrefix(while: \.isWhitespace) }
        return lines.isEmpty ? "the connection was lost" : lines.joined(separator: "; ")
    }

    // MARK: Statements

    /// Runs one statement and gives its rows to `sink` as they come.
    ///
    /// - Parameters:
    ///   - sql: Exactly one statement; of several, the server refuses all.
    ///   - sink: Takes columns, rows and copied bytes.
    ///   - interrupt: Asks the server to cancel the statement.
    ///   - asksToCancel: Whether the server is asked at all; not for a COMMIT, which is only waited for.
    ///   - patience: How long the server may take for that; asked again and again. Then the connection is given up.
    /// - Throws: `server` when the statement failed, `lost`, or `stopped`.
    func run<Sink: PostgresSink>(
        _ sql: String, into sink: inout Sink, interrupt: PostgresInterrupt, asksToCancel: Bool = true,
        patience: () -> Duration
    ) throws(PostgresFailure) -> PostgresCompletion {
        try run(sql, &sink, Waiting(interrupt: interrupt, asksToCancel: asksToCancel), patience)
    }

    /// Runs a short statement of our own, whose rows are dropped.
    ///
    /// Throws also when it takes longer than `limit`, or when `interrupt` asks to stop: then the connection is of no more use.
    func run(_ sql: String, within limit: Duration, _ interrupt: PostgresInterrupt) throws(PostgresFailure) {
        var sink = NoRows()
        try run(sql, within: limit, interrupt, into: &sink)
    }

    /// The same with its rows.
    func run<Sink: PostgresSink>(
        _ sql: String, within limit: Duration, _ interrupt: PostgresInterrupt, into sink: inout Sink
    ) throws(PostgresFailure) {
        let waiting = Waiting(interrupt: interrupt, asksToCancel: false, deadline: .now + limit)
        _ = try run(sql, &sink, waiting) { .zero }
    }

    private struct NoRows: PostgresSink {
        func begin(_ columns: [PostgresColumn]) {}
        func row(_ row: PostgresRow) {}
        func copied(_ bytes: UnsafeRawBufferPointer) {}
    }

    private func run<Sink: PostgresSink>(
        _ sql: String, _ sink: inout Sink, _ waiting: Waiting, _ patience: () -> Duration
    ) throws(PostgresFailure) -> PostgresCompletion {
        guard PQsendQueryParams(handle, sql, 0, nil, nil, nil, nil, 0) == 1 else { throw lost }
        PQsetSingleRowMode(handle)
        var waiting = waiting
        try flush(&waiting, patience)
        var completion = PostgresCompletion()
        var failure: PostgresFailure?
        var hasBegun = false
        while true {
            try awaitInput(&waiting, patience)
            guard let result = PQgetResult(handle) else { break }
            defer { PQclear(result) }
            switch PQresultStatus(result) {
            case PGRES_SINGLE_TUPLE, PGRES_TUPLES_OK:
                if !hasBegun {
                    hasBegun = true
                    completion.hasRows = true
                    sink.begin(PostgresResult.columns(result))
                }
                for row in 0..<PQntuples(result) {
                    completion.rows += 1
                    sink.row(PostgresRow(result: result, row: row))
                }
                if PQresultStatus(result) == PGRES_TUPLES_OK { completion.take(result) }
            case PGRES_COMMAND_OK, PGRES_EMPTY_QUERY: completion.take(result)
            case PGRES_COPY_OUT: completion.rows += try copyOut(&sink, &waiting, patience)
            case PGRES_COPY_IN, PGRES_COPY_BOTH: PQputCopyEnd(handle, "a task carries no data to copy")
            default: failure = PostgresResult.failure(result)
            }
        }
        if PQstatus(handle) == CONNECTION_BAD, failure?.sqlState == nil { throw waiting.stopFailure ?? lost }
        if let failure { throw waiting.stopFailure ?? failure }
        return completion
    }

    private func copyOut<Sink: PostgresSink>(
        _ sink: inout Sink, _ waiting: inout Waiting, _ patience: () -> Duration
    ) throws(PostgresFailure) -> Int64 {
        var rows: Int64 = 0
        while true {
            var buffer: UnsafeMutablePointer<CChar>?
            let length = PQgetCopyData(handle, &buffer, 1)
            if length > 0, let buffer {
                rows += 1
                sink.copied(UnsafeRawBufferPointer(start: buffer, count: Int(length)))
                PQfreemem(buffer)
            } else if length == 0 {
                try wait(POLLIN, &waiting, patience)
                guard PQconsumeInput(handle) == 1 else { throw waiting.stopFailure ?? lost }
            } else {
                return rows
            }
        }
    }

    /// What was sent to channels that the session listens to.
    func notifications() -> [(channel: String, payload: String)] {
        var all: [(channel: String, payload: String)] = []
        PQconsumeInput(handle)
        while let notification = PQnotifies(handle) {
            let channel = notification.pointee.relname.map { String(cString: $0) } ?? ""
            all.append((channel, notification.pointee.extra.map { String(cString: $0) } ?? ""))
            PQfreemem(notification)
        }
        return all
    }

    private var lost: PostgresFailure { PostgresFailure(.lost, message) }

    // MARK: Waiting

    /// What a statement's waits have in common.
    private struct Waiting {
        var interrupt: PostgresInterrupt?
        var asksToCancel = true
        var deadline: ContinuousClock.Instant?
        var stoppedAt: ContinuousClock.Instant?

        var stopFailure: PostgresFailure? {
            stoppedAt == nil ? nil : PostgresFailure(.stopped, "stopped on request")
        }
    }

    private enum Wake {
        case ready
        case stopped
        case timedOut
    }

    private func flush(_ waiting: inout Waiting, _ patience: () -> Duration) throws(PostgresFailure) {
        while true {
            let status = PQflush(handle)
            if status == 0 { return }
            guard status == 1 else { throw lost }
            try wait(POLLIN | POLLOUT, &waiting, patience)
            guard PQconsumeInput(handle) == 1 else { throw lost }
        }
    }

    private func awaitInput(_ waiting: inout Waiting, _ patience: () -> Duration) throws(PostgresFailure) {
        while PQisBusy(handle) == 1 {
            try wait(POLLIN, &waiting, patience)
            guard PQconsumeInput(handle) == 1 else { throw waiting.stopFailure ?? lost }
        }
        // Also a server that has rows all the time is to be stopped.
        if waiting.stoppedAt == nil, waiting.interrupt?.isStopped == true { beginStop(&waiting) }
        if let stoppedAt = waiting.stoppedAt, .now - stoppedAt > patience() {
            throw PostgresFailure(.stopped, "the server did not stop in time")
        }
    }

    /// Waits until the server can be read or written; asks it to cancel once somebody wants to stop.
    private func wait(_ events: Int32, _ waiting: inout Waiting, _ patience: () -> Duration) throws(PostgresFailure) {
        while true {
            let slice = waiting.stoppedAt == nil ? waiting.deadline : ContinuousClock.now + .milliseconds(50)
            switch wait(events, waiting.stoppedAt == nil ? waiting.interrupt : nil, until: slice) {
            case .ready: return
            case .stopped: beginStop(&waiting)
            case .timedOut:
                guard let stoppedAt = waiting.stoppedAt else {
                    throw PostgresFailure(.timedOut, "the server did not answer in time")
                }
                if .now - stoppedAt > patience() {
                    throw PostgresFailure(.stopped, "the server did not stop in time")
                }
            }
        }
    }

    private func beginStop(_ waiting: inout Waiting) {
        waiting.stoppedAt = .now
        guard waiting.asksToCancel, let cancel = PQgetCancel(handle) else { return }
        // A connection of its own, made by a thread of its own: the server may be as silent there as it is here.
        let request = PostgresCancel(cancel)
        if !WorkThread.detach({ request.send() }) { request.drop() }
    }

    private func wait(
        _ events: Int32, _ interrupt: PostgresInterrupt?, until deadline: ContinuousClock.Instant?
    ) -> Wake {
        while true {
            var polled = [
                pollfd(fd: PQsocket(handle), events: Int16(events), revents: 0),
                pollfd(fd: interrupt?.descriptor ?? -1, events: Int16(POLLIN), revents: 0),
            ]
            var timeout: Int32 = -1
            if let deadline {
                let left = deadline - .now
                guard left > .zero else { return .timedOut }
                timeout = Int32(
                    clamping: left.components.seconds * 1000 + left.components.attoseconds / Int64(1e15) + 1)
            }
            let count = poll(&polled, 2, timeout)
            if polled[1].revents != 0 { return .stopped }
            if count < 0, errno != EINTR { return .ready }
            if count > 0 { return .ready }
        }
    }
}

/// A request to cancel, which is libpq's own copy of what it takes.
private struct PostgresCancel: @unchecked Sendable {
    private let cancel: OpaquePointer

    init(_ cancel: OpaquePointer) { self.cancel = cancel }

    func send() {
        var text = [CChar](repeating: 0, count: 256)
        _ = PQcancel(cancel, &text, Int32(text.count))
        drop()
    }

    func drop() { PQfreeCancel(cancel) }
}
