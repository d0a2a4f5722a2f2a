// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Core

struct OperatorCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "operator", abstract: "List and disable operators.",
        subcommands: [OperatorList.self, OperatorDisable.self])
}

struct OperatorList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "List operators.")

    @OptionGroup var data: DataDirectoryOption

    func run() async throws {
        do {
            let store = try await Store.open(directory: try await data.directory())
            for info in try await store.read({ try OperatorTable.all($0) }) {
                let state = info.disabledAt.map { "disabled \($0)" } ?? "enabled"
                let labels = info.scope.labels.isEmpty ? "" : "  \(KeyValue.text(info.scope.labels))"
                let environments = info.scope.environments?.joined(separator: ",") ?? "all"
                print("\(info.name)  \(info.role.rawValue)  \(environments)\(labels)  \(state)")
            }
            await store.driver.close()
        } catch { throw CommandFailure.report(error) }
    }
}

struct OperatorDisable: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "disable", abstract: "Shut an operator out: its tokens are revoked and its links end.")

    @Argument(help: "The operator's name.")
    var name: String

    @OptionGroup var data: DataDirectoryOption

    func run() async throws {
        do {
            let store = try await Store.open(directory: try await data.directory())
            let disabled = try await TokenVault(store: store).disable(
                operator: name, actor: "local \(LocalAccount.name)")
            await store.driver.close()
            guard disabled else {
                throw DeployError(
                    .notFound, "no enabled operator is called '\(name.prefix(128))'",
                    hint: "tiangong-cloud operator list")
            }
        } catch { throw CommandFailure.report(error) }
    }
}
