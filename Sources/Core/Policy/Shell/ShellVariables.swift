// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// What a text assigns to its variables, in whatever order: a value that some line gives may be the one that counts.
enum ShellVariables {
    /// The most values kept for a variable.
    private static let maximumValues = 16

    private static let declarations: Set<String> = ["export", "local", "readonly", "declare", "typeset"]

    static func collect(_ list: ShellList, into variables: inout [String: [ShellArgument]]) {
        for pipeline in list.pipelines { for command in pipeline.commands { collect(command, into: &variables) } }
    }

    private static func collect(_ command: ShellCommand, into variables: inout [String: [ShellArgument]]) {
        switch command {
        case .simple(let simple):
            for assignment in simple.assignments {
                add(ShellExpander.value(assignment.value), to: assignment.name, &variables)
            }
            guard simple.words.count > 1, let name = simple.words[0].plain, declarations.contains(name) else { return }
            for word in simple.words.dropFirst() {
                let argument = ShellExpander.value(word)
                guard let equals = argument.pieces.firstIndex(of: .byte(UInt8(ascii: "="))) else { continue }
                let name = ShellArgument(pieces: Array(argument.pieces[..<equals]), position: nil).text
                add(argument.dropping(equals + 1), to: name, &variables)
            }
        case .compound(let compound):
            if let variable = compound.variable {
                // Without words it goes through the positional parameters.
                let values = compound.words.flatMap { ShellExpander.arguments($0) ?? [] }
                for value in values { add(value, to: variable, &variables) }
            }
            for list in compound.lists { collect(list, into: &variables) }
        case .function(_, let body): collect(body, into: &variables)
        }
    }

    private static func add(
        _ value: ShellArgument, to name: String, _ variables: inout [String: [ShellArgument]]
    ) {
        guard variables[name, default: []].count < maximumValues, value.pieces.count <= 4096 else { return }
        variables[name, default: []].append(value)
    }
}
