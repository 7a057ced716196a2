import CProtocol
import Glibc
import Kernel
import NFS
import RPC

extension Request {
    /// RFC 1813 section 3.3.2.
    func setAttr(_ arguments: UnsafeRawBufferPointer) -> Answer {
        guard let arguments = NFS.SetAttr.Arguments.decode(arguments, SETATTR3args()) else { return .garbageArguments }
        var change: Change?
        do throws(NFSStatus) {
            let found = try server.file(arguments.object)
            change = try Change(found)
            try requireWritable()
            if let time = arguments.guardTime, time != change?.changeTimeBefore { throw .notSynchronized }
            if arguments.attributes.size != nil, found.isRegular {
                try found.require(.write, as: identity, found.attributes())
            }
            try found.set(arguments.attributes)
            if found.isDirectory { try synchronize(found) }
            if found.isRegular { try synchronize(file: found) }
            return answer(NFS.SetAttr.self, .success(change.data()))
        } catch {
            return answer(NFS.SetAttr.self, .failure(error, change.data()))
        }
    }
}

extension OpenFile {
    /// Sets what is given. The size comes first, since it may not fit; the mode after the owner, since chown(2) takes
    /// set-ID bits away; the times last, since everything else changes them.
    func set(_ attributes: SetAttributes) throws(NFSStatus) {
        // A symbolic link has no mode, and what chmod(2) makes of that depends on the kernel.
        if type == S_IFLNK, attributes.mode != nil { throw .notSupported }
        if let size = attributes.size {
            try requireRegular()
            guard let size = off_t(exactly: size) else { throw .fileTooBig }
            let writer = try writer()
            try nfs { () throws(SystemError) in _ = try systemCall("ftruncate") { ftruncate(writer.raw, size) } }
        }
        try Self.set(attributes, of: path.raw)
    }

    /// All but the size, of an object that is open.
    ///
    /// - Parameter isPath: the descriptor is O_PATH, for which the calls need a way by /proc. That takes them as long
    ///   again as the rest of their work.
    static func set(_ attributes: SetAttributes, of descriptor: Int32, isPath: Bool = true) throws(NFSStatus) {
        let proc = isPath ? FileCalls.proc(descriptor) : ""
        if attributes.uid != nil || attributes.gid != nil {
            // chown(2) takes -1 for "leave it alone": it is no owner that could be stored, RFC 1813 section 3.3.2.
            guard attributes.uid != .max, attributes.gid != .max else { throw .invalid }
            let (uid, gid) = (attributes.uid ?? .max, attributes.gid ?? .max)
            try nfs { () throws(SystemError) in
                _ = try systemCall("chown") { isPath ? chown(proc, uid, gid) : fchown(descriptor, uid, gid) }
            }
        }
        if let mode = attributes.mode {
            let mode = mode_t(mode & 0o7777)
            try nfs { () throws(SystemError) in
                _ = try systemCall("chmod") { isPath ? chmod(proc, mode) : fchmod(descriptor, mode) }
            }
        }
        if attributes.accessTime != nil || attributes.modificationTime != nil {
            let times = try [timespec(attributes.accessTime), timespec(attributes.modificationTime)]
            try nfs { () throws(SystemError) in
                _ = try systemCall("utimensat") {
                    isPath ? utimensat(AT_FDCWD, proc, times, 0) : futimens(descriptor, times)
                }
            }
        }
    }
}

extension timespec {
    /// For utimensat(2).
    fileprivate init(_ time: SetAttributes.Time?) throws(NFSStatus) {
        switch time {
        case nil: self.init(tv_sec: 0, tv_nsec: (1 << 30) - 2)  // UTIME_OMIT
        case .now: self.init(tv_sec: 0, tv_nsec: (1 << 30) - 1)  // UTIME_NOW
        case .at(let time):
            guard time.nanoseconds < 1_000_000_000 else { throw .invalid }
            self.init(tv_sec: Int(time.seconds), tv_nsec: Int(time.nanoseconds))
        }
    }
}
