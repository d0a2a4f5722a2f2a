// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import HTTPTypes

/// Operators, their tokens, and the tokens with which agents enrol.
extension RouteTable {
    static let identities: [Route] = [
        .json(.get, "/operators", .operatorList, "List operators.", answer: .page(.reference("Operator"))) { _ in
            .operatorList
        },
        .json(
            .put, "/operators/{operator_name}", .operatorPut, "Make an operator, or change one.",
            body: .required("OperatorPut"), answer: .reference("Operator")
        ) { input throws(DeployError) in .operatorPut(try input.value(renaming: ["operator_name": "name"])) },
        .removal("/operators/{operator_name}", .operatorRemove, "Shut an operator out, with all its tokens.") {
            input throws(DeployError) in .operatorRemove(try input.object("operator_name"))
        },
        .json(
            .get, "/tokens", .tokenList, "List tokens, last used first.",
            parameters: [
                .init("kind", .word(TokenKind.self), "Only tokens of this kind."),
                .init("name", .text(1...128), "Only tokens of this operator or agent."), .cursor, .limit,
            ], answer: .page(.reference("Token"))
        ) { input throws(DeployError) in .tokenList(try input.value()) },
        .json(
            .post, "/tokens", .tokenCreate, "Make a token for an operator.", body: .required("TokenRequest"),
            status: .created, answer: .reference("SecretIssued")
        ) { input throws(DeployError) in .tokenCreate(try input.value()) },
        .removal("/tokens/{token_id}", .tokenRevoke, "Revoke a token and close its links.") {
            input throws(DeployError) in
            .tokenRevoke(try input.object("token_id", whole: "token"))
        },
        .json(
            .get, "/enrolments", .enrolmentList, "List enrolment tokens.", answer: .page(.reference("Enrolment"))
        ) { _ in .enrolmentList },
        .json(
            .post, "/enrolments", .enrolmentCreate, "Make a token with which agents enrol.",
            body: .required("EnrolmentCreate"), status: .created, answer: .reference("SecretIssued")
        ) { input throws(DeployError) in .enrolmentCreate(try input.value()) },
        .removal("/enrolments/{enrolment_id}", .enrolmentRevoke, "Revoke an enrolment token.") {
            input throws(DeployError) in
            .enrolmentRevoke(try input.object("enrolment_id", whole: "enrolment token"))
        },
    ]
}
