// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

extension Shapes {
    /// Operators, tokens and enrolments.
    static let identities: [(String, Shape)] = [
        (
            "OperatorPut",
            .object([
                .init("role", .word(Role.self), required: true),
                .init("scope", .reference("Scope"), "Agents it reaches; left out for all."),
            ])
        ),
        (
            "Operator",
            .object([
                .init("name", .text(), required: true), .init("role", .word(Role.self), required: true),
                .init("scope", .reference("Scope"), required: true), .init("created_at", .time, required: true),
                .init("disabled_at", .time),
            ])
        ),
        (
            "TokenRequest",
            .object([
                .init("name", .text(1...128), required: true, "The operator; must exist."),
                .init("role", .word(Role.self), "Left out for the operator's own."),
                .init("scope", .reference("Scope"), "Left out for the operator's own."),
                .init("expires_in", .number(1...3_153_600_000), "Seconds it is good for; left out for ever."),
            ])
        ),
        (
            "Token",
            .object([
                .init("id", .id, required: true), .init("kind", .word(TokenKind.self), required: true),
                .init("name", .text(), required: true), .init("role", .word(Role.self)),
                .init("scope", .reference("Scope")), .init("created_at", .time, required: true),
                .init("expires_at", .time), .init("last_used_at", .time), .init("revoked_at", .time),
            ])
        ),
        (
            "SecretIssued",
            .object([
                .init("id", .id, required: true), .init("token", .text(), required: true, "Shown this once."),
            ])
        ),
        (
            "EnrolmentCreate",
            .object([
                .init("environment", .text(1...64), required: true), .init("labels", labels),
                .init("name_prefix", .text(0...128)), .init("sources", .array(.text(1...64), 0...64)),
                .init("uses", .integer(1...10_000)), .init("expires_in", .number(1...86_400)),
            ])
        ),
        (
            "Enrolment",
            .object([
                .init("id", .id, required: true), .init("environment", .text(), required: true),
                .init("labels", .map(.text()), required: true), .init("name_prefix", .text(), required: true),
                .init("sources", .array(.text()), required: true), .init("uses_left", count, required: true),
                .init("actor", .text(), required: true), .init("created_at", .time, required: true),
                .init("expires_at", .time, required: true), .init("revoked_at", .time),
            ])
        ),
    ]
}
