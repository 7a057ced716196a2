import NFS

/// How many bytes the calls of a mount carry: the wish, or what the server prefers, within what it takes and says
/// (FSINFO, RFC 1813 section 3.3.19), whatever it says.
struct TransferSizes: Equatable {
    /// Of one READ and one WRITE.
    let read: Int
    let write: Int
    /// Of one reply to READDIRPLUS or READDIR.
    let directory: Int

    /// For a server that says nothing usable.
    private static let usual = 64 << 10
    /// Less than this nobody means: a server answers what is too much for it with a short READ or WRITE.
    private static let least = 512
    /// Bytes of the largest READDIRPLUS.
    static let largestDirectory = 1 << 20

    /// Before FSINFO was answered.
    static let unknown = TransferSizes(read: usual, write: usual, directory: usual)

    private init(read: Int, write: Int, directory: Int) {
        (self.read, self.write, self.directory) = (read, write, directory)
    }

    init(_ info: NFS.FSInfo.Success, _ options: MountOptions) {
        read = Self.size(
            options.readSize, preferred: info.readPreferred, maximum: info.readMaximum, multiple: info.readMultiple)
        write = Self.size(
            options.writeSize, preferred: info.writePreferred, maximum: info.writeMaximum,
            multiple: info.writeMultiple)
        directory = max(Self.usual, min(Int(info.directoryPreferred), Self.largestDirectory))
    }

    private static func size(_ wish: Int?, preferred: UInt32, maximum: UInt32, multiple: UInt32) -> Int {
        let limit = MountOptions.sizes.upperBound
        let top = max(least, maximum == 0 ? limit : min(Int(maximum), limit))
        let wanted = wish ?? (Int(preferred) < least ? usual : Int(preferred))
        let size = min(wanted, top)
        // What is no multiple of rtmult or wtmult is allowed, and slow.
        let unit = Int(multiple)
        return unit > 1 && unit <= size ? size - size % unit : size
    }
}
