// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Core
import Glibc

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// Judges names and paths of files, one JSON object a line, as file tasks do. Nothing is read or written.
struct CheckPathCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check-path", abstract: "Judge names and paths of files.", shouldDisplay: false)

    @Flag(help: ArgumentHelp("Read questions from standard input, one JSON object a line.", visibility: .hidden))
    var jsonl = false

    func run() throws {
        guard jsonl else { throw ValidationError("--jsonl is the only way to ask") }
        while let line = readLine() {
            print(PathQuestion.answer(to: line))
            fflush(nil)
        }
    }
}

/// One line of input.
struct PathQuestion: Decodable {
    private var id: String?
    private var kind: String
    private var name: String?
    private var nameBytes: String?
    private var path: String?
    private var pathBytes: String?
    private var roots: [String]?
    private var op: String?
    private var member: String?
    private var memberBytes: String?
    private var type: String?
    private var dest: String?
    private var value: String?

    private enum CodingKeys: String, CodingKey {
        case id, kind, name, path, roots, op, member, type, dest
        case nameBytes = "name_b64"
        case pathBytes = "path_b64"
        case memberBytes = "member_b64"
        case value = "id_value"
    }

    private struct Answer: Encodable {
        var id: String?
        var verdict: String
        var canonical: String?
        var reason: String?
    }

    /// The line of output. What cannot be read is refused.
    static func answer(to line: String) -> String {
        var answer = Answer(verdict: "reject")
        do {
            let question = try JSONDecoder().decode(PathQuestion.self, from: Data(line.utf8))
            answer.id = question.id
            answer.canonical = try question.judge()
            answer.verdict = "accept"
        } catch let error as DeployError {
            answer.reason = error.message
        } catch {
            answer.reason = "not a question: the text is not valid"
        }
        return (try? JSONEncoder().encode(answer)).map { String(decoding: $0, as: UTF8.self) }
            ?? #"{"verdict":"reject"}"#
    }

    /// What would be used; throws the reason of a refusal.
    private func judge() throws(DeployError) -> String {
        switch kind {
        case "upload_name":
            let name = try text(name, nameBytes)
            try FileNames.checkUpload(name)
            return name
        case "file_id":
            let id = try text(value, nil)
            try FileNames.checkFileID(id)
            return id
        case "target_path":
            guard let access = PathPolicy.Access(rawValue: op ?? "write") else {
                throw DeployError(.invalidArgument, "op is neither read nor write")
            }
            return try PathPolicy(roots: roots ?? []).locate(text(path, pathBytes), for: access).path
        case "archive_member":
            guard type == "file" || type == "dir" || type == "directory" else {
                throw DeployError(.forbidden, "only files and directories are taken from an archive")
            }
            let member = try text(member, memberBytes)
            try PathPolicy(roots: roots ?? []).checkMember(member, isDirectory: type != "file", in: text(dest, nil))
            return member
        default: throw DeployError(.invalidArgument, "kind '\(kind)' is not known")
        }
    }

    private func text(_ plain: String?, _ base64: String?) throws(DeployError) -> String {
        if let plain { return plain }
        guard let bytes = base64.flatMap({ Base64.decode($0) }), let text = String(validating: bytes, as: UTF8.self)
        else { throw DeployError(.invalidArgument, "not valid UTF-8") }
        return text
    }
}
