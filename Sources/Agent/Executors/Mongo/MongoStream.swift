// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import CMongo
import Glibc

/// A connected socket as a stream of libmongoc. The library's own cannot be ended from another thread, so that a server that
/// hangs would hold a task for ever.
///
/// The functions below do what those of the library's socket stream do, down to what `errno` holds afterwards: TLS and the
/// scanner of its topology rely on it.
final class MongoStream {
    private let descriptor: Int32
    private let sockets: MongoSockets
    private var trouble: Int32 = 0

    private static let size = MemoryLayout<mongoc_stream_t>.size
    /// Which kind of stream it is; the library uses small numbers.
    private static let kind: Int32 = 100

    private init(_ descriptor: Int32, _ sockets: MongoSockets) {
        self.descriptor = descriptor
        self.sockets = sockets
    }

    /// A stream for a socket that `sockets` has adopted; closes it when it is destroyed.
    static func make(_ descriptor: Int32, _ sockets: MongoSockets) -> UnsafeMutablePointer<mongoc_stream_t> {
        let object = Unmanaged.passRetained(MongoStream(descriptor, sockets))
        let room = UnsafeMutableRawPointer.allocate(
            byteCount: size + MemoryLayout<UnsafeRawPointer>.size, alignment: 16)
        room.storeBytes(of: object.toOpaque(), toByteOffset: size, as: UnsafeMutableRawPointer.self)
        var stream = mongoc_stream_t()
        stream.type = kind
        stream.destroy = { MongoStream.destroy($0) }
        stream.failed = { MongoStream.destroy($0) }
        stream.close = { stream in
            let object = MongoStream.object(stream)
            object.sockets.close(object.descriptor)
            return 0
        }
        stream.flush = { _ in 0 }
        stream.writev = { stream, vector, count, timeout in
            MongoStream.object(stream).write(UnsafeMutableBufferPointer(start: vector, count: count), timeout)
        }
        stream.readv = { stream, vector, count, least, timeout in
            MongoStream.object(stream).read(UnsafeMutableBufferPointer(start: vector, count: count), least, timeout)
        }
        stream.setsockopt = { stream, level, name, value, length in
            Glibc.setsockopt(MongoStream.object(stream).descriptor, level, name, value, length)
        }
        stream.check_closed = { MongoStream.object($0).isClosed }
        stream.poll = { streams, count, timeout in
            MongoStream.poll(UnsafeMutableBufferPointer(start: streams, count: count), timeout)
        }
        stream.timed_out = { MongoStream.object($0).trouble == ETIMEDOUT }
        stream.should_retry = { [EAGAIN, EINTR, EINPROGRESS].contains(MongoStream.object($0).trouble) }
        return room.initializeMemory(as: mongoc_stream_t.self, repeating: stream, count: 1)
    }

    private static func reference(_ stream: UnsafeMutablePointer<mongoc_stream_t>) -> Unmanaged<MongoStream> {
        let pointer = UnsafeMutableRawPointer(stream).load(fromByteOffset: size, as: UnsafeMutableRawPointer.self)
        return Unmanaged.fromOpaque(pointer)
    }

    private static func object(_ stream: UnsafeMutablePointer<mongoc_stream_t>?) -> MongoStream {
        guard let stream else { preconditionFailure("libmongoc calls the functions of a stream with that stream") }
        return reference(stream).takeUnretainedValue()
    }

    private static func destroy(_ stream: UnsafeMutablePointer<mongoc_stream_t>?) {
        guard let stream else { return }
        let object = reference(stream).takeRetainedValue()
        object.sockets.close(object.descriptor)
        UnsafeMutableRawPointer(stream).deallocate()
    }

    // MARK: Bytes

    /// Reads at least so many bytes, and returns how many it read: fewer, or -1, when the time is over or at the end.
    private func read(_ parts: UnsafeMutableBufferPointer<iovec>, _ least: Int, _ timeout: Int32) -> Int {
        let deadline = MongoSockets.deadline(timeout)
        var total = 0
        var index = 0
        var offset = 0
        while index < parts.count {
            let part = parts[index]
            guard part.iov_len > offset else {
                index += 1
                offset = 0
                continue
            }
            let count = receive(part.iov_base?.advanced(by: offset), part.iov_len - offset, deadline, timeout)
            guard count > 0 else {
                let isEnough = total >= least
                errno = isEnough && trouble == ETIMEDOUT ? EAGAIN : trouble
                return isEnough ? total : -1
            }
            total += count
            offset += count
            if total >= least { break }
        }
        errno = 0
        return total
    }

    private func receive(
        _ room: UnsafeMutableRawPointer?, _ length: Int, _ deadline: ContinuousClock.Instant?, _ timeout: Int32
    ) -> Int {
        trouble = 0
        while true {
            let count = recv(descriptor, room, length, 0)
            if count >= 0 { return count }
            if errno == EINTR { continue }
            trouble = errno
            guard trouble == EAGAIN, isReady(POLLIN, deadline, timeout) else { return -1 }
        }
    }

    /// Writes everything, and returns how much it wrote.
    private func write(_ parts: UnsafeMutableBufferPointer<iovec>, _ timeout: Int32) -> Int {
        let deadline = MongoSockets.deadline(timeout)
        var rest = Array(parts)
        var total = 0
        trouble = 0
        while !rest.isEmpty {
            let count = rest.withUnsafeMutableBufferPointer { buffer in
                var message = msghdr()
                message.msg_iov = buffer.baseAddress
                message.msg_iovlen = min(buffer.count, 1000)
                return sendmsg(descriptor, &message, Int32(MSG_NOSIGNAL))
            }
            if count >= 0 {
                total += count
                Self.drop(count, from: &rest)
                continue
            }
            if errno == EINTR { continue }
            trouble = errno
            guard trouble == EAGAIN else {
                errno = trouble
                return -1
            }
            guard isReady(POLLOUT, deadline, timeout) else { break }
        }
        errno = trouble
        return total
    }

    private static func drop(_ count: Int, from parts: inout [iovec]) {
        var count = count
        while let first = parts.first, count >= first.iov_len {
            count -= first.iov_len
            parts.removeFirst()
        }
        if count > 0, !parts.isEmpty {
            parts[0].iov_base = parts[0].iov_base?.advanced(by: count)
            parts[0].iov_len -= count
        }
    }

    private func isReady(_ events: Int32, _ deadline: ContinuousClock.Instant?, _ timeout: Int32) -> Bool {
        if MongoSockets.wait(descriptor, for: events, until: deadline) {
            trouble = 0
            return true
        }
        trouble = timeout == 0 ? EAGAIN : ETIMEDOUT
        return false
    }

    private var isClosed: Bool {
        guard !sockets.isShut else { return true }
        guard MongoSockets.wait(descriptor, for: POLLIN, until: .now) else { return false }
        var byte: UInt8 = 0
        return recv(descriptor, &byte, 1, Int32(MSG_PEEK)) < 1
    }

    private static func poll(_ streams: UnsafeMutableBufferPointer<mongoc_stream_poll_t>, _ timeout: Int32) -> Int {
        var entries = streams.map { pollfd(fd: object($0.stream).descriptor, events: Int16($0.events), revents: 0) }
        let ready = Glibc.poll(&entries, nfds_t(entries.count), timeout)
        for (index, entry) in entries.enumerated() { streams[index].revents = Int32(entry.revents) }
        return Int(ready)
    }
}
