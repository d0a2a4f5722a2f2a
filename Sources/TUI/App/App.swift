// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import CTerminal
import Core

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// The loop that owns the terminal: waits for keys, signals and the mailbox, lets the model change, draws.
///
/// It runs on one thread of its own from the first call of curses to the last.
final class App {
    private let terminal: any Terminal
    private let mailbox: Mailbox
    private let orders: @Sendable (EffectOrder) -> Void
    private let signals: Int32
    private var model: AppModel
    private var clock: FrameClock
    private var shown: Canvas?
    private var dirty = true
    private var exitCode: Int32 = 0
    private var lastTick: Int64 = 0

    init(
        terminal: any Terminal, mailbox: Mailbox, signals: Int32, overNetwork: Bool,
        orders: @escaping @Sendable (EffectOrder) -> Void
    ) {
        self.terminal = terminal
        self.mailbox = mailbox
        self.signals = signals
        self.orders = orders
        clock = FrameClock(overNetwork: overNetwork)
        model = AppModel(now: .now())
        model.size = terminal.size
        model.utcOffset = Self.utcOffset()
    }

    /// Runs until the operator leaves or a signal ends it; returns the exit status.
    func run() -> Int32 {
        tick()
        draw()
        order([.loadContexts])
        while !model.ended {
            guard wait() else { return 129 }
            for event in terminal.events() { take(event) }
            takeSignals()
            for event in mailbox.drain() { change(event) }
            tick()
            if dirty, clock.wait(Self.monotonic()) == 0 { draw() }
        }
        return exitCode
    }

    /// Sleeps until something is to be done; false when the terminal is gone. Between two frames only keys wake it.
    private func wait() -> Bool {
        let now = Self.monotonic()
        let sinceTick = now - lastTick
        var timeout = max(0, model.tickInterval - sinceTick)
        var watched: nfds_t = 2
        if dirty {
            timeout = min(timeout, clock.wait(now))
            if clock.wait(now) > 0 { watched = 1 }
        }
        var files = [
            pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0),
            pollfd(fd: signals, events: Int16(POLLIN), revents: 0),
        ]
        guard poll(&files, watched, Int32(clamping: timeout)) > 0 else { return true }
        return files[0].revents & Int16(POLLHUP | POLLERR | POLLNVAL) == 0
    }

    private func take(_ event: TerminalEvent) {
        switch event {
        case .key(let key): change(.key(key))
        case .paste(let text): change(.paste(text))
        case .resized: change(.resize(terminal.size))
        case .hangup:
            exitCode = 129
            model.ended = true
        }
    }

    private func takeSignals() {
        var bytes = [UInt8](repeating: 0, count: 64)
        let count = ct_signals_drain(&bytes, Int32(bytes.count))
        var seen: Set<Int32> = []
        for byte in bytes.prefix(Int(count)) { seen.insert(Int32(byte)) }
        for (signal, code) in [(SIGINT, Int32(130)), (SIGTERM, 143), (SIGHUP, 129)] where seen.contains(signal) {
            exitCode = code
            model.ended = true
        }
        if seen.contains(SIGTSTP) { suspend() }
        if seen.contains(SIGCONT) { terminal.redraw() }
        if seen.contains(SIGWINCH) || seen.contains(SIGCONT) { change(.resize(terminal.size)) }
    }

    /// The one place where the model changes.
    private func change(_ event: AppEvent) {
        let effects = AppUpdate.update(&model, event)
        dirty = true
        order(effects)
    }

    private func order(_ effects: [Effect]) {
        for effect in effects {
            switch effect {
            case .suspend: suspend()
            case .redraw:
                terminal.redraw()
                shown = nil
            case .bell: break
            case .saveLog: orders(EffectOrder(effect: effect, pieces: model.log?.buffer.snapshot() ?? []))
            default: orders(EffectOrder(effect: effect))
            }
        }
    }

    private func suspend() {
        terminal.suspend()
        shown = nil
        model.utcOffset = Self.utcOffset()
        change(.resize(terminal.size))
    }

    private func tick() {
        let now = Self.monotonic()
        guard now - lastTick >= model.tickInterval || lastTick == 0 else { return }
        lastTick = now
        change(.tick(.now()))
    }

    private func draw() {
        dirty = false
        let canvas = Frame.draw(model)
        guard canvas != shown else { return }
        let began = Self.monotonic()
        terminal.present(canvas)
        shown = canvas
        clock.drew(began: began, now: Self.monotonic(), pending: ct_output_pending(STDOUT_FILENO) > 0)
    }

    static func monotonic() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
    }

    private static func utcOffset() -> Int64 {
        var now = time(nil)
        var parts = tm()
        return localtime_r(&now, &parts) == nil ? 0 : Int64(parts.tm_gmtoff)
    }
}
