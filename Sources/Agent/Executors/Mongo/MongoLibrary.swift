// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import CMongo
import Logging
import Synchronization

/// libmongoc as a whole: started once, and what it has to tell goes to the agent's log.
enum MongoLibrary {
    private static let logger = Mutex<Logger?>(nil)

    /// Makes the library ready; the later of two loggers counts.
    static func start(_ logger: Logger) {
        Self.logger.withLock { $0 = logger }
        _ = started
    }

    private static let started: Void = {
        mongoc_log_set_handler(
            { level, domain, message, _ in
                guard let domain, let message else { return }
                MongoLibrary.log(level, String(cString: domain), String(cString: message))
            }, nil)
        mongoc_init()
    }()

    private static func log(_ level: mongoc_log_level_t, _ domain: String, _ message: String) {
        guard let logger = logger.withLock({ $0 }) else { return }
        let ours: Logger.Level =
            switch level {
            case MONGOC_LOG_LEVEL_ERROR, MONGOC_LOG_LEVEL_CRITICAL, MONGOC_LOG_LEVEL_WARNING: .info
            default: .trace
            }
        logger.log(level: ours, "libmongoc", metadata: ["domain": "\(domain)", "message": "\(message)"])
    }
}
