// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

@testable import TUI

/// Stored files, uploads and a push of the made-up world.
extension Scene {
    private static func hash(_ number: Int) -> ContentHash {
        ContentHash(digest: (0..<32).map { UInt8(truncatingIfNeeded: $0 * 7 + number * 31) })
    }

    static let files: [FileInfo] = [
        FileInfo(
            id: id("f0c1a70deadbeef0"), name: "web-2.8.1.tar.zst", size: 412_000_000, sha256: hash(1),
            environment: "prod", actor: "li", createdAt: start.adding(milliseconds: -60_000),
            expiresAt: start.adding(milliseconds: 30 * 86_400_000)),
        FileInfo(
            id: id("f1c1a70deadbeef0"), name: "web.conf", size: 12_400, sha256: hash(2), environment: nil,
            actor: "wang",
            createdAt: start.adding(milliseconds: -3_600_000), expiresAt: nil),
        FileInfo(
            id: id("f2c1a70deadbeef0"), name: "补丁-openssl-3.0.15.sh", size: 4_100, sha256: hash(3),
            environment: "lab", actor: "agent node-03.bj.example", createdAt: start.adding(milliseconds: -86_400_000),
            expiresAt: start.adding(milliseconds: 3_600_000), taskID: id("task000000000")),
    ]

    static let fileRun: RunRecord = {
        var run = Scene.run
        run.spec = TaskSpec(
            type: "file", command: "put /etc/nginx/web.conf",
            params: ["files": .array([FileParameters.Item(fileID: files[1].id).value])], timeout: 600)
        run.rollout = Rollout(batch: "25%", stopAfter: 2)
        return run
    }()

    static let fileTasks: [TaskRecord] = Scene.tasks.enumerated().map { index, task in
        var task = task
        task.type = "file"
        task.command = fileRun.spec.command
        task.exitCode = nil
        switch task.state {
        case .succeeded: task.progress = TaskProgress(done: 412_000_000, total: 412_000_000)
        case .failed: task.error = TaskFailure(.forbidden, "/etc/nginx is not one of the allowed directories")
        case .running: task.progress = TaskProgress(done: 206_000_000, total: 412_000_000)
        case .pending: task.held = true
        default: break
        }
        return task
    }

    /// Files on the screen, one upload under way and two behind it.
    mutating func uploading() {
        press("g f")
        send(.file(.listed(Self.files)))
        for path in ["/home/wang/web-2.9.0.tar.zst", "~/fonts.tar", "notes"] {
            press("u")
            type(path)
            press("Enter")
        }
        for (step, done) in [(0, Int64(0)), (1000, 61_000_000), (2000, 122_000_000)] as [(Int64, Int64)] {
            let progress = UploadProgress(
                upload: Self.id("u5521000000000000"), done: done, total: 412_000_000, stage: .sending)
            send(.file(.progress(1, progress, Self.start.adding(milliseconds: step))))
        }
    }
}
