/// Which record layer a connection is to have: `--record-layer`.
package enum RecordLayerChoice: String, Sendable, CaseIterable {
    /// The kernel's where it can do the suite both ways, else the user's.
    case auto
    /// The kernel's or none at all.
    case kernel
    case user
}
