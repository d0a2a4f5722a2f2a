// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Synchronization

extension EffectRunner {
    /// Milliseconds between two reports of an upload that only goes on.
    private static let reportInterval: Int64 = 150

    func perform(_ effect: FileEffect) async {
        switch effect {
        case .list:
            await ask {
                .file(.listed(try await backend.files()))
            } onFailure: {
                .file(.listFailed($0))
            }
        case .remove(let id):
            await attempt("Not removed") {
                try await backend.removeFile(id)
                return .file(.removed(id))
            }
        case .upload(let row): await upload(row)
        case .stop(let number, let upload):
            await backend.stopUpload(number, upload)
            mailbox.post(.file(.stopped(number)))
        case .complete(let text):
            let (completed, names) = PathCompletion.complete(text)
            mailbox.post(.file(.completed(text, completed, names)))
        case .push(let request): await attempt("Not started") { .file(.pushed(try await backend.create(request))) }
        }
    }

    private func upload(_ row: UploadRow) async {
        let last = Mutex<(at: Int64, stage: UploadProgress.Stage?)>((0, nil))
        var real = row
        real.path = Self.expanded(row.path)
        let order = real
        await ask {
            let file = try await backend.upload(order) { progress in
                let now = App.monotonic()
                let isDue = last.withLock { last in
                    guard now - last.at >= Self.reportInterval || last.stage != progress.stage else { return false }
                    last = (now, progress.stage)
                    return true
                }
                if isDue { mailbox.post(.file(.progress(row.number, progress, .now()))) }
            }
            return .file(.uploaded(row.number, file))
        } onFailure: {
            .file(.uploadFailed(row.number, $0))
        }
    }
}
