import CProtocol
import Glibc
import Kernel
import Logging
import NFS
import RPC
import Synchronization

extension Request {
    /// RFC 1813 section 3.3.7, the data not yet there: it goes from the connection to the file.
    func beginWrite(_ arguments: UnsafeRawBufferPointer, payload count: Int) -> PayloadStart {
        guard let (arguments, _) = NFS.Write.decodeHead(arguments), Int(arguments.count) == count else {
            return .answered(.garbageArguments)
        }
        var change: Change?
        do throws(NFSStatus) {
            let found = try server.file(arguments.file)
            let begun = try Change(found)
            change = begun
            let writer = try writer(found, arguments, begun.attributesBefore)
            return .write(
                PayloadTarget(file: writer, offset: arguments.offset, writer: identity),
                finish: { failure in
                    if let failure {
                        return answer(NFS.Write.self, .failure(NFSStatus(failure.errno), begun.data()))
                    }
                    return written(found, writer, arguments, begun)
                })
        } catch {
            return .answered(answer(NFS.Write.self, .failure(error, change.data())))
        }
    }

    /// The same with the data in memory.
    func write(_ bytes: UnsafeRawBufferPointer) -> Answer {
        guard let (arguments, length) = NFS.Write.decodeHead(bytes),
            bytes.count == length + (Int(arguments.count) + 3) & ~3
        else { return .garbageArguments }
        switch beginWrite(UnsafeRawBufferPointer(rebasing: bytes[..<length]), payload: Int(arguments.count)) {
        case .answered(let answer): return answer
        case .write(let target, let finish):
            let payload = UnsafeRawBufferPointer(rebasing: bytes[length...].prefix(Int(arguments.count)))
            do throws(SystemError) {
                try ThreadCredentials.perform(as: identity, orThrow: { $0 }) { () throws(SystemError) in
                    try Files.write(target.file.raw, payload, at: target.offset)
                }
                return finish(nil)
            } catch {
                return finish(error)
            }
        }
    }

    /// Checks that the file can take the data, and opens it.
    private func writer(
        _ file: OpenFile, _ arguments: NFS.Write.Arguments, _ attributes: FileAttributes
    ) throws(NFSStatus) -> SharedDescriptor {
        try file.requireRegular()
        try requireWritable()
        let (end, overflow) = arguments.offset.addingReportingOverflow(UInt64(arguments.count))
        guard !overflow, end <= UInt64(Int64.max) else { throw .fileTooBig }
        try file.require(.write, as: identity, attributes)
        return try file.writer()
    }

    /// All the data is in the file: makes it as stable as was asked for.
    private func written(
        _ file: OpenFile, _ writer: SharedDescriptor, _ arguments: NFS.Write.Arguments, _ change: Change
    ) -> Answer {
        do throws(NFSStatus) {
            // Taken before the data is made stable: should that fail for data of others, they must learn of it.
            let verifier = server.writeVerifier.load(ordering: .acquiring)
            if arguments.stability != .unstable { try server.makeStable(writer, all: arguments.stability == .fileSync) }
            let data = change.data()
            if arguments.stability != .unstable { server.closeWritten(file) }
            return answer(
                NFS.Write.self,
                .success(
                    .init(
                        file: data, count: arguments.count, committed: arguments.stability,
                        verifier: verifier)))
        } catch {
            return answer(NFS.Write.self, .failure(error, change.data()))
        }
    }
}

extension FileServer {
    /// A file whose data is on disk is likely done with. As long as it is open for writing here, it cannot be run as a
    /// program on this machine (ETXTBSY).
    func closeWritten(_ file: OpenFile) {
        // Not while another call changes it: that one and those after it must know of each other.
        guard file.isOpenForWriting, file.changes.withLock({ $0.underWay == 0 }) else { return }
        cache.drop(file.identity)
    }

    /// fdatasync(2), or fsync(2) for all of the attributes. Where it fails, data of earlier UNSTABLE writes may be
    /// lost, and the kernel tells only once: the write verifier changes, so that every client writes it again.
    func makeStable(_ file: SharedDescriptor, all: Bool) throws(NFSStatus) {
        do throws(SystemError) {
            _ = try systemCall(all ? "fsync" : "fdatasync") { all ? fsync(file.raw) : fdatasync(file.raw) }
        } catch {
            writeVerifier.store(UInt64.random(in: .min ... .max), ordering: .releasing)
            log.error("data written by clients may be lost", metadata: ["reason": "\(error)"])
            throw NFSStatus(error.errno)
        }
    }
}
