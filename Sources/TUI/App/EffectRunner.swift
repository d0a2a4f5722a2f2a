// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// What the thread that draws hands over: an effect, with the log's text when it is to be saved.
struct EffectOrder: Sendable {
    var effect: Effect
    var pieces: [[UInt8]] = []
}

/// Does effects, away from the thread that draws, and posts what came of them.
struct EffectRunner: Sendable {
    let backend: any ConsoleBackend
    let mailbox: Mailbox

    func perform(_ order: EffectOrder) async {
        switch order.effect {
        case .loadContexts: await attempt("Contexts") { .contexts(try await backend.contexts()) }
        case .useContext(let name):
            await attempt("Context \(name)") {
                try await backend.use(context: name)
                return nil
            }
        case .loadAgents: await attempt("Agents") { .agents(try await backend.agents()) }
        case .loadExecutors: await attempt("Task types") { .executors(try await backend.executors()) }
        case .loadRuns: await attempt("Runs") { .runs(try await backend.runs()) }
        case .loadRun(let id): await attempt("Run \(id.short)") { .run(try await backend.run(id)) }
        case .createRun(let request): await attempt("Not started") { .runCreated(try await backend.create(request)) }
        case .loadPolicies:
            await ask {
                .policies(try await backend.policies())
            } onFailure: {
                .policiesFailed($0)
            }
        case .testPolicy(let test):
            await ask {
                .policyTested(test, try await backend.test(test))
            } onFailure: {
                .policyTestFailed(test, $0)
            }
        case .loadAudit(let query):
            await ask {
                let page = try await backend.audit(query)
                return .audit(query, page.items, next: page.next)
            } onFailure: {
                .auditFailed($0)
            }
        case .file(let effect): await perform(effect)
        case .cancel(let request): await attempt("Not stopped") { .canceled(try await backend.cancel(request)) }
        case .openLogs(let tasks):
            for task in tasks { await attempt("Log of \(task.short)") { .logOpened(try await backend.openLog(task)) } }
        case .closeLogs(let tasks): for task in tasks { await backend.closeLog(task) }
        case .saveLog(let path):
            await attempt("Not saved") { .logSaved(path: path, bytes: try Self.save(order.pieces, to: path)) }
        case .retryNow: await backend.retryNow()
        case .suspend, .redraw, .bell: break
        }
    }

    /// A question whose failure is shown where its answer would be.
    func ask(_ work: () async throws -> AppEvent, onFailure: (DeployError) -> AppEvent) async {
        do {
            mailbox.post(try await work())
        } catch {
            mailbox.post(onFailure(DeployError(wrapping: error)))
        }
    }

    func attempt(_ doing: String, _ work: () async throws -> AppEvent?) async {
        do {
            if let event = try await work() { mailbox.post(event) }
        } catch {
            mailbox.post(.failed(doing: doing, DeployError(wrapping: error)))
        }
    }

    /// Writes a new file that only its owner can read. Throws `conflict` when it exists, for nothing is overwritten.
    static func save(_ pieces: [[UInt8]], to path: String) throws(DeployError) -> Int {
        let file = open(expanded(path), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard file >= 0 else {
            let code: ErrorCode = errno == EEXIST ? .conflict : .internal
            throw DeployError(code, "\(path): \(String(cString: strerror(errno)))")
        }
        var total = 0
        for piece in pieces {
            var done = 0
            while done < piece.count {
                let count = piece[done...].withUnsafeBytes { write(file, $0.baseAddress, $0.count) }
                if count < 0, errno == EINTR { continue }
                guard count > 0 else {
                    let reason = String(cString: strerror(errno))
                    close(file)
                    throw DeployError(.insufficientStorage, "\(path) is incomplete: \(reason)")
                }
                done += count
            }
            total += done
        }
        guard close(file) == 0 else {
            throw DeployError(.insufficientStorage, "\(path): \(String(cString: strerror(errno)))")
        }
        return total
    }

    static func expanded(_ path: String) -> String {
        guard path.hasPrefix("~/"), let home = getenv("HOME") else { return path }
        return String(cString: home) + path.dropFirst()
    }
}
