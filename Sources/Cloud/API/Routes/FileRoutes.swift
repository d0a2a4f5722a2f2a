// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import HTTPTypes

/// Stored files and uploads; and what agents ask for the files of their tasks.
extension RouteTable {
    static let files: [Route] =
        [
            .json(
                .get, "/files", .fileList, "List files, newest first.",
                parameters: [
                    .init("name", .text(1...255), "Only files of this name."),
                    .init("sha256", .text(64...64), "Only files of this content."), .cursor, .limit,
                ], answer: .page(.reference("File"))
            ) { input throws(DeployError) in .fileList(try input.value()) },
            .json(.get, "/files/{file_id}", .fileShow, "Show a file.", answer: .reference("File")) {
                input throws(DeployError) in .fileShow(try input.object("file_id", whole: "file"))
            },
            .removal("/files/{file_id}", .fileRemove, "Remove a file.") { input throws(DeployError) in
                .fileRemove(try input.object("file_id", whole: "file"))
            },
        ]
        + [.get, .head].map { method in
            Route(
                method: method, path: "/files/{file_id}/content",
                summary: "Read a file's content, or a range of it.", action: .fileRead,
                answer: [("application/octet-stream", .text())], work: .content(.download))
        } + uploads

    private static let uploads: [Route] = [
        .json(.get, "/uploads", .uploadList, "List uploads that are not complete.", answer: .page(.reference("Upload")))
        {
            _ in .uploadList
        },
        .json(
            .post, "/uploads", .fileBegin, "Begin an upload, or go on with one.", body: .required("FileBegin"),
            status: .created, answer: .reference("Upload")
        ) { input throws(DeployError) in .fileBegin(try input.value()) },
        Route(
            method: .put, path: "/uploads/{upload_id}/content",
            summary: "Send the next bytes of an upload; Content-Range says which, from the first on without it.",
            action: .fileWrite, body: .bytes, answer: [("application/json", .reference("Upload"))],
            work: .content(.upload)),
        .json(
            .post, "/uploads/{upload_id}/commit", .fileCommit, "Complete an upload.", body: .optional("FileCommit"),
            answer: .reference("File")
        ) { input throws(DeployError) in
            _ = try input.object("upload_id", whole: "upload")
            return .fileCommit(try input.value())
        },
        .removal("/uploads/{upload_id}", .uploadRemove, "Give an upload up.") { input throws(DeployError) in
            .uploadRemove(try input.object("upload_id", whole: "upload"))
        },
    ]

    static let agentFiles: [Route] = [
        Route(
            method: .get, path: "/agent/tasks/{task_id}/content",
            summary: "Read the contents that a task brings, one after the other.", action: .fileRead, audience: .agent,
            parameters: [
                .init("file", .integer(0...10_000), "The position of the first file wanted; 0 when left out."),
                .init("offset", .integer(0...Int64.max), "Bytes of it to leave out."),
            ], answer: [("application/octet-stream", .text())], work: .content(.agentBundle)),
        Route(
            method: .post, path: "/agent/tasks/{task_id}/uploads",
            summary: "Begin to send the file that a task fetches, or go on with it.", action: .fileWrite,
            audience: .agent, body: .required("FileBegin"), answer: [("application/json", .reference("Upload"))],
            work: .content(.agentBegin)),
        Route(
            method: .put, path: "/agent/tasks/{task_id}/uploads/{upload_id}/content",
            summary: "Send the next bytes of it.", action: .fileWrite, audience: .agent, body: .bytes,
            answer: [("application/json", .reference("Upload"))], work: .content(.agentUpload)),
        Route(
            method: .post, path: "/agent/tasks/{task_id}/uploads/{upload_id}/commit", summary: "Complete it.",
            action: .fileWrite, audience: .agent, body: .optional("FileCommit"),
            answer: [("application/json", .reference("File"))], work: .content(.agentCommit)),
    ]
}
