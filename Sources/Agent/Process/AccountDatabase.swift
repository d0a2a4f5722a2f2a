// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Entries of the system's lists of accounts and groups.
enum AccountDatabase {
    /// Asks one of the functions whose names end in `_r`, with more room as long as it says that there is too little.
    ///
    /// - Parameters:
    ///   - entry: Where the function puts it.
    ///   - most: The most room in bytes; an entry that needs more is not found.
    ///   - query: The function; it gets the entry, the room and its size, and where to say what it found.
    ///   - read: Takes what is wanted out of the entry while the room is there.
    static func find<Entry, Value>(
        _ entry: Entry, most: Int,
        _ query: (
            UnsafeMutablePointer<Entry>, UnsafeMutablePointer<CChar>, Int,
            UnsafeMutablePointer<UnsafeMutablePointer<Entry>?>
        ) -> Int32, _ read: (Entry) -> Value?
    ) -> Value? {
        var entry = entry
        var found: UnsafeMutablePointer<Entry>?
        var size = 4096
        while size <= most {
            let room = UnsafeMutablePointer<CChar>.allocate(capacity: size)
            defer { room.deallocate() }
            let code = query(&entry, room, size, &found)
            if code == ERANGE {
                size *= 4
                continue
            }
            return code == 0 && found != nil ? read(entry) : nil
        }
        return nil
    }
}
