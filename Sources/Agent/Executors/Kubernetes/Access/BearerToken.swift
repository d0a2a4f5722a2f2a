// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Synchronization

/// The token told to a cluster. One from a file is read again every few seconds of use, since Kubernetes renews it.
final class BearerToken: Sendable {
    private let source: ClusterMaterial.Token
    private let cache = Mutex<(text: String, readAt: ContinuousClock.Instant)?>(nil)

    /// How long a token read from a file is used.
    private static let lifetime: Duration = .seconds(10)

    init(_ source: ClusterMaterial.Token) { self.source = source }

    /// The token; nil when there is none. Throws `start_failed` when its file cannot be read or holds none.
    ///
    /// - Parameter fresh: Whether the file is to be read now.
    func current(fresh: Bool = false) throws(DeployError) -> String? {
        switch source {
        case .none: return nil
        case .text(let text): return try Self.check(text, "the token")
        case .file(let path):
            let now = ContinuousClock.now
            if !fresh, let known = cache.withLock({ $0 }), now - known.readAt < Self.lifetime { return known.text }
            let text: String
            do throws(DeployError) {
                let bytes = try ClusterMaterial.read(path)
                text = try Self.check(String(decoding: bytes, as: UTF8.self), path)
            } catch {
                throw DeployError(.startFailed, error.message, hint: error.hint)
            }
            cache.withLock { $0 = (text, now) }
            return text
        }
    }

    private static func check(_ text: String, _ what: String) throws(DeployError) -> String {
        let words = text.split(whereSeparator: \.isWhitespace)
        guard let word = words.first, words.count == 1, word.utf8.allSatisfy({ (33...126).contains($0) }) else {
            throw DeployError(.startFailed, "\(what) is not a token: one word of printable characters")
        }
        return String(word)
    }
}
