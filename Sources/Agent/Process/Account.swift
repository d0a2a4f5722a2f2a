// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Glibc

/// A user account of this host.
struct Account: Sendable, Equatable {
    /// Its name.
    var name: String
    /// Its user id.
    var userID: uid_t
    /// Its main group.
    var groupID: gid_t
    /// Its home directory.
    var home: String
    /// Its login shell.
    var shell: String

    /// The account this agent runs as; made up from its number when the host has no entry for it.
    static func current() -> Account {
        numbered(geteuid())
            ?? Account(name: "\(geteuid())", userID: geteuid(), groupID: getegid(), home: "/", shell: "/bin/sh")
    }

    /// The account of a number, if the host has an entry for it.
    static func numbered(_ id: uid_t) -> Account? { lookUp { getpwuid_r(id, $0, $1, $2, $3) } }

    /// The account of a name; throws `start_failed` when there is none.
    static func named(_ name: String) throws(DeployError) -> Account {
        guard let account = lookUp({ getpwnam_r(name, $0, $1, $2, $3) }) else {
            throw DeployError(.startFailed, "there is no user '\(name)' on this host")
        }
        return account
    }

    private typealias Query = (
        UnsafeMutablePointer<passwd>, UnsafeMutablePointer<CChar>, Int,
        UnsafeMutablePointer<UnsafeMutablePointer<passwd>?>
    ) -> Int32

    private static func lookUp(_ query: Query) -> Account? {
        AccountDatabase.find(passwd(), most: 1 << 20, query) { entry in
            func text(_ pointer: UnsafeMutablePointer<CChar>?) -> String { pointer.map { String(cString: $0) } ?? "" }
            return Account(
                name: text(entry.pw_name), userID: entry.pw_uid, groupID: entry.pw_gid, home: text(entry.pw_dir),
                shell: text(entry.pw_shell))
        }
    }

    /// All groups the account belongs to, as `initgroups` would set them.
    var groups: [gid_t] {
        var count: Int32 = 64
        while count <= 65_536 {
            var groups = [gid_t](repeating: 0, count: Int(count))
            let room = count
            if getgrouplist(name, groupID, &groups, &count) >= 0 { return Array(groups.prefix(Int(count))) }
            count = max(count, room * 2)
        }
        return [groupID]
    }
}
