// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// What the deny rules say about file tasks, and how the lists see them. Where files may be at all is the agent's own
/// setting, and beyond any policy.
enum FileRules {
    /// The canonical lines: `file ACT PATH`, one for each file that is brought; `file delete -r PATH` for directories.
    static func lines(_ file: FileParameters) -> [String] {
        switch file.act {
        case .put: file.targets.map { "file put \($0)" }
        case .delete where file.recursive: ["file delete -r \(file.path)"]
        default: ["file \(file.act.rawValue) \(file.path)"]
        }
    }

    /// What a deny rule refuses.
    static func finding(_ file: FileParameters) -> (rule: String, message: String)? {
        switch file.act {
        case .put:
            for target in file.targets {
                if let refusal = ProtectedPaths.refusalToWrite(ShellArgument(target), in: nil) {
                    return (refusal.rule, "it \(refusal.what)")
                }
            }
        case .delete:
            if ProtectedPaths.reach(ShellArgument(file.path), in: nil) != .other {
                return ("D1", "it removes \(file.path), which is or may be a directory the system needs")
            }
            if let refusal = ProtectedPaths.refusalToWrite(ShellArgument(file.path), in: nil) {
                return (refusal.rule, "it \(refusal.what)")
            }
        case .fetch, .mkdir, .stat, .list: break
        }
        return nil
    }
}
