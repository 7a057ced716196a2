import CProtocol

extension Mount {
    /// Client: the arguments of MNT and of UMNT.
    ///
    /// - Throws: ``XDREncodingError`` where the path has more than ``pathLimit`` bytes.
    package static func encode(path: FileName) throws(XDREncodingError) -> [UInt8] {
        let arena = XDRArena()
        defer { withExtendedLifetime(arena) {} }
        return try XDRCoder.encode(path.dirpath(arena), xdr_dirpath)
    }

    /// Server: the path out of the arguments of MNT and of UMNT; nil where they are malformed: GARBAGE_ARGS.
    package static func decodePath(_ arguments: UnsafeRawBufferPointer) -> FileName? {
        XDRCoder.decode(arguments, dirpath(), xdr_dirpath) { FileName(wire: $0) }
    }

    /// Client: what MNT answered.
    package static func decodeMnt(_ results: UnsafeRawBufferPointer, subject: String) throws(MountError) -> Mounted {
        let reply = XDRCoder.decode(results, mountres3(), xdr_mountres3) { wire -> Result<Mounted, MountError> in
            guard wire.fhs_status == MNT3_OK else {
                return .failure(MountError(Status(rawValue: wire.fhs_status.rawValue), .mnt, subject))
            }
            let info = wire.mountres3_u.mountinfo
            // fhandle3 has nfs_fh3's limit: the routine has checked it.
            guard let root = FileHandle(Array(length: info.fhandle.fhandle3_len, bytes: info.fhandle.fhandle3_val))
            else {
                return .failure(MountError(nil, .mnt, subject))
            }
            let flavors = UnsafeBufferPointer(
                start: info.auth_flavors.auth_flavors_val, count: Int(info.auth_flavors.auth_flavors_len))
            return .success(Mounted(root: root, flavors: flavors.map { UInt32(bitPattern: $0) }))
        }
        guard let reply else { throw MountError(nil, .mnt, subject) }
        return try reply.get()
    }

    /// Server: what MNT answers.
    package static func encodeMnt(_ reply: Result<Mounted, MountError>) throws(XDREncodingError) -> [UInt8] {
        let arena = XDRArena()
        defer { withExtendedLifetime(arena) {} }
        var wire = mountres3()
        switch reply {
        case .failure(let error):
            wire.fhs_status = mountstat3((error.status ?? .serverFault).rawValue)
            return try XDRCoder.encode(wire, xdr_mountres3)
        case .success(let mounted):
            wire.fhs_status = MNT3_OK
            wire.mountres3_u.mountinfo.fhandle = fhandle3(
                fhandle3_len: UInt32(clamping: mounted.root.bytes.count), fhandle3_val: arena.copy(mounted.root.bytes))
            var flavors = mounted.flavors.map { Int32(bitPattern: $0) }
            return try flavors.withUnsafeMutableBufferPointer { (buffer) throws(XDREncodingError) -> [UInt8] in
                wire.mountres3_u.mountinfo.auth_flavors.auth_flavors_len = UInt32(clamping: buffer.count)
                wire.mountres3_u.mountinfo.auth_flavors.auth_flavors_val = buffer.baseAddress
                return try XDRCoder.encode(wire, xdr_mountres3)
            }
        }
    }

    /// Client: what EXPORT answered.
    package static func decodeExports(_ results: UnsafeRawBufferPointer, subject: String) throws(MountError)
        -> [ExportEntry]
    {
        let malformed = MountError(nil, .export, subject)
        var reader = XDRReader(results)
        var list: [ExportEntry] = []
        while true {
            guard let follows = reader.bool() else { throw malformed }
            guard follows else { break }
            guard let path = reader.next(dirpath(), xdr_dirpath, { FileName(wire: $0) }) else { throw malformed }
            var entry = ExportEntry(path: path)
            while true {
                guard let follows = reader.bool() else { throw malformed }
                guard follows else { break }
                guard let group = reader.next(CProtocol.name(), xdr_name, { FileName(host: $0) }) else {
                    throw malformed
                }
                entry.groups.append(group)
            }
            list.append(entry)
        }
        guard reader.position == results.count else { throw malformed }
        return list
    }

    /// Server: what EXPORT answers.
    package static func encode(_ list: [ExportEntry]) throws(XDREncodingError) -> [UInt8] {
        let arena = XDRArena()
        defer { withExtendedLifetime(arena) {} }
        let length = list.reduce(4) { sum, entry in
            entry.groups.reduce(sum + 8 + 4 + entry.path.count + 3) { $0 + 8 + $1.count + 3 }
        }
        var writer = XDRWriter(capacity: length)
        var fits = true
        for entry in list {
            fits = fits && writer.append(true)
            fits = fits && writer.append(entry.path.dirpath(arena), xdr_dirpath)
            for group in entry.groups {
                fits = fits && writer.append(true)
                fits = fits && writer.append(group.host(arena), xdr_name)
            }
            fits = fits && writer.append(false)
        }
        fits = fits && writer.append(false)
        guard fits else { throw XDREncodingError() }
        return writer.bytes()
    }

    /// Client: what DUMP answered.
    package static func decodeDump(_ results: UnsafeRawBufferPointer, subject: String) throws(MountError)
        -> [MountEntry]
    {
        let malformed = MountError(nil, .dump, subject)
        var reader = XDRReader(results)
        var list: [MountEntry] = []
        while true {
            guard let follows = reader.bool() else { throw malformed }
            guard follows else { break }
            guard let host = reader.next(CProtocol.name(), xdr_name, { FileName(host: $0) }),
                let path = reader.next(dirpath(), xdr_dirpath, { FileName(wire: $0) })
            else { throw malformed }
            list.append(MountEntry(host: host, path: path))
        }
        guard reader.position == results.count else { throw malformed }
        return list
    }

    /// Server: what DUMP answers.
    package static func encode(_ list: [MountEntry]) throws(XDREncodingError) -> [UInt8] {
        let arena = XDRArena()
        defer { withExtendedLifetime(arena) {} }
        var writer = XDRWriter(capacity: list.reduce(4) { $0 + 12 + $1.host.count + 3 + $1.path.count + 3 })
        var fits = true
        for entry in list {
            fits = fits && writer.append(true)
            fits = fits && writer.append(entry.host.host(arena), xdr_name)
            fits = fits && writer.append(entry.path.dirpath(arena), xdr_dirpath)
        }
        fits = fits && writer.append(false)
        guard fits else { throw XDREncodingError() }
        return writer.bytes()
    }
}
