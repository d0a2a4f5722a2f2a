// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Synchronization

/// What is known of one connection from its first byte on: where it comes from, the certificate it has shown, and
/// whether it has signed in.
final class PeerConnection: Sendable {
    /// The address it comes from.
    let address: String
    private let place: ConnectionGate.Place

    /// That of the request being answered.
    @TaskLocal static var current: PeerConnection?

    private struct State {
        var certificate: ClientCertificate?
        var decision: Result<Identity, DeployError>?
        var isGone = false
        var whenGone: (@Sendable () -> Void)?
    }

    private let state = Mutex(State())

    init(address: String, place: ConnectionGate.Place) {
        self.address = address
        self.place = place
    }

    /// The client certificate that the handshake has verified.
    var certificate: ClientCertificate? { state.withLock { $0.certificate } }

    func show(_ certificate: ClientCertificate) { state.withLock { $0.certificate = certificate } }

    /// What was decided about its wish to become a WebSocket; nil when it had none.
    var decision: Result<Identity, DeployError>? { state.withLock { $0.decision } }

    func decide(_ decision: Result<Identity, DeployError>) { state.withLock { $0.decision = decision } }

    /// It sends nothing more: who reads a response that goes on has hung up.
    func hangUp() {
        let whenGone = state.withLock { state in
            state.isGone = true
            return state.whenGone.take()
        }
        whenGone?()
    }

    /// Calls `body` once the peer hangs up; nil for nothing any more.
    func whenGone(_ body: (@Sendable () -> Void)?) {
        let isGone = state.withLock { state in
            state.whenGone = state.isGone ? nil : body
            return state.isGone
        }
        if isGone { body?() }
    }

    /// It has signed in, or is gone: it no longer counts among those who have not.
    func giveBackPlace() { place.giveBack() }
}
