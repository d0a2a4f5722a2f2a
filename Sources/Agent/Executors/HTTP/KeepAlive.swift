// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Glibc
import NIOCore

/// Probes of a silent connection: a server whose host is gone answers nothing, for ever, so its kernel is asked now and then.
enum KeepAlive {
    /// Switches them on: after 30 s of silence, every 10 s, three times.
    @Sendable static func set(on channel: any Channel) -> EventLoopFuture<Void> {
        let options: [(NIOBSDSocket.OptionLevel, NIOBSDSocket.Option, SocketOptionValue)] = [
            (.socket, .so_keepalive, 1),
            (.tcp, .init(rawValue: TCP_KEEPIDLE), 30), (.tcp, .init(rawValue: TCP_KEEPINTVL), 10),
            (.tcp, .init(rawValue: TCP_KEEPCNT), 3),
        ]
        let settings = options.map { level, name, value in
            channel.setOption(ChannelOptions.Types.SocketOption(level: level, name: name), value: value)
        }
        return EventLoopFuture.andAllComplete(settings, on: channel.eventLoop)
    }
}
