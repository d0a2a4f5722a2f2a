// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// Whether the work of one task is to end; a thread asks it between two rows and two statements.
final class MySQLStop: Sendable {
    private let flag = Atomic(false)

    /// Whether it is to end.
    var isRequested: Bool { flag.load(ordering: .relaxed) }

    /// It is to end.
    func request() { flag.store(true, ordering: .relaxed) }
}
