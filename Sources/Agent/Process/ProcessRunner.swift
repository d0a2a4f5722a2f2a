// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import CKernel
import Core
import Glibc
import NIOCore
import Subprocess
import SystemPackage

/// Runs one program from start to the last byte of its output, and leaves no process of its session behind.
struct ProcessRunner: Sendable {
    /// How a program ended.
    struct End: Sendable, Equatable {
        /// Its exit status, if it exited.
        var exitCode: Int32?
        /// The signal that ended it, if one did.
        var signal: Int32?
    }

    /// What to run.
    let command: ProcessCommand
    /// For which task.
    let reference: TaskReference
    /// Where its output goes.
    let log: any OutputSink
    /// Who talks with it instead of its standard input and output being given and logged; nil for nobody.
    var dialogue: ProcessDialogue?

    /// How long an output stays open for somebody else once the program's session is empty.
    private static let outputPatience: Duration = .seconds(1)

    /// Runs the program; being canceled ends its processes in good order and then returns how it ended.
    ///
    /// - Parameters:
    ///   - grace: From TERM to KILL when it is stopped.
    ///   - onStart: Called with the process id once it runs.
    /// - Throws: `start_failed` naming what is missing, or `unavailable` when this host is out of descriptors.
    func run(
        grace: @escaping @Sendable () -> Duration, onStart: @escaping @Sendable (pid_t) async -> Void
    ) async throws(DeployError) -> End {
        let stop = OneShot<Bool>()
        // Not canceled with us, so that it can wait while it stops the processes in order; it is always awaited.
        let work = Task { await run(until: stop, grace: grace, onStart: onStart) }
        let result = await withTaskCancellationHandler {
            await work.value
        } onCancel: {
            stop.fulfil(true)
        }
        return try result.get()
    }

    private enum Step: Sendable {
        case ended(Result<End, DeployError>)
        case stopped(Bool)
    }

    /// The same for who decides about stopping: `stop` set to true ends the processes. It is set when this returns.
    func run(
        until stop: OneShot<Bool>, grace: @escaping @Sendable () -> Duration,
        onStart: @escaping @Sendable (pid_t) async -> Void
    ) async -> Result<End, DeployError> {
        let outputs: Outputs
        do throws(DeployError) {
            outputs = try await Outputs(log: log, dialogue: dialogue)
        } catch {
            dialogue?.closeChildEnds()
            stop.fulfil(false)
            return .failure(error)
        }
        let started = OneShot<pid_t?>()
        var result: Result<End, DeployError> = .failure(DeployError(.internal))
        var wasStopped = false
        await withTaskGroup(of: Step.self) { group in
            group.addTask { .ended(await spawn(outputs, started: started, onStart: onStart)) }
            group.addTask {
                guard let pid = await started.value, await stop.value else { return .stopped(false) }
                await ProcessSession(id: pid, reference: reference).end(escaped: true, grace: grace)
                return .stopped(true)
            }
            for await step in group {
                switch step {
                case .ended(let end):
                    result = end
                    stop.fulfil(false)
                case .stopped(let really): wasStopped = really
                }
            }
        }
        if case .success = result, let pid = await started.value, !wasStopped {
            await endLeftovers(ProcessSession(id: pid, reference: reference), grace: grace)
        }
        await outputs.finish(within: Self.outputPatience, log: log)
        return result
    }

    /// Starts the program and waits for it.
    private func spawn(
        _ outputs: Outputs, started: OneShot<pid_t?>, onStart: @escaping @Sendable (pid_t) async -> Void
    ) async -> Result<End, DeployError> {
        defer { started.fulfil(nil) }
        let input: Int32
        do throws(DeployError) {
            if let dialogue { input = dialogue.childInput } else { input = try InputFile.open(command.standardInput) }
        } catch {
            outputs.closeWriteEnds()
            return .failure(error)
        }
        do {
            let result = try await Subprocess.run(
                command.configuration,
                input: .fileDescriptor(FileDescriptor(rawValue: input), closeAfterSpawningProcess: true),
                output: .fileDescriptor(
                    FileDescriptor(rawValue: outputs.standardOutput), closeAfterSpawningProcess: true),
                error: .fileDescriptor(
                    FileDescriptor(rawValue: outputs.standardError), closeAfterSpawningProcess: true)
            ) { execution in
                let pid = execution.processIdentifier.value
                started.fulfil(pid)
                await onStart(pid)
            }
            switch result.terminationStatus {
            case .exited(let code): return .success(End(exitCode: code))
            case .signaled(let signal): return .success(End(signal: signal))
            }
        } catch {
            return .failure(command.startFailure(error))
        }
    }

    /// After the program's own end: nothing it started in its session goes on.
    private func endLeftovers(_ session: ProcessSession, grace: @Sendable () -> Duration) async {
        let count = await session.end(escaped: false, grace: grace)
        guard count > 0 else { return }
        log.note("tiangong: the command ended and left \(count) \(count == 1 ? "process" : "processes") running; ended")
    }
}

/// The outputs of a program, being read.
private struct Outputs: Sendable {
    /// The program's end of its standard output.
    let standardOutput: Int32
    /// The program's end of its standard error.
    let standardError: Int32
    private let readers: [(reader: OutputReader, channel: any Channel)]

    /// Who talks with the program reads its standard output.
    init(log: any OutputSink, dialogue: ProcessDialogue?) async throws(DeployError) {
        var writeEnds: [Int32] = []
        var readers: [(reader: OutputReader, channel: any Channel)] = []
        do throws(DeployError) {
            for stream in dialogue == nil ? [LogStream.stdout, .stderr] : [.stderr] {
                let pipe = try OutputPipe()
                writeEnds.append(pipe.writeEnd)
                readers.append(try await OutputReader.attach(pipe.readEnd, stream: stream, to: log))
            }
        } catch {
            for (_, channel) in readers { channel.close(promise: nil) }
            for end in writeEnds { close(end) }
            throw error
        }
        standardOutput = dialogue?.childOutput ?? writeEnds[0]
        standardError = writeEnds[writeEnds.count - 1]
        self.readers = readers
    }

    func closeWriteEnds() {
        close(standardOutput)
        close(standardError)
    }

    /// Whether a slow disk or a busy host keeps us from what the program wrote.
    private var isBehind: Bool {
        get async {
            for (reader, channel) in readers where await reader.isBehind(channel) { return true }
            return false
        }
    }

    /// Waits until both outputs are read to their end; one that somebody else still holds is closed after `patience`.
    func finish(within patience: Duration, log: any OutputSink) async {
        for (reader, channel) in readers { reader.drain(channel) }
        let held = OneShot<Void>()
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                for (_, channel) in readers { try? await channel.closeFuture.get() }
            }
            group.addTask {
                repeat {
                    guard (try? await Task.sleep(for: patience)) != nil else { return }
                } while await isBehind
                held.fulfil(())
                for (_, channel) in readers { channel.close(promise: nil) }
            }
            await group.next()
            group.cancelAll()
        }
        if held.current != nil {
            log.note(
                "tiangong: a process outside the command's session holds its output open; what it writes is not read")
        }
    }
}

/// Standard input as a file in memory: a program that does not read it costs nothing, nobody waits, and nothing of it is
/// ever on a disk.
private enum InputFile {
    /// A descriptor to read the bytes from; throws what the system says.
    static func open(_ input: ProcessCommand.Input?) throws(DeployError) -> Int32 {
        guard let bytes = input?.bytes, !bytes.isEmpty else {
            let null = Glibc.open("/dev/null", O_RDONLY | O_CLOEXEC)
            if null < 0 { throw StateFile.failure("open", "/dev/null") }
            return null
        }
        let file = ck_memory_file("stdin")
        if file < 0 { throw StateFile.failure("make", "a file in memory") }
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes { write(file, $0.baseAddress?.advanced(by: done), bytes.count - done) }
            if count < 0, errno != EINTR {
                let error = StateFile.failure("write", "a file in memory")
                close(file)
                throw error
            }
            done += max(0, count)
        }
        lseek(file, 0, SEEK_SET)
        return file
    }
}
