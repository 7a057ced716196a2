import Glibc
import Kernel
package import SecureChannel

/// The record layers that are there to be tested.
package enum TestedLayers {
    /// The user's always; the kernel's where this kernel can.
    package static let all: [Channel.Layer] = isKernelThere ? [.user, .kernel] : [.user]
    /// Each for one end of a connection.
    package static let pairs: [LayerPair] = all.flatMap { sender in all.map { LayerPair(client: sender, server: $0) } }
    package static let isKernelThere = KernelTLS.obstacle(to: .aes128GCM) == nil

    /// What TLSD_LAB says: `ktls` or `rekey` where the kernel must be able to do TLS.
    package static let lab = getenv("TLSD_LAB").map { String(cString: $0) }
    package static let isKernelExpected = lab == "ktls" || lab == "rekey"
    /// Whether this kernel can change a key in use: asked of it.
    package static let canKernelRekey = KernelTLS.canRekey
}

/// Which layer each end of a connection has.
package struct LayerPair: Sendable, CustomStringConvertible {
    package let client: Channel.Layer
    package let server: Channel.Layer
    package var description: String { "\(client)-\(server)" }
}
