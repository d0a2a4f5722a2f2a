// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Core

/// Schemas that come from elsewhere: what is not well formed is refused, and nothing in them can do harm.
@Suite struct ExecutorSchemaTests {
    private static func schema(
        _ parameters: [ExecutorParameter], type: String = "ship", label: String = "release"
    ) -> ExecutorSchema {
        ExecutorSchema(
            type: type, summary: "Ships.", command: .init(label, "What is shipped."), parameters: parameters)
    }

    @Test func `every built-in schema is well formed and named as its type`() throws {
        for type in TaskType.allCases {
            try type.schema.validate()
            #expect(type.schema.type == type.rawValue)
        }
    }

    @Test(
        arguments: [
            schema([], type: "Ship"), schema([], type: ""), schema([], label: ""),
            schema([ExecutorParameter("a", .text, ""), ExecutorParameter("a", .text, "")]),
            schema([ExecutorParameter("A", .text, "")]), schema([ExecutorParameter("a-b", .text, "")]),
            schema([ExecutorParameter("a", .word, "")]), schema([ExecutorParameter("a", .text, "", words: ["x"])]),
            schema([ExecutorParameter("a", .word, "", words: [""])]),
            schema([ExecutorParameter("a", .word, "", words: ["x\0"])]),
            schema([ExecutorParameter("a", .text, "", maximum: 1e300)]),
            schema([ExecutorParameter("a", .integer, "", minimum: -1e300)]),
            schema([ExecutorParameter("a", .integer, "", minimum: 2, maximum: 1)]),
            schema([ExecutorParameter("a", .integer, "", minimum: .nan)]),
            schema((0..<65).map { ExecutorParameter("a\($0)", .text, "") }),
            schema((0..<64).map { ExecutorParameter("a\($0)", .text, String(repeating: "x", count: 256)) })
                .with(words: 64),
        ]) func `what is not well formed is refused`(schema: ExecutorSchema)
    {
        #expect(throws: DeployError.self) { try schema.validate() }
    }

    @Test func `numbers beyond all bounds are compared and said without harm`() {
        let parameter = ExecutorParameter("a", .text, "", minimum: 1e300, maximum: -1e300)
        #expect(throws: DeployError.self) { try parameter.check(.string("x")) }
        let number = ExecutorParameter("a", .number, "", minimum: 1e300, maximum: 1e301)
        #expect(throws: DeployError.self) { try number.check(.number(5)) }
        #expect(number.texts(of: .number(1e300)).count == 1)
    }

    @Test func `a report tells at most so many connections`() {
        var register = AgentRegister()
        register.executorDetails = (0..<5).map { part in
            ExecutorReport(type: "p\(part)", datasources: (0..<250).map { "d\($0)" })
        }
        let error = #expect(throws: DeployError.self) { try register.validate() }
        #expect(error?.code == .tooLarge)
        register.executorDetails?.removeLast()
        #expect(throws: Never.self) { try register.validate() }
    }
}

extension ExecutorSchema {
    /// The same with so many long words in a further parameter.
    fileprivate func with(words count: Int) -> ExecutorSchema {
        var schema = self
        schema.parameters.removeLast(60)
        schema.parameters += (0..<10).map { parameter in
            ExecutorParameter(
                "w\(parameter)", .word, "", words: (0..<count).map { String(repeating: "w", count: 60) + "\($0)" })
        }
        return schema
    }
}
