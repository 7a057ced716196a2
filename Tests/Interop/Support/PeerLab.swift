import Glibc
import Testing

/// The lab with Linux's own NFS client and tlshd: Tests/Lab/peer-lab.
enum PeerLab {
    static let isHere = getenv("TLSD_LAB").map { String(cString: $0) } == "peer"
}

extension Trait where Self == ConditionTrait {
    /// For what mounts. `run-tests` takes this reason for a skip everywhere but in the peer lab itself.
    static var inPeerLab: Self { .enabled(if: PeerLab.isHere, "runs in the peer lab alone: Tests/Lab/peer-lab") }
}

/// How xferd protects the mount: RFC 9289 with or without a certificate of the client's, as mount_nfs(8) has it.
enum Protection: String, Sendable, CustomTestStringConvertible {
    case mtls, tls, none
    var testDescription: String { "xprtsec=\(rawValue)" }
}

/// Who makes xferd's TLS records.
enum RecordLayer: String, Sendable, CaseIterable, CustomTestStringConvertible {
    case kernel, user
    var testDescription: String { "record layer \(rawValue)" }
}
