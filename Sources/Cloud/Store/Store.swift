// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// The one door to the database.
struct Store: Sendable {
    let driver: any SQLDriver

    /// Opens the SQLite database of a data directory and brings its tables up to date.
    static func open(directory: String) async throws -> Store {
        try PrivateFile.makeDirectory(directory)
        let path = "\(directory)/cloud.db"
        makePrivateFile(path)
        let store = Store(driver: try SQLiteDriver(path: path))
        try await Schema.migrate(store.driver)
        return store
    }

    /// Runs a body on a consistent snapshot.
    func read<Value: Sendable>(_ body: @escaping @Sendable (any SQLTransaction) throws -> Value) async throws -> Value {
        try await driver.read(body)
    }

    /// Runs a body in a transaction and returns once it is on disk.
    func write<Value: Sendable>(_ body: @escaping @Sendable (any SQLTransaction) throws -> Value) async throws -> Value
    {
        try await driver.write(body)
    }

    /// Runs a body in a transaction without waiting; `finish` is called in order once it is on disk or has failed.
    func submit<Value: Sendable>(
        _ body: @escaping @Sendable (any SQLTransaction) throws -> Value,
        finish: @escaping @Sendable (Result<Value, any Error>) -> Void
    ) {
        driver.submit(body, finish: finish)
    }
}

/// Makes a file for its owner only, unless there is one. The directory may be an older one that others can enter, and
/// SQLite gives its other files the mode of this one.
private func makePrivateFile(_ path: String) {
    let descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    if descriptor >= 0 { close(descriptor) }
}
