import CProtocol
import Checksums
import NFS
import RPC

extension Request {
    /// CAPABILITIES of xfer.x.
    ///
    /// - Parameter peer: of the connection that it is asked on.
    func capabilities(_ peer: Peer, _ arguments: UnsafeRawBufferPointer) -> Answer {
        guard let handle = FileHandle.decode(arguments, nfs_fh3()) else { return .garbageArguments }
        do throws(NFSStatus) {
            _ = try server.file(handle)
            return answer(
                Xfer.Capabilities.self,
                .success(
                    .init(
                        algorithms: ChecksumAlgorithm.allCases.reduce(0) { $0 | 1 << ($1.rawValue - 1) },
                        isWritable: !caller.options.readOnly, takesKeyUpdates: peer.takesKeyUpdates(),
                        putMaximum: FileServer.putMaximum,
                        digestMaximum: FileServer.digestMaximum, rangeMaximum: FileServer.rangeMaximum,
                        segmentMaximum: UInt32(Xfer.segmentLimit), hasWholeReads: true,
                        hasManyFiles: true)))
        } catch {
            return answer(Xfer.Capabilities.self, .failure(error, Nothing()))
        }
    }
}

extension FileServer {
    /// Bytes of data in a PUT.
    static let putMaximum: UInt32 = 1 << 20
    /// Digests in one reply, whatever the algorithm.
    static let digestMaximum: UInt32 = 4096
    /// Bytes of file that one CHECKSUM reads, and a block has.
    static let rangeMaximum: UInt64 = 256 << 20
    /// Seconds after which CHECKSUM begins no further block: it has a thread, of which there are few.
    static let checksumPatience = 0.25
}
