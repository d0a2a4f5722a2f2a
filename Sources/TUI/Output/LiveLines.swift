// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import CTerminal
import Core

/// Lines at the bottom of the terminal that are written anew while something goes on; nothing where standard error is no
/// terminal, or is not wanted.
actor LiveLines {
    private let output: RawOutput
    private var drawn = 0
    private var shown: [String] = []

    /// How often they are written anew.
    private static let interval: Duration = .milliseconds(100)

    private init(_ output: RawOutput) { self.output = output }

    /// Rows that lines may take; nil when none are shown.
    static func rows(_ session: CommandSession) -> Int? { size(session).map { max(1, $0.rows - 1) } }

    private static func size(_ session: CommandSession) -> (columns: Int, rows: Int)? {
        let settings = session.settings
        guard settings.errorIsTerminal, !settings.quiet, settings.format == .table else { return nil }
        var columns: Int32 = 0
        var rows: Int32 = 0
        return ct_window_size(2, &columns, &rows) && columns > 8 && rows > 1 ? (Int(columns), Int(rows)) : nil
    }

    /// Shows what `lines` gives, foreign text included, for as long as `body` runs; they are gone when it returns.
    static func during<Value: Sendable>(
        _ session: CommandSession, _ lines: @escaping @Sendable () -> [String],
        _ body: @escaping @Sendable () async -> Value
    ) async -> Value {
        guard size(session) != nil else { return await body() }
        let live = LiveLines(session.output)
        let value = await withTaskGroup(of: Void.self, returning: Value.self) { group in
            group.addTask { await live.draw(session, lines) }
            let value = await body()
            group.cancelAll()
            await group.waitForAll()
            return value
        }
        await live.clear()
        return value
    }

    private func draw(_ session: CommandSession, _ lines: @escaping @Sendable () -> [String]) async {
        while (try? await Task.sleep(for: Self.interval)) != nil {
            guard let size = Self.size(session) else { continue }
            await show(lines().prefix(size.rows - 1), columns: size.columns)
        }
    }

    private func show(_ lines: ArraySlice<String>, columns: Int) async {
        // One cell is left free: terminals differ in what they do at the last one.
        let fitted = lines.map { TextWidth.fit(Sanitizer.line($0), columns - 1) }
        guard fitted != shown else { return }
        shown = fitted
        var text = home
        for line in fitted { text += line + "\u{1B}[K\n" }
        drawn = fitted.count
        try? await output.write(text + "\u{1B}[J", to: .error)
    }

    private func clear() async {
        guard drawn > 0 else { return }
        try? await output.write(home + "\u{1B}[J", to: .error)
    }

    /// To the beginning of what was drawn.
    private var home: String { "\r" + (drawn > 0 ? "\u{1B}[\(drawn)A" : "") }
}
