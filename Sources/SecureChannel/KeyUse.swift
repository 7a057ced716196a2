import Synchronization

/// What both halves of a channel know of its keys: how long they last, and whether they can be changed.
///
/// A key is changed by KeyUpdate (RFC 8446 section 4.6.3) where the peer is known to take it: it has sent one itself, or it
/// said so (``Channel/allowKeyUpdates()``). Whoever has its keys in a kernel before Linux 6.14 does not take it, and neither
/// does Linux's own NFS client: it drops the record, and cannot open the next one.
final class KeyUse: Sendable {
    let limits: KeyLimits
    /// Whether this end can change its keys now.
    let isAble: @Sendable () -> Bool
    private let peerIsAble = Atomic<Bool>(false)
    private let sendingIsWorn = Atomic<Bool>(false)
    private let receivingIsWorn = Atomic<Bool>(false)
    private let sendingChanges = Atomic<Int>(0)
    private let receivingChanges = Atomic<Int>(0)

    init(_ limits: KeyLimits, isAble: @escaping @Sendable () -> Bool) {
        self.limits = limits
        self.isAble = isAble
    }

    /// Whether a KeyUpdate may be sent.
    var mayUpdate: Bool { peerIsAble.load(ordering: .relaxed) && isAble() }

    /// A key has protected as much as it should, and cannot be changed.
    var isWorn: Bool {
        sendingIsWorn.load(ordering: .relaxed) || receivingIsWorn.load(ordering: .relaxed)
    }

    /// The same of the key that this end sends under.
    var isSendingWorn: Bool { sendingIsWorn.load(ordering: .relaxed) }

    /// How often each direction's key was changed.
    var changes: (sending: Int, receiving: Int) {
        (sendingChanges.load(ordering: .relaxed), receivingChanges.load(ordering: .relaxed))
    }

    /// The peer takes KeyUpdates. What was worn is looked at again.
    func allow() {
        peerIsAble.store(true, ordering: .relaxed)
        sendingIsWorn.store(false, ordering: .relaxed)
        receivingIsWorn.store(false, ordering: .relaxed)
    }

    func isWorn(_ direction: RekeyDirection) {
        switch direction {
        case .send: sendingIsWorn.store(true, ordering: .relaxed)
        case .receive: receivingIsWorn.store(true, ordering: .relaxed)
        }
    }

    func hasChanged(_ direction: RekeyDirection) {
        switch direction {
        case .send:
            sendingIsWorn.store(false, ordering: .relaxed)
            sendingChanges.wrappingAdd(1, ordering: .relaxed)
        case .receive:
            receivingIsWorn.store(false, ordering: .relaxed)
            receivingChanges.wrappingAdd(1, ordering: .relaxed)
        }
    }
}
