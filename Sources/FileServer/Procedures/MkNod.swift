import CProtocol
import NFS
import RPC

extension NFSProgram {
    /// RFC 1813 section 3.3.11: devices, sockets and FIFOs are nothing that one transfers.
    func mkNod(_ arguments: UnsafeRawBufferPointer) -> Answer {
        guard NFS.MkNod.Arguments.decode(arguments, MKNOD3args()) != nil else { return .garbageArguments }
        return answer(NFS.MkNod.self, .failure(.notSupported, WeakCacheData()))
    }
}
