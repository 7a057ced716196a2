import CLinux
import CProtocol
import Glibc
import Kernel
import NFS
import RPC

extension Request {
    /// RFC 1813 section 3.3.11. Devices are made for callers that are root here, by mknod(2)'s own rule.
    func mkNod(_ arguments: UnsafeRawBufferPointer) -> Answer {
        guard let arguments = NFS.MkNod.Arguments.decode(arguments, MKNOD3args()) else { return .garbageArguments }
        return make(NFS.MkNod.self, arguments.target) { (name, directory) throws(NFSStatus) in
            var (type, device, attributes) = try node(arguments.what)
            attributes.size = nil
            let mode = type | mode_t((attributes.mode ?? 0o600) & 0o7777)
            try nfs { () throws(SystemError) in
                try FileCalls.at("mknodat", name) { mknodat(directory.path.raw, $0, mode, device) }
            }
            let wanted = attributes
            return try made(name, in: directory) { (object) throws(NFSStatus) in try object.set(wanted) }
        }
    }

    /// - Throws: NFS3ERR_BADTYPE for a type that other procedures make.
    private func node(_ what: NFS.MkNod.What) throws(NFSStatus) -> (mode_t, dev_t, SetAttributes) {
        switch what {
        case .characterDevice(let attributes, let major, let minor):
            return (S_IFCHR, dev_t(clinux_makedev(major, minor)), attributes)
        case .blockDevice(let attributes, let major, let minor):
            return (S_IFBLK, dev_t(clinux_makedev(major, minor)), attributes)
        case .socket(let attributes): return (S_IFSOCK, 0, attributes)
        case .fifo(let attributes): return (S_IFIFO, 0, attributes)
        case .other: throw .badType
        }
    }
}
