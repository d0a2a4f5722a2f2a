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

    /// It has signed in, or is gone: it no longer counts among those who have not.
    func giveBackPlace() { place.giveBack() }
}
