// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Glibc

/// Who owns what a task makes, and who may do what with it; nil for what is left as it is.
struct FileAttributes: Sendable, Equatable {
    /// Permissions, 0 to 0o7777.
    var mode: UInt32?
    /// The owner.
    var userID: uid_t?
    /// The group.
    var groupID: gid_t?

    /// Permissions of files and of directories for which nothing is said.
    static let standardFile: UInt32 = 0o640
    static let standardDirectory: UInt32 = 0o750

    /// Gives them to an open file or directory.
    ///
    /// What is not said is taken from what is replaced, where this agent may; permissions beyond the ordinary ones only with
    /// their owner. Throws `forbidden` where something that was asked for cannot be done.
    ///
    /// - Returns: Whether the owner and group are those that were wanted.
    @discardableResult
    func apply(
        to descriptor: Int32, _ path: String, replacing old: FileStatus?, standard: UInt32
    ) throws(DeployError) -> Bool {
        let present = try FileStatus(of: descriptor, path)
        let isKept = try own(descriptor, path, present, old)
        var wanted = mode ?? old?.mode ?? standard
        if mode == nil, !isKept { wanted &= 0o777 }
        // A change of owner takes some of them away.
        guard try FileStatus(of: descriptor, path).mode != wanted else { return isKept }
        guard fchmod(descriptor, mode_t(wanted)) == 0 else { throw HostFailure.make("set the permissions of", path) }
        return isKept
    }

    private func own(
        _ descriptor: Int32, _ path: String, _ present: FileStatus, _ old: FileStatus?
    ) throws(DeployError) -> Bool {
        let user = userID ?? old?.userID ?? present.userID
        let group = groupID ?? old?.groupID ?? present.groupID
        if user == present.userID, group == present.groupID { return true }
        if fchown(descriptor, user, group) == 0 { return true }
        let asked = (user: userID.map { $0 != present.userID } ?? false, group: groupID)
        guard errno == EPERM, !asked.user else {
            throw Self.refusal(path)
        }
        // Nobody asked for the owner: it would only have been kept.
        if let group = asked.group, group != present.groupID, fchown(descriptor, uid_t.max, group) != 0 {
            throw Self.refusal(path)
        }
        return false
    }

    private static func refusal(_ path: String) -> DeployError {
        var error = HostFailure.make("set the owner of", path)
        if geteuid() != 0 { error.hint = "only an agent that runs as root gives files to others" }
        return error
    }
}

/// Names of owners and groups, and their numbers.
enum Owners {
    /// The number of an account; throws `start_failed` when there is none.
    static func userID(_ text: String) throws(DeployError) -> uid_t {
        if let number = number(text) { return number }
        return try Account.named(text).userID
    }

    /// The number of a group; throws `start_failed` when there is none.
    static func groupID(_ text: String) throws(DeployError) -> gid_t {
        if let number = number(text) { return number }
        let found = query { entry, buffer, size, result in getgrnam_r(text, entry, buffer, size, result) }
        guard let found else { throw DeployError(.startFailed, "there is no group '\(text)' on this host") }
        return found.id
    }

    /// The name of an account, or its number.
    static func name(ofUser id: uid_t) -> String { Account.numbered(id)?.name ?? String(id) }

    /// The name of a group, or its number.
    static func name(ofGroup id: gid_t) -> String {
        query { entry, buffer, size, result in getgrgid_r(id, entry, buffer, size, result) }?.name ?? String(id)
    }

    /// Digits of a number that can be an owner's; the highest means "unchanged" to the system.
    private static func number(_ text: String) -> UInt32? {
        guard text.utf8.allSatisfy({ (48...57).contains($0) }), let number = UInt32(text), number < .max else {
            return nil
        }
        return number
    }

    private typealias Query = (
        UnsafeMutablePointer<group>, UnsafeMutablePointer<CChar>, Int,
        UnsafeMutablePointer<UnsafeMutablePointer<group>?>
    ) -> Int32

    /// A group with many members needs much room.
    private static func query(_ query: Query) -> (id: gid_t, name: String)? {
        AccountDatabase.find(group(), most: 4 << 20, query) { entry in
            entry.gr_name.map { (entry.gr_gid, String(cString: $0)) }
        }
    }
}
