// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import NIOCore

/// Sends one HTTP request, again when it is told to, and checks the answer.
struct APIExecutor: Executor {
    var schema: ExecutorSchema { TaskType.api.schema }

    /// The limits of this agent.
    let settings: APISettings
    /// What the agent's own policy says about a request that a redirect leads to.
    let judge: @Sendable (TaskSpec) -> GuardVerdict

    /// How many redirects are followed.
    private static let mostRedirects = 3
    /// Methods that may be repeated after they have reached a server (RFC 9110, 9.2.2).
    private static let repeatable: Set = ["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "PROPFIND", "REPORT", "SEARCH"]

    func run(_ context: ExecutionContext) async throws(DeployError) -> ExecutionOutcome {
        let parameters = try APIParameters(context.spec)
        guard parameters.maximumBody <= settings.maximumBody else {
            throw DeployError(
                .startFailed, "params.max_body is over this agent's \(settings.maximumBody) bytes",
                hint: "executors.api.max-body in agent.yaml is the most")
        }
        let request = try APIRequestBuilder(parameters: parameters, secrets: context.secrets).first()
        await context.onStart(nil)
        var number = 1
        while true {
            var attempt = Attempt(executor: self, parameters: parameters, context: context, number: number)
            let failure = await attempt.perform(request)
            let isLast = number > parameters.retries
            guard let failure, failure.mayPass, !isLast, !Task.isCancelled else {
                await attempt.showKept()
                return ExecutionOutcome(error: failure?.failure, result: attempt.result)
            }
            guard !failure.wasSent || Self.repeatable.contains(parameters.method) else {
                await attempt.showKept()
                let rest = "; not tried again: \(parameters.method) may have been carried out"
                let told = TaskFailure(code: failure.failure.code, message: failure.failure.message + rest)
                return ExecutionOutcome(error: told, result: attempt.result)
            }
            context.log.note(
                "tiangong: attempt \(number): \(failure.failure.message); again in \(parameters.retryDelay) s")
            try? await Task.sleep(for: .seconds(parameters.retryDelay))
            number += 1
        }
    }

    /// One try: the request, the redirects it leads to, and what is expected of the last answer.
    private struct Attempt {
        let executor: APIExecutor
        let parameters: APIParameters
        let context: ExecutionContext
        let number: Int
        private let began = ContinuousClock.now
        private var redirects: [JSONValue] = []
        private var head: APIExchange.Head?
        private var url: String
        private var body: AnswerBody

        init(executor: APIExecutor, parameters: APIParameters, context: ExecutionContext, number: Int) {
            self.executor = executor
            self.parameters = parameters
            self.context = context
            self.number = number
            url = parameters.shownURL
            // What may be tried again is shown once it is known to count.
            let isLive = parameters.showsBody && number > parameters.retries
            body = AnswerBody(
                limit: parameters.maximumBody,
                keeps: parameters.expectations.needBody || (parameters.showsBody && !isLive),
                live: isLive ? LogOutput(context.log) : nil)
        }

        /// Performs it; nil when the answer is as it should be.
        mutating func perform(_ first: APIExchange.Request) async -> APIFailure? {
            do throws(APIFailure) {
                try await exchange(first)
                return try check()
            } catch {
                var failure = error
                // A redirect is an answer: the first request has got there.
                if !redirects.isEmpty { failure.wasSent = true }
                return failure
            }
        }

        private mutating func exchange(_ first: APIExchange.Request) async throws(APIFailure) {
            let exchange = APIExchange(settings: executor.settings, idleTimeout: parameters.idleTimeout)
            var request = first
            while true {
                url = request.shownURL
                head = nil
                let follows = parameters.followsRedirects
                let head = try await exchange.perform(request) { head, part in
                    self.head = head
                    if follows, Self.isRedirect(head) { return false }
                    await body.take(part)
                    return !Task.isCancelled
                }
                self.head = head
                guard follows, Self.isRedirect(head), let location = head.field("location") else { return }
                guard redirects.count < APIExecutor.mostRedirects else {
                    throw APIFailure(
                        .taskFailed,
                        "the server redirects more than \(APIExecutor.mostRedirects) times, now to "
                            + location.prefix(200), wasSent: true, mayPass: false)
                }
                request = try next(request, head.status, location)
                redirects.append(.string(request.shownURL))
                context.log.note("tiangong: \(head.status) redirects to \(request.method) \(request.shownURL)")
            }
        }

        private static func isRedirect(_ head: APIExchange.Head) -> Bool {
            [301, 302, 303, 307, 308].contains(head.status) && head.field("location") != nil
        }

        /// Where a redirect leads, if this agent's policy lets that through as well.
        private func next(
            _ request: APIExchange.Request, _ status: Int, _ location: String
        ) throws(APIFailure) -> APIExchange.Request {
            do throws(DeployError) {
                let next = try APIRequestBuilder(parameters: parameters, secrets: context.secrets)
                    .next(after: request, status: status, location: location)
                var spec = TaskSpec(type: TaskType.api.rawValue, command: "\(next.method) \(next.url)")
                spec.timeout = context.spec.timeout
                let verdict = executor.judge(spec)
                guard !verdict.isRefusal else {
                    throw DeployError(
                        .policyDenied,
                        "the redirect to \(next.url) is refused by the agent's policy: \(verdict.rule) \(verdict.message)"
                    )
                }
                return next
            } catch {
                throw APIFailure(error)
            }
        }

        private func check() throws(APIFailure) -> APIFailure? {
            guard let head else { return nil }
            tell(head)
            if parameters.showsBody, body.isCut {
                context.log.note("tiangong: \(body.within) of \(body.count) bytes of the body are shown")
            }
            let answer = AnswerExpectations.Answer(
                status: head.status, reason: head.reason, headers: head.headers, body: body.kept, isCut: body.isCut)
            var differences: [String]
            do throws(DeployError) {
                differences = try parameters.expectations.differences(
                    answer,
                    reveal: { reference throws(DeployError) in try context.secrets.text(reference) },
                    isCanceled: { Task.isCancelled })
            } catch {
                throw APIFailure(error)
            }
            guard !differences.isEmpty else { return nil }
            if let location = head.field("location"), !parameters.followsRedirects, (300...399).contains(head.status) {
                differences[0] += "; it redirects to \(location.prefix(200)), which was not followed"
            }
            return APIFailure(.taskFailed, differences.joined(separator: "; "), wasSent: true)
        }

        private func tell(_ head: APIExchange.Head) {
            let kind = head.field("content-type").map { ", \($0.prefix(64))" } ?? ""
            let reason = head.reason.isEmpty ? "" : " \(head.reason.prefix(64))"
            context.log.note("tiangong: \(head.status)\(reason)\(kind), \(body.count) bytes in \(milliseconds) ms")
        }

        /// Writes a body that was kept because another attempt might have followed.
        func showKept() async {
            guard parameters.showsBody, number <= parameters.retries, !body.kept.isEmpty else { return }
            await LogOutput(context.log).send(ByteBuffer(bytes: body.kept))
        }

        private var milliseconds: Int64 {
            let spent = (ContinuousClock.now - began).components
            return spent.seconds * 1000 + spent.attoseconds / 1_000_000_000_000_000
        }

        // MARK: Facts

        /// Fields that tell about an answer and hold no credentials.
        private static let told: Set = [
            "age", "allow", "cache-control", "content-encoding", "content-language", "content-length", "content-type",
            "date", "etag", "last-modified", "location", "retry-after", "server", "via", "www-authenticate",
            "x-request-id",
        ]

        /// What the task reports.
        var result: [String: JSONValue] {
            var result: [String: JSONValue] = [
                "attempts": .integer(Int64(number)), "duration_ms": .integer(milliseconds), "url": .string(url),
            ]
            if !redirects.isEmpty { result["redirects"] = .array(redirects) }
            guard let head else { return result }
            let asked = Set(parameters.expectations.headers.map { $0.name.lowercased() })
                .subtracting(AnswerExpectations.hidden)
            var headers: [String: JSONValue] = [:]
            for (name, value) in head.headers {
                let name = name.lowercased()
                guard Self.told.union(asked).contains(name), headers[name] == nil else { continue }
                headers[name] = .string(String(value.prefix(1024)))
            }
            result["status"] = .integer(Int64(head.status))
            result["headers"] = .object(headers)
            result["address"] = .string("\(head.address)")
            result["bytes"] = .integer(body.count)
            result["sha256"] = .string(body.sha256)
            return result
        }
    }
}
