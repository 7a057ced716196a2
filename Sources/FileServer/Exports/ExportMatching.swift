package import RPC

extension Export {
    /// What a client may do; nil where no rule is for it.
    package func options(for peer: Peer) -> ExportOptions? {
        rules.first { $0.client == .everybody }?.options
    }

    /// Whether MOUNT is answered without TLS to this client.
    func allowsCleartextMount(from peer: Peer) -> Bool { rules.contains { $0.options.cleartextMount } }
}
