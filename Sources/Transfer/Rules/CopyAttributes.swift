import Glibc
import NFS

extension CopyRules {
    /// The mode a copy gets. The set-ID bits only with the owner: a copy belongs to who makes it, and somebody's program
    /// that runs as its owner would be one that runs as root when root fetches it. cp(1) clears them too where it cannot
    /// keep the owner.
    func mode(_ source: UInt32) -> UInt32 {
        if preserve && owner { return source & 0o7777 }
        return preserve ? source & 0o1777 : source & 0o777 & ~Self.processMask
    }

    /// What a file's copy gets.
    func attributes(_ source: FileAttributes) -> SetAttributes {
        SetAttributes(
            mode: mode(source.mode), uid: owner ? source.uid : nil, gid: owner ? source.gid : nil,
            accessTime: preserve ? .at(source.accessTime) : nil,
            modificationTime: preserve ? .at(source.modificationTime) : nil)
    }

    /// - Parameter before: what a directory that was there had: its mode stays unless it is to be the source's.
    func directoryAttributes(_ source: FileAttributes, _ before: FileAttributes?) -> SetAttributes {
        var attributes = attributes(source)
        if before != nil, !preserve { attributes.mode = nil }
        // Its own set-group-ID bit, which is not the source's to take: chmod(2) would.
        if let before, !owner, let mode = attributes.mode { attributes.mode = mode | before.mode & 0o2000 }
        return attributes
    }

    func linkAttributes(_ source: FileAttributes) -> SetAttributes {
        var attributes = attributes(source)
        attributes.mode = nil
        return attributes
    }

    /// umask(2) can be read only by setting it, so it is read once, before there are threads that make files.
    static let processMask: UInt32 = {
        let mask = umask(0o022)
        umask(mask)
        return UInt32(mask)
    }()
}
