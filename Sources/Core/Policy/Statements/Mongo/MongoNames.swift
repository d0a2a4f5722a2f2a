// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// The commands of MongoDB that the rules know; any other is refused.
enum MongoNames {
    /// Commands that only read, or change no more than they name.
    static let ordinary: Set<String> = [
        "abortTransaction", "aggregate", "autoSplitVector", "buildInfo", "buildinfo", "collMod", "collStats",
        "collstats",
        "commitTransaction", "connectionStatus", "count", "create", "createIndexes", "createSearchIndexes", "currentOp",
        "dataSize", "dbHash", "dbStats", "dbstats", "delete", "distinct", "endSessions", "explain", "features", "find",
        "findAndModify", "findandmodify", "bulkWrite", "getCmdLineOpts", "getLog", "getMore", "getParameter",
        "getShardMap", "getShardVersion", "hello", "hostInfo", "insert", "isMaster", "isdbgrid", "ismaster",
        "killCursors", "listCollections", "listCommands", "listDatabases", "listIndexes", "listSearchIndexes",
        "listShards", "lockInfo", "logout", "ping", "planCacheListFilters", "planCacheListPlans", "profile",
        "refreshSessions", "replSetGetConfig", "replSetGetStatus", "rolesInfo", "serverStatus", "startSession", "top",
        "update", "updateSearchIndex", "usersInfo", "validate", "whatsmyuri", "balancerStatus", "analyze",
        "analyzeShardKey", "getDefaultRWConcern", "getClusterParameter", "balancerCollectionStatus",
    ]

    /// The rule that refuses a command.
    static func refused(_ command: String) -> String? {
        if let rule = refusals[command] { return rule }
        if command.hasPrefix("replSet"), !command.hasPrefix("replSetGet") { return "mongo.server" }
        return nil
    }

    private static let refusals: [String: String] = {
        var result: [String: String] = [:]
        let groups: [String: [String]] = [
            "mongo.drop": [
                "drop", "dropIndexes", "deleteIndexes", "dropSearchIndex", "convertToCapped", "emptycapped", "captrunc",
                "cloneCollectionAsCapped",
            ],
            "mongo.drop-database": ["dropDatabase"], "mongo.rename": ["renameCollection"],
            "mongo.javascript": ["eval", "$eval", "mapReduce", "mapreduce", "group", "mapreduce.shardedfinish"],
            "mongo.account": [
                "createUser", "updateUser", "dropUser", "dropAllUsersFromDatabase", "grantRolesToUser",
                "revokeRolesFromUser", "createRole", "updateRole", "dropRole", "dropAllRolesFromDatabase",
                "grantPrivilegesToRole", "revokePrivilegesFromRole", "grantRolesToRole", "revokeRolesFromRole",
                "invalidateUserCache", "_mergeAuthzCollections", "authenticate", "saslStart", "saslContinue",
            ],
            "mongo.settings": [
                "setParameter", "setClusterParameter", "setFeatureCompatibilityVersion", "setDefaultRWConcern",
                "setQuerySettings", "removeQuerySettings", "setIndexCommitQuorum", "planCacheSetFilter",
                "planCacheClear", "planCacheClearFilters", "setAuditConfig", "setAllowMigrations",
                "setProfilingFilterGlobally", "setCommittedSnapshot", "configureFailPoint", "allowDiskUseByDefault",
            ],
            "mongo.kill": [
                "killOp", "killSessions", "killAllSessions", "killAllSessionsByPattern", "dropConnections",
            ],
            "mongo.server": [
                "shutdown", "fsync", "fsyncLock", "fsyncUnlock", "applyOps", "resync", "compact", "reIndex",
                "rotateCertificates", "logRotate", "logApplicationMessage", "clone", "cloneCollection", "copydb",
                "copydbgetnonce", "addShard", "removeShard", "addShardToZone", "removeShardFromZone",
                "updateZoneKeyRange", "enableSharding", "shardCollection", "unshardCollection", "reshardCollection",
                "abortReshardCollection", "commitReshardCollection", "refineCollectionShardKey",
                "configureCollectionBalancing", "moveChunk", "moveRange", "movePrimary", "moveCollection", "split",
                "mergeChunks", "mergeAllChunksOnShard", "splitVector", "splitChunk", "cleanupOrphaned",
                "clearJumboFlag", "balancerStart", "balancerStop", "flushRouterConfig", "setShardVersion",
                "repairDatabase", "sleep", "godinsert", "transitionToDedicatedConfigServer",
                "transitionFromDedicatedConfigServer", "cleanupReshardCollection", "compactStructuredEncryptionData",
                "testDeprecation", "connPoolSync", "hostinfo", "touch",
            ],
        ]
        for (rule, names) in groups { for name in names { result[name] = rule } }
        return result
    }()

    /// Operators that run JavaScript.
    static let scripts: Set<String> = ["$where", "$function", "$accumulator"]
    /// Databases that belong to the server.
    static let system: Set<String> = ["admin", "config", "local"]
}
