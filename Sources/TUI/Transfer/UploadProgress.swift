// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// How an upload stands.
struct UploadProgress: Sendable, Equatable {
    /// What it does now.
    enum Stage: Sendable, Equatable {
        /// Its content is read, to know what is there already.
        case reading
        /// Bytes go out.
        case sending
        /// It goes on by itself as soon as what is missing is there; why it waits.
        case waiting(String)
        /// All was sent, the server brings it to its disk.
        case completing
    }

    /// The upload's id, once it has one: with it the upload goes on in another process.
    var upload: UploadID?
    /// Bytes the server has, or while reading, bytes read.
    var done: Int64
    /// Bytes in all, when known.
    var total: Int64?
    /// What it does now.
    var stage: Stage
}

/// What is done when an upload fails.
enum UploadRemedy: Sendable, Equatable {
    /// It goes on over the next link.
    case link
    /// It is tried again after a while.
    case patience
    /// Nothing helps.
    case none

    init(_ error: DeployError) {
        self =
            switch error.code {
            case .unreachable, .unavailable: .link
            case .insufficientStorage, .rateLimited: .patience
            default: .none
            }
    }
}
