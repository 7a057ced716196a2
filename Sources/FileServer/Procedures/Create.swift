import CProtocol
import Glibc
import Kernel
import NFS
import RPC
import SystemPackage

extension Request {
    /// RFC 1813 section 3.3.8.
    func create(_ arguments: UnsafeRawBufferPointer) -> Answer {
        guard let arguments = NFS.Create.Arguments.decode(arguments, CREATE3args()) else { return .garbageArguments }
        return make(NFS.Create.self, arguments.target) { (name, directory) throws(NFSStatus) in
            let file = try createdOrExisting(name, in: directory, arguments.how)
            // The verifier has to outlive a crash of the machine too.
            if case .exclusive = arguments.how { try synchronize(file: file) }
            return file
        }
    }

    private func createdOrExisting(
        _ name: FileName, in directory: OpenFile, _ how: NFS.Create.How
    ) throws(NFSStatus) -> OpenFile {
        for _ in 0..<100 {
            if let new = try created(name, in: directory, how) { return new }
            do throws(NFSStatus) {
                return try existing(name, in: directory, how)
            } catch {
                // What was in the way is gone by now.
                guard error == .noEntry || error == .stale else { throw error }
            }
        }
        throw .jukebox
    }

    /// A new file; nil where there is one of that name.
    private func created(
        _ name: FileName, in directory: OpenFile, _ how: NFS.Create.How
    ) throws(NFSStatus) -> OpenFile? {
        var attributes =
            switch how {
            case .unchecked(let attributes), .guarded(let attributes): attributes
            case .exclusive(let verifier): SetAttributes(verifier: verifier)
            }
        let opened: Descriptor
        do throws(SystemError) {
            opened = try FileCalls.open(
                beneath: directory.path.raw, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW,
                mode: mode_t((attributes.mode ?? 0o600) & 0o7777))
        } catch {
            if error.errno == .fileExists { return nil }
            throw NFSStatus(error.errno)
        }
        do throws(NFSStatus) {
            let place = Place(directory: directory.identity, name: name)
            let file = try server.keep(opened, directory.export, at: place, created: true)
            // What is so already needs no call: the size always, the mode unless the umask took a bit.
            if attributes.size == 0 { attributes.size = nil }
            if let mode = attributes.mode, mode & 0o7777 == UInt32(try file.status().st_mode) & 0o7777 {
                attributes.mode = nil
            }
            try file.set(attributes)
            return file
        } catch {
            // The client is told that there is no file, so there is none.
            unlink(name, in: directory)
            throw error
        }
    }

    /// A file that is there already, where `how` takes one.
    private func existing(
        _ name: FileName, in directory: OpenFile, _ how: NFS.Create.How
    ) throws(NFSStatus) -> OpenFile {
        guard case let file = try server.child(name, of: directory), file.isRegular else { throw .exists }
        switch how {
        case .guarded: throw .exists
        case .unchecked(let attributes):
            // Only the size counts for a file that exists, and it takes the right to write.
            guard let size = attributes.size else { break }
            try file.require(.write, as: identity, file.attributes())
            try file.set(SetAttributes(size: size))
        case .exclusive(let verifier):
            // A call that was sent twice: the first one created it, and nobody has written since.
            let attributes = try file.attributes()
            let created = SetAttributes(verifier: verifier)
            guard attributes.size == 0, created.mode == attributes.mode,
                created.accessTime == .at(attributes.accessTime),
                created.modificationTime == .at(attributes.modificationTime)
            else { throw .exists }
        }
        return file
    }
}

extension SetAttributes {
    /// An EXCLUSIVE create's verifier, kept where it lasts as long as the file: in its times, whose seconds have 31
    /// bits on every file system, and the two bits that are left in its mode. The client sets the real ones next, as RFC
    /// 1813 section 3.3.8 has it.
    init(verifier: NFS.Verifier) {
        let high = UInt32(truncatingIfNeeded: verifier >> 32) & 0x7fff_ffff
        let low = UInt32(truncatingIfNeeded: verifier) & 0x7fff_ffff
        let left = (verifier >> 63 & 1, verifier >> 31 & 1)
        self.init(
            mode: 0o600 | (left.0 == 1 ? UInt32(S_ISVTX) : 0) | (left.1 == 1 ? UInt32(S_IXUSR) : 0),
            accessTime: .at(NFSTime(seconds: high, nanoseconds: 0)),
            modificationTime: .at(NFSTime(seconds: low, nanoseconds: 0)))
    }
}
