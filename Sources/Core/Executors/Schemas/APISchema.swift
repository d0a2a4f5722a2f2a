// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

extension ExecutorSchema {
    /// One HTTP request, and what is expected of its answer; ``APIParameters`` reads it.
    static let api = ExecutorSchema(
        type: "api", summary: "Sends an HTTP request and checks the answer.",
        command: Command("request", "METHOD URL, such as GET https://app.example/health.", maximum: 8320),
        parameters: [
            ExecutorParameter("query", .pairs, "Added to the URL's query; values may be secrets."),
            ExecutorParameter("headers", .pairs, "Fields of the head; values may be secrets."),
            ExecutorParameter("body", .text, "The body, as it is sent.", maximum: 262_144),
            ExecutorParameter("body_json", .json, "The body as JSON; {\"secret_ref\": NAME} in it is that secret."),
            ExecutorParameter("basic_user", .text, "The user to sign in as.", minimum: 1, maximum: 256),
            ExecutorParameter("basic_password", .secret, "That user's password."),
            ExecutorParameter("bearer", .secret, "The token to sign in with."),
            ExecutorParameter(
                "expect_status", .list, "Statuses that are well: 200, 2xx, 200-204.",
                standard: .array([.string("2xx")])),
            ExecutorParameter("expect_headers", .pairs, "Fields the answer's head must have."),
            ExecutorParameter("expect_body", .text, "A text the body must hold.", minimum: 1),
            ExecutorParameter(
                "expect_matches", .text, "An expression that a line of the body must match whole.", minimum: 1,
                maximum: 512),
            ExecutorParameter("expect_json", .json, "What must stand where in the body: {\"/items/0/id\": 7}."),
            ExecutorParameter(
                "retries", .integer, "How often it is tried again.", standard: .integer(0), minimum: 0, maximum: 1000),
            ExecutorParameter(
                "retry_delay", .duration, "How long before it is tried again.", standard: .integer(1), minimum: 0,
                maximum: 3600),
            ExecutorParameter(
                "idle_timeout", .duration, "How long the server may say nothing.", standard: .integer(60),
                minimum: 0.1, maximum: 86_400),
            ExecutorParameter(
                "follow_redirects", .flag, "Follow up to 3 redirects; each is judged anew.", standard: .bool(false)),
            ExecutorParameter(
                "max_body", .size, "Bytes of the body that are shown and checked; the rest is counted.",
                standard: .integer(1 << 20), minimum: 0, maximum: 1e12),
            ExecutorParameter(
                "show_body", .flag, "Write the body to the output.", standard: .bool(true)),
        ])
}
