// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Core

/// `tiangong run`: the type of the tasks comes next; without one they are shell commands.
struct RunCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run", abstract: "Run a command on agents and follow its output.",
        usage: """
            tiangong run [-a <name>] [-l <key=value>] [--all] [<options>] -- <command> ...
            tiangong run <type> [-a <name>] [-l <key=value>] [--all] [<options>] -- <command> ...
            """,
        discussion: """
            Without a type one COMMAND argument is a text for /bin/sh -c, several are a program and its arguments. \
            ^C cancels the run and waits for it; a second ^C leaves.
            """,
        subcommands: [
            ShellRunCommand.self, TypedRunCommand<MySQLTasks>.self, TypedRunCommand<PostgresTasks>.self,
            TypedRunCommand<MongoTasks>.self, TypedRunCommand<ElasticsearchTasks>.self,
            TypedRunCommand<ClickHouseTasks>.self, TypedRunCommand<KubernetesTasks>.self,
            TypedRunCommand<FileTasks>.self, TypedRunCommand<APITasks>.self, PluginRunCommand.self,
        ], defaultSubcommand: ShellRunCommand.self)
}

enum MySQLTasks: TypedTasks { static let type = TaskType.mysql }
enum PostgresTasks: TypedTasks { static let type = TaskType.postgres }
enum MongoTasks: TypedTasks { static let type = TaskType.mongo }
enum ElasticsearchTasks: TypedTasks { static let type = TaskType.elasticsearch }
enum ClickHouseTasks: TypedTasks { static let type = TaskType.clickhouse }
enum KubernetesTasks: TypedTasks { static let type = TaskType.k8s }
enum FileTasks: TypedTasks { static let type = TaskType.file }
enum APITasks: TypedTasks { static let type = TaskType.api }
