// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// D5: functions that start themselves beside themselves, directly or through each other.
struct ForkBombRule {
    private struct Call: Hashable {
        var name: String
        /// Whether the caller does not wait for it: it stands in a pipeline or in the background.
        var isBeside: Bool
    }

    private var calls: [String: Set<Call>] = [:]

    /// Notes a function's body.
    mutating func define(_ name: String, body: ShellCommand) {
        var found: Set<Call> = []
        collect(body, beside: false, into: &found)
        calls[name, default: []].formUnion(found)
    }

    /// The name of a function that multiplies, if there is one.
    var bomb: String? {
        for name in calls.keys.sorted() {
            var seen: Set<Call> = []
            var work = Array(calls[name] ?? [])
            while let call = work.popLast() {
                guard seen.insert(call).inserted else { continue }
                if call.name == name, call.isBeside { return name }
                for next in calls[call.name] ?? [] {
                    work.append(Call(name: next.name, isBeside: next.isBeside || call.isBeside))
                }
            }
        }
        return nil
    }

    private func collect(_ list: ShellList, beside: Bool, into found: inout Set<Call>) {
        for pipeline in list.pipelines {
            let isBeside = beside || pipeline.inBackground || pipeline.commands.count > 1
            for command in pipeline.commands { collect(command, beside: isBeside, into: &found) }
        }
    }

    private func collect(_ command: ShellCommand, beside: Bool, into found: inout Set<Call>) {
        switch command {
        case .simple(let simple):
            for word in simple.words {
                guard word.isStatic, let name = ShellExpander.arguments(word)?.first?.text else { continue }
                found.insert(Call(name: name, isBeside: beside))
                // Only wrappers may stand before the name.
                guard WrapperTable.wrappers[name] != nil || name.hasPrefix("-") else { break }
            }
        case .compound(let compound):
            for list in compound.lists { collect(list, beside: beside, into: &found) }
        case .function(_, let body): collect(body, beside: beside, into: &found)
        }
    }
}
