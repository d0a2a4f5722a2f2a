// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import CMongo
import Core
import Synchronization

/// Why a command failed.
struct MongoFailure: Error {
    /// The server's code; nil when there is no answer of a server.
    var code: Int64?
    /// What the server calls the code.
    var name = ""
    /// What it says, or libmongoc.
    var message: String
    /// Whether the account was refused.
    var isAccount = false

    /// `11000 DuplicateKey: E11000 ...`.
    var sentence: String {
        guard let code else { return message }
        return "\(code)\(name.isEmpty ? "" : " \(name)"): \(message)"
    }
}

/// One client of libmongoc, connected and authenticated. One thread at a time uses it; `abort` is for the others.
final class MongoConnection: @unchecked Sendable {
    // Unchecked: the library's client goes from thread to thread, but is never with two at once.
    private let client: OpaquePointer
    private let dialer: MongoDialer
    private let uri: String
    private let user: String?
    private var session: OpaquePointer?
    private var isClosed = false

    /// What the server speaks; 9 and more is MongoDB 4.4 and later.
    private(set) var wireVersion: Int64 = 0
    /// The session's `lsid`, as the server's own lists show it; nil when the server has no sessions.
    private(set) var sessionID: BSONDocument?

    /// The largest message that a server may announce: what MongoDB itself does. The library takes room for what it is told.
    private static let maximumMessage: Int64 = 48_000_000

    init(_ client: OpaquePointer, _ dialer: MongoDialer, uri: String, user: String?) {
        self.client = client
        self.dialer = dialer
        self.uri = uri
        self.user = user
        dialer.attach(to: client)
        mongoc_client_set_error_api(client, Int32(MONGOC_ERROR_API_VERSION_2))
    }

    deinit { close() }

    /// Makes whoever waits for a server return, now and later. From any thread.
    func abort() { dialer.sockets.shut() }

    /// Whether it was aborted.
    var isAborted: Bool { dialer.sockets.isShut }

    /// Ends it. The server is not told: one that hangs would hold us, and it forgets sessions by itself.
    func close() {
        guard !isClosed else { return }
        isClosed = true
        abort()
        endSession()
        mongoc_client_destroy(client)
    }

    // MARK: Beginning

    /// Connects, authenticates, and begins a session; throws `start_failed` saying what to do.
    func open() throws(DeployError) {
        let nearest = mongoc_read_prefs_new(MONGOC_READ_NEAREST)
        defer { mongoc_read_prefs_destroy(nearest) }
        let (chosen, trouble) = CError.report { mongoc_client_select_server(client, false, nearest, $0) }
        guard let chosen else { throw startFailure(MongoFailure(message: trouble.text)) }
        defer { mongoc_server_description_destroy(chosen) }
        if let hello = mongoc_server_description_hello_response(chosen).map({ BSONDocument(copying: $0) }) {
            wireVersion = hello.integer("maxWireVersion") ?? 0
            guard (hello.integer("maxMessageSizeBytes") ?? 0) <= Self.maximumMessage else {
                throw DeployError(.startFailed, "\(uri) announces messages over \(Self.maximumMessage) bytes")
            }
        }
        let ping = BSONDocument()
        ping.append("ping", Int64(1))
        do throws(MongoFailure) {
            _ = try run(ping, on: "admin", nearest, server: mongoc_server_description_id(chosen))
        } catch {
            throw startFailure(error)
        }
        beginSession()
    }

    private func startFailure(_ failure: MongoFailure) -> DeployError {
        if failure.isAccount {
            return DeployError(
                .startFailed, "\(uri) refuses the account '\(user ?? "")': \(failure.message)",
                hint: "check user, the secret of password, and auth-source of the datasource")
        }
        if failure.code != nil { return DeployError(.startFailed, "\(uri): \(failure.sentence)") }
        let why = dialer.sockets.trouble ?? failure.message
        return DeployError(
            .startFailed, "\(uri) cannot be reached: \(why)",
            hint: why.contains("certificate") ? "ca-file names the certificate of the server's authority" : nil)
    }

    private func beginSession() {
        let options = mongoc_session_opts_new()
        defer { mongoc_session_opts_destroy(options) }
        mongoc_session_opts_set_causal_consistency(options, false)
        (session, _) = CError.report { mongoc_client_start_session(client, options, $0) }
        sessionID = session.flatMap { mongoc_client_session_get_lsid($0) }.map { BSONDocument(copying: $0) }
    }

    /// Ends the session of a task; another begins with ``open()``.
    func endSession() {
        if let session { mongoc_client_session_destroy(session) }
        session = nil
        sessionID = nil
    }

    // MARK: Commands

    /// Runs a command exactly as it is, and gives what the server answered.
    ///
    /// - Parameters:
    ///   - command: The command, which names no database.
    ///   - database: Where.
    ///   - mode: Which server; the primary unless the command said otherwise.
    /// - Returns: The reply, and which server it came from.
    func run(
        _ command: BSONDocument, on database: String, mode: mongoc_read_mode_t = MONGOC_READ_PRIMARY
    ) throws(MongoFailure) -> (reply: BSONDocument, server: UInt32) {
        let preference = mongoc_read_prefs_new(mode)
        defer { mongoc_read_prefs_destroy(preference) }
        let (chosen, trouble) = CError.report { mongoc_client_select_server(client, false, preference, $0) }
        guard let chosen else {
            throw MongoFailure(message: dialer.sockets.trouble.map { "no server: \($0)" } ?? trouble.text)
        }
        defer { mongoc_server_description_destroy(chosen) }
        let server = mongoc_server_description_id(chosen)
        return (try run(command, on: database, preference, server: server), server)
    }

    private func run(
        _ command: BSONDocument, on database: String, _ preference: OpaquePointer?, server: UInt32
    ) throws(MongoFailure) -> BSONDocument {
        let options = self.options(server: server)
        let (reply, (isDone, trouble)) = BSONDocument.reply { reply in
            CError.report { error in
                mongoc_client_command_with_opts(
                    client, database, command.pointer, preference, options.pointer, reply, error)
            }
        }
        guard isDone else { throw failure(reply, trouble) }
        return reply
    }

    /// What the reply to a command is a cursor of, to be read document by document.
    func cursor(_ reply: BSONDocument, server: UInt32, batch: Int64, comment: String?) -> MongoCursor {
        let options = self.options(server: server)
        options.append("batchSize", batch)
        if let comment { options.append("comment", comment) }
        reply.release()
        return MongoCursor(mongoc_cursor_new_from_command_reply_with_opts(client, reply.pointer, options.pointer), self)
    }

    private func options(server: UInt32) -> BSONDocument {
        let options = BSONDocument()
        options.append("serverId", Int64(server))
        if let session { _ = mongoc_client_session_append(session, options.pointer, nil) }
        return options
    }

    fileprivate func failure(_ reply: BSONDocument?, _ trouble: CError) -> MongoFailure {
        if let reply, let message = reply.text("errmsg"), let code = reply.integer("code") {
            return MongoFailure(code: code, name: reply.text("codeName") ?? "", message: message)
        }
        if trouble.domain == MONGOC_ERROR_SERVER.rawValue {
            return MongoFailure(code: Int64(trouble.code), message: trouble.text)
        }
        let isAccount =
            trouble.domain == MONGOC_ERROR_CLIENT.rawValue
            && trouble.code == MONGOC_ERROR_CLIENT_AUTHENTICATE.rawValue
            || trouble.domain == MONGOC_ERROR_SASL.rawValue || trouble.domain == MONGOC_ERROR_SCRAM.rawValue
        let text =
            trouble.domain == MONGOC_ERROR_STREAM.rawValue ? "the connection broke: \(trouble.text)" : trouble.text
        return MongoFailure(message: text, isAccount: isAccount)
    }
}

/// Documents that a server hands out in batches.
final class MongoCursor {
    private let cursor: OpaquePointer
    private let connection: MongoConnection

    fileprivate init(_ cursor: OpaquePointer, _ connection: MongoConnection) {
        self.cursor = cursor
        self.connection = connection
    }

    // Tells the server, unless it has handed out all.
    deinit { mongoc_cursor_destroy(cursor) }

    /// What ``next(_:)`` found.
    enum Step {
        case document
        /// Nothing now; a tailable cursor may have more later.
        case nothing
        case end
    }

    /// Hands over the next document, which is gone afterwards.
    func next(_ body: (OpaquePointer) -> Void) throws(MongoFailure) -> Step {
        guard mongoc_cursor_more(cursor) else { return .end }
        var document: OpaquePointer?
        if mongoc_cursor_next(cursor, &document), let document {
            body(document)
            return .document
        }
        var reply: OpaquePointer?
        let (isBroken, trouble) = CError.report { mongoc_cursor_error_document(cursor, $0, &reply) }
        if isBroken { throw connection.failure(reply.map { BSONDocument(copying: $0) }, trouble) }
        return mongoc_cursor_more(cursor) ? .nothing : .end
    }
}
