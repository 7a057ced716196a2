import CLinux
import CProtocol
import Glibc
import Kernel
import NFS
import RPC
import Synchronization
import SystemPackage

extension Request {
    /// PUBLISH of xfer.x.
    func publish(_ arguments: UnsafeRawBufferPointer) -> Answer {
        guard let arguments = Xfer.Publish.Arguments.decode(arguments, PUBLISHargs()) else { return .garbageArguments }
        var change: Change?
        do throws(NFSStatus) {
            let directory = try server.directory(arguments.directory)
            change = try Change(directory)
            let file = try server.file(arguments.file)
            guard file.export === directory.export else { throw .crossDevice }
            try requireWritable()
            try publish(file, in: directory, arguments)
            return answer(
                Xfer.Publish.self,
                .success(
                    .init(
                        attributes: try? file.attributes(), directory: change.data(),
                        verifier: server.writeVerifier.load(ordering: .acquiring))))
        } catch {
            return answer(
                Xfer.Publish.self,
                .failure(
                    error,
                    .init(directory: change.data(), verifier: server.writeVerifier.load(ordering: .acquiring))))
        }
    }

    private func publish(
        _ file: OpenFile, in directory: OpenFile, _ arguments: Xfer.Publish.Arguments
    ) throws(NFSStatus) {
        let temporary = try arguments.temporary.checked(dots: .invalid)
        let name = try arguments.name.checked(dots: .invalid)
        guard temporary != name, arguments.attributes.size == nil else { throw .invalid }
        try file.requireRegular()
        let isTemporary = try identity(of: temporary, in: directory) == file.identity
        guard isTemporary else { return try requirePublished(file, as: name, in: directory) }
        try require(arguments.expected)
        try file.set(arguments.attributes)
        if arguments.synchronize {
            try server.makeStable(try file.anyOpened(), all: true)
            // Another file's data may have been lost meanwhile, and nobody knows whose.
            try require(arguments.expected)
        }
        let isMoved = try server.temporaryNames.withLock { _ throws(NFSStatus) in
            // Making it stable may have taken long, and what has the temporary name by now may be another's.
            let isTemporary = try identity(of: temporary, in: directory) == file.identity
            guard isTemporary else { return false }
            switch arguments.existing {
            case .replace: try move(temporary, in: directory, to: name, in: directory)
            case .keep: try moveKeeping(temporary, to: name, in: directory, file)
            }
            return true
        }
        guard isMoved else { return try requirePublished(file, as: name, in: directory) }
        server.closeWritten(file)
        if arguments.synchronize { try synchronize(directory) }
    }

    /// The temporary name is gone: the call was sent twice, and this is the second time, or there is nothing to publish.
    private func requirePublished(
        _ file: OpenFile, as name: FileName, in directory: OpenFile
    ) throws(NFSStatus) {
        guard try identity(of: name, in: directory) == file.identity else { throw .noEntry }
        try synchronize(directory)
    }

    private func require(_ expected: NFS.Verifier?) throws(NFSStatus) {
        if let expected, expected != server.writeVerifier.load(ordering: .acquiring) { throw .verifierChanged }
    }

    /// Nil where there is none of that name.
    private func identity(of name: FileName, in directory: OpenFile) throws(NFSStatus) -> Identity? {
        do throws(SystemError) {
            return Identity(try FileCalls.status(at: directory.path.raw, name))
        } catch {
            if error.errno == .noSuchFileOrDirectory { return nil }
            throw NFSStatus(error.errno)
        }
    }

    /// A new name, then the old one goes: where it ends in between, the second call finishes it.
    private func moveKeeping(
        _ temporary: FileName, to name: FileName, in directory: OpenFile, _ file: OpenFile
    ) throws(NFSStatus) {
        do throws(SystemError) {
            try FileCalls.link(file.path.raw, name, in: directory.path.raw)
        } catch {
            guard error.errno == .fileExists, try identity(of: name, in: directory) == file.identity else {
                throw NFSStatus(error.errno)
            }
        }
        try nfs { () throws(SystemError) in
            try FileCalls.at("unlinkat", temporary) { unlinkat(directory.path.raw, $0, 0) }
        }
        directory.export.strategy.moved(file.identity, to: Place(directory: directory.identity, name: name))
    }
}
