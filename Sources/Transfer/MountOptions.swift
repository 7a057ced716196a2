import Glibc
import RPC
import SecureChannel

/// What stands behind `-o`, in the words of mount_nfs and nfs(5): comma-separated, the last of a kind counts.
package struct MountOptions: Sendable, Equatable {
    /// `xprtsec=`
    package enum Protection: String, Sendable, CaseIterable {
        /// The server shows a certificate, the client need not.
        case tls
        /// Both do.
        case mtls
        /// Nothing is protected.
        case cleartext = "none"
    }

    /// `mountport=`: where the MOUNT protocol is answered.
    package enum MountPort: Sendable, Equatable {
        case number(UInt16)
        /// Asked of the server's rpcbind, in cleartext.
        case rpcbind
    }

    /// `port=`: of the NFS service, 1...65535.
    package var port: UInt16 = 2049
    package var protection = Protection.mtls
    /// nil: the NFS service's own.
    package var mountPort: MountPort?
    /// `cleartext_mount`: the calls of MOUNT, and no others, may go without TLS where the server's MOUNT service has none.
    package var cleartextMount = false
    /// `resvport`, `noresvport`: whether to connect from a port below 1024, where this process may.
    package var reservedPort = true
    /// Where rpcbind is asked: port 111 (RFC 1833 section 3), but in tests.
    package var rpcbindPort: UInt16 = Portmapper.port
    /// `rsize=`, `wsize=`: bytes of one READ and WRITE; nil: what the server prefers.
    package var readSize: Int?
    package var writeSize: Int?
    /// `nconnect=`: connections at once, 1...16; otherwise one for each processor, four at most, since each one's records are
    /// opened by one thread.
    package var connections = max(1, min(4, sysconf(Int32(_SC_NPROCESSORS_ONLN))))
    /// `timeo=`: how long to wait for anything from the server, in tenths of a second as nfs(5) has it.
    package var timeout = 600
    /// `retrans=`: how often a lost connection is made anew for a call before its file fails.
    package var retries = 5
    /// `hard`: a server that was reached once is waited for as long as ``outage`` says; otherwise, `soft`, not longer than
    /// ``retries`` and ``timeout``.
    package var isHard = true
    /// `--timeout`: seconds that a server which was reached once may be away, counted from its loss; nil: for ever.
    package var outage: Double? = 600
    /// `ro`
    package var readOnly = false
    /// `xfer`, `noxfer`: whether the server's extra program is used where it has one.
    package var usesXfer = true
    /// `tlscertname=`: the name the server's certificate must carry instead of the host's.
    package var certificateName: String?
    /// `cafile=`, `cert=`, `key=`: PEM files, for the private tlscd.
    package var anchors: String?
    package var certificate: String?
    package var key: String?
    /// `tlscd=`: the socket of a running tlscd.
    package var daemon: String?
    /// `keyrecords=`: TLS records under one key; nil: ``KeyLimits/client``.
    package var keyRecords: UInt64?

    /// The options whose value is a path.
    package static let namesOfFiles: Set<String> = ["cafile", "cert", "key", "tlscd"]

    /// Bytes of one READ or WRITE, as nfs(5) has them.
    package static let sizes = 4096...(4 << 20)

    package init() {}

    /// Reads what stands behind one `-o`.
    ///
    /// - Throws: ``UsageError`` naming the option and what is wrong with it.
    package mutating func apply(_ text: String) throws(UsageError) {
        for item in text.split(separator: ",") {
            let parts = item.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let name = String(parts[0])
            let value = parts.count > 1 ? String(parts[1]) : nil
            try apply(name, value)
        }
    }

    private mutating func apply(_ name: String, _ value: String?) throws(UsageError) {
        switch name {
        case "ro": readOnly = true
        case "rw": readOnly = false
        case "vers", "nfsvers":
            guard value == "3" else { throw UsageError("option \(name)=\(value ?? ""): only NFS version 3 is spoken") }
        case "proto":
            guard value == "tcp" || value == "tcp6" else {
                throw UsageError("option proto=\(value ?? ""): TLS runs over tcp")
            }
        // What mount is told besides; there are no locks here, and no UDP.
        case "tcp", "nolock": try flag(name, value)
        case "port": port = UInt16(try number(name, value, 1...65535))
        case "xprtsec":
            guard let value, let protection = Protection(rawValue: value) else {
                throw UsageError("option xprtsec=\(value ?? ""): one of mtls, tls, none")
            }
            self.protection = protection
        case "mountport":
            // 0 is nfs(5)'s word for it.
            let asks = value == "rpcbind" || value == "0"
            mountPort = asks ? .rpcbind : .number(UInt16(try number(name, value, 1...65535)))
        case "cleartext_mount":
            try flag(name, value)
            cleartextMount = true
        case "resvport", "noresvport":
            try flag(name, value)
            reservedPort = name == "resvport"
        case "xfer", "noxfer":
            try flag(name, value)
            usesXfer = name == "xfer"
        case "hard", "soft":
            try flag(name, value)
            isHard = name == "hard"
        case "retrans": retries = try number(name, value, 0...1000)
        case "rsize": readSize = try number(name, value, Self.sizes)
        case "wsize": writeSize = try number(name, value, Self.sizes)
        case "nconnect": connections = try number(name, value, 1...16)
        case "timeo": timeout = try number(name, value, 1...36000)
        case "tlscertname": certificateName = try text(name, value)
        case "cafile": anchors = try text(name, value)
        case "cert": certificate = try text(name, value)
        case "key": key = try text(name, value)
        case "tlscd": daemon = try text(name, value)
        case "keyrecords": keyRecords = UInt64(try number(name, value, KeyLimits.settable))
        default: throw UsageError("option '\(name)' is not known")
        }
    }

    private func number(_ name: String, _ value: String?, _ range: ClosedRange<Int>) throws(UsageError) -> Int {
        guard let value, let number = Int(value), range.contains(number) else {
            throw UsageError(
                "option \(name)=\(value ?? ""): a number from \(range.lowerBound) to \(range.upperBound) is wanted")
        }
        return number
    }

    private func flag(_ name: String, _ value: String?) throws(UsageError) {
        guard value == nil else { throw UsageError("option \(name) takes no value") }
    }

    private func text(_ name: String, _ value: String?) throws(UsageError) -> String {
        guard let value, !value.isEmpty else { throw UsageError("option \(name)= wants a value") }
        return value
    }
}
