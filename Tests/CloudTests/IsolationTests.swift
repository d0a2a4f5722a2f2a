// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Testing

@testable import Cloud

/// Nobody sees, reaches or changes what belongs to an environment that is not theirs, by any request there is.
@Suite struct IsolationTests {
    @Test(arguments: OperatorRequestType.allCases)
    func `what belongs to another environment does not exist`(type: OperatorRequestType) async throws {
        let site = try await TwoEnvironments()
        let stranger = site.principal(.admin, in: site.lab)
        let before = try await site.state()
        for request in site.requests(type, about: site.prod) {
            do {
                let reply = try await site.fixture.service.answer(request, as: stranger).json()
                for foreign in [
                    site.prod.agent.name, site.prod.agent.id.rawValue, site.prod.task.id.rawValue,
                    site.prod.task.runID.rawValue, site.prod.enrolment, site.prod.agentToken.rawValue,
                    site.prod.operatorName, site.prod.operatorToken.rawValue, site.prod.policy,
                    site.prod.file.id.rawValue, site.prod.file.name, site.prod.upload.rawValue,
                ] + site.prod.told {
                    #expect(!reply.contains(foreign), "\(request) shows \(foreign): \(reply)")
                }
            } catch {
                let code = DeployError(wrapping: error).code
                // A name in use elsewhere, or a wish for what lies beyond one's own reach, is refused as such.
                #expect(
                    [.notFound, .forbidden, .conflict].contains(code) || type == .fileChunk, "\(request): \(error)")
                if [
                    .fileShow, .fileRemove, .fileBegin, .fileCommit, .filePut, .uploadRemove, .agentShow, .taskShow,
                    .runShow, .logOpen, .taskCancel, .runCreate, .agentRemove, .tokenRevoke,
                ]
                .contains(type) {
                    #expect(code == .notFound, "\(request): \(error)")
                }
            }
        }
        #expect(try await site.state() == before, "nothing has changed")
    }

    @Test(arguments: OperatorRequestType.allCases)
    func `the same requests work within one's own environment`(type: OperatorRequestType) async throws {
        // The control: without it, an answer that refuses everything would pass.
        let site = try await TwoEnvironments()
        let owner = site.principal(.admin, in: site.lab)
        let request = try #require(site.requests(type, about: site.lab).first)
        switch type {
        case .auditShow: return  // which record is the environment's own is said elsewhere
        case .fileChunk: return  // only a link takes it, which has begun the upload
        default: _ = try await site.fixture.service.answer(request, as: owner)
        }
    }

    @Test(arguments: OperatorRequestType.allCases, Role.allCases)
    func `a role does what the table of actions says, no more and no less`(
        type: OperatorRequestType, role: Role
    ) async throws {
        let site = try await TwoEnvironments()
        let principal = Principal.test("somebody", role: role)
        let before = try await site.state()
        for request in site.requests(type, about: site.lab).prefix(1) {
            let code = await site.fixture.failure {
                _ = try await site.fixture.service.answer(request, as: principal)
            }
            if role < request.action.minimumRole {
                #expect(code == .forbidden)
                #expect(try await site.state() == before)
            } else {
                #expect(code != .forbidden)
            }
        }
    }

    @Test func `the table of roles is what was decided`() {
        let table: [Role: Set<Action>] = [
            .viewer: [
                .serverInfo, .agentRead, .executorRead, .runRead, .taskRead, .logRead, .eventsRead, .fileList,
                .policyRead,
                .policyTest,
            ],
            .operator: [.runCreate, .taskCancel, .fileRead, .fileWrite, .fileRemove],
            .approver: [.policyWrite, .auditRead, .auditExport, .auditVerify],
        ]
        for action in Action.allCases {
            let expected = table.first { $0.value.contains(action) }?.key ?? .admin
            #expect(action.minimumRole == expected, "\(action)")
        }
    }

    @Test func `all means all within reach, and a run of several environments shows each its own part`() async throws {
        let site = try await TwoEnvironments()
        let service = site.fixture.service
        let spec = TaskSpec(command: "true")
        let lab = site.principal(.operator, in: site.lab)
        let mine = try await service.create(RunCreate(selector: TargetSelector(all: true), spec: spec), as: lab)
        #expect(mine.tasks.map(\.agentName) == ["agent-lab"])
        let both = try await service.create(
            RunCreate(selector: TargetSelector(agents: ["agent-lab", "agent-prod"]), spec: spec), as: .test("root"))
        #expect(both.tasks.count == 2)
        let seen = try await service.run(both.run.id.rawValue, as: lab)
        #expect(seen.tasks.map(\.agentName) == ["agent-lab"])
        #expect(seen.run.counts.values.reduce(0, +) == 1)
        #expect(!seen.run.target.contains("agent-prod"))
        let canceled = try await service.cancel(CancelRequest(runID: both.run.id.rawValue), as: lab)
        #expect(canceled.tasks.map(\.agentName) == ["agent-lab"])
        let other = try #require(both.tasks.first { $0.agentName == "agent-prod" })
        #expect(try await site.fixture.state(of: other) == .pending)
    }

    @Test func `a name of another environment is as unknown as one that nobody has`() async throws {
        let site = try await TwoEnvironments()
        let lab = site.principal(.admin, in: site.lab)
        func message(_ name: String) async -> String {
            do {
                _ = try await site.fixture.service.agent(name, as: lab)
                return "found"
            } catch { return "\(error)".replacing(name, with: "X") }
        }
        #expect(await message("agent-prod") == message("agent-none"))
        #expect(await message(site.prod.agent.id.rawValue) == message(AgentID.random().rawValue))
    }

    @Test func `a prefix of an id finds only what is within reach`() async throws {
        let site = try await TwoEnvironments()
        try await site.fixture.store.write { transaction in
            for (name, task) in [("aaaa1111", site.prod.task), ("aaaa2222", site.lab.task)] {
                try transaction.execute("UPDATE tasks SET id = ? WHERE id = ?", [.text(name), .text(task.id.rawValue)])
            }
        }
        let found = try await site.fixture.service.task("aaaa", as: site.principal(.viewer, in: site.lab))
        #expect(found.task.id.rawValue == "aaaa2222", "not ambiguous for who sees one of them")
        let code = await site.fixture.failure {
            _ = try await site.fixture.service.task("aaaa", as: .test("root"))
        }
        #expect(code == .ambiguous)
    }

    @Test func `a key made by a stronger token gives a weaker one nothing`() async throws {
        let site = try await TwoEnvironments()
        let request = RunCreate(
            selector: TargetSelector(all: true), spec: TaskSpec(command: "true"), idempotencyKey: "k")
        _ = try await site.fixture.service.create(request, as: .test("ada"))
        let narrow = Principal.test("ada", role: .operator, scope: Scope(environments: ["lab"]))
        let code = await site.fixture.failure { _ = try await site.fixture.service.create(request, as: narrow) }
        #expect(code == .conflict)
    }
}
