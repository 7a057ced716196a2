import Glibc
import Kernel
import NFS
import SystemPackage

/// Fetches one file: into a temporary name beside the target, checked, and renamed into place.
struct FileFetch {
    let remote: Remote
    let options: CopyOptions
    let progress: Progress

    /// READs in a row that a server may answer with nothing before it is given up.
    private static let emptyReads = 3

    /// - Parameters:
    ///   - source: a regular file.
    ///   - directory: where the copy goes.
    ///   - name: its final name; what has it now is replaced in one step.
    /// - Returns: bytes of the file.
    func run(_ source: Remote.Object, into directory: LocalDirectory, as name: FileName) async throws -> UInt64 {
        if let there = try local(directory.name(name), { () throws(SystemError) in try directory.status(name) }),
            there.st_mode & S_IFMT != S_IFREG, there.st_mode & S_IFMT != S_IFLNK
        {
            // A device, say /dev/null, would be replaced by the rename.
            let isDirectory = there.st_mode & S_IFMT == S_IFDIR
            throw TransferError(
                .local, "\(directory.name(name)): is \(isDirectory ? "a directory" : "there, and not a regular file")")
        }
        let flight = progress.begin(source.path, bytes: source.attributes.size)
        var isDone = false
        defer { progress.end(flight, isDone: isDone) }
        let temporary = TemporaryName.make(for: name)
        let file = try local(directory.name(name)) { () throws(SystemError) in
            SharedDescriptor(try directory.open(temporary, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, mode: 0o600))
        }
        do {
            try await read(source, into: file, named: directory.name(name), flight)
            try await check(source)
            try finish(source, file, directory, name)
            try local(directory.name(name)) { () throws(SystemError) in try directory.rename(temporary, to: name) }
        } catch {
            directory.remove(temporary)
            throw error
        }
        isDone = true
        return source.attributes.size
    }

    /// Reads all of it, many READs in flight.
    private func read(
        _ source: Remote.Object, into file: SharedDescriptor, named localName: String, _ flight: FileInFlight
    ) async throws {
        let size = source.attributes.size
        if size == 0 { return }
        if size <= UInt64(remote.readSize) {
            await remote.session.window.acquire()
            defer { remote.session.window.release() }
            return try await readRange(source, 0..<size, into: file, named: localName, flight)
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            var offset: UInt64 = 0
            var flying = 0
            while offset < size {
                let range = offset..<min(size, offset + UInt64(remote.readSize))
                await remote.session.window.acquire()
                group.addTask {
                    defer { remote.session.window.release() }
                    try Task.checkCancellation()
                    try await readRange(source, range, into: file, named: localName, flight)
                }
                offset = range.upperBound
                flying += 1
                // A failure is seen while the file is being read, not after the last of a million ranges.
                if flying > remote.session.callsInFlight {
                    try await group.next()
                    flying -= 1
                }
            }
            try await group.waitForAll()
        }
    }

    /// Reads a range, as many READs as the server takes for it.
    private func readRange(
        _ source: Remote.Object, _ range: Range<UInt64>, into file: SharedDescriptor, named localName: String,
        _ flight: FileInFlight
    ) async throws {
        var offset = range.lowerBound
        var empty = 0
        while offset < range.upperBound {
            let header = try await remote.read(
                source, offset: offset, count: Int(clamping: range.upperBound - offset), into: file,
                named: localName)
            guard header.count > 0 else {
                guard !header.endOfFile else {
                    throw TransferError(.sourceChanged, "\(source.path): got shorter while it was read")
                }
                empty += 1
                guard empty < Self.emptyReads else {
                    throw TransferError(
                        .server,
                        "\(source.path): the server sends nothing at offset \(offset), nor that the file ends there")
                }
                continue
            }
            empty = 0
            offset += UInt64(header.count)
            flight.moved(Int(header.count))
        }
    }

    /// The source must be what it was when its size was read: anything else is a mix of two files.
    ///
    /// Asked for once all bytes are here, for one READ too: a server takes the attributes in a READ's reply before it
    /// sends the bytes, and on a slow path long before the last of them.
    private func check(_ source: Remote.Object) async throws {
        if source.attributes.size == 0 { return }
        let now = try await remote.attributes(source.handle, subject: source.path).attributes
        guard now.size == source.attributes.size, now.modificationTime == source.attributes.modificationTime else {
            throw TransferError(.sourceChanged, "\(source.path): changed while it was read")
        }
    }

    private func finish(
        _ source: Remote.Object, _ file: SharedDescriptor, _ directory: LocalDirectory, _ name: FileName
    ) throws(TransferError) {
        try local(directory.name(name)) { () throws(SystemError) in
            try systemCall("fchmod") { fchmod(file.raw, mode_t(options.mode(source.attributes.mode))) }
            if options.preserve { try LocalTimes.set(file.raw, source.attributes) }
            if options.synchronize { try systemCall("fsync") { fsync(file.raw) } }
        }
    }
}

/// Runs `body` and names `subject` in what it throws.
func local<R: ~Copyable>(_ subject: String, _ body: () throws(SystemError) -> R) throws(TransferError) -> R {
    do throws(SystemError) {
        return try body()
    } catch {
        throw TransferError(.local, "\(subject): \(error.errno)")
    }
}

/// futimens(2) with a server's times.
enum LocalTimes {
    static func set(_ file: Int32, _ attributes: FileAttributes) throws(SystemError) {
        let times = [attributes.accessTime, attributes.modificationTime].map {
            timespec(tv_sec: Int($0.seconds), tv_nsec: Int($0.nanoseconds))
        }
        try systemCall("futimens") { futimens(file, times) }
    }
}
