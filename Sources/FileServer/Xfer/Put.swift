import Glibc
import Kernel
import NFS
import RPC

extension Request {
    /// PUT of xfer.x, the data not yet there: it goes from the connection to a file without a name.
    func beginPut(_ key: RequestKey, _ arguments: UnsafeRawBufferPointer, payload count: Int) -> PayloadStart {
        guard let (arguments, _) = Xfer.Put.decodeHead(arguments), Int(arguments.count) == count else {
            return .answered(.garbageArguments)
        }
        var change: Change?
        do throws(NFSStatus) {
            let directory = try server.directory(arguments.directory)
            let begun = try Change(directory)
            change = begun
            let new = try ThreadCredentials.perform(as: identity, orThrow: { _ in NFSStatus.serverFault }) {
                () throws(NFSStatus) in
                try newFile(
                    arguments.name, temporary: arguments.temporary, arguments.attributes, count: count, in: directory)
            }
            return .write(
                PayloadTarget(file: new.descriptor, offset: 0, writer: identity),
                finish: { failure in
                    if let failure {
                        new.discard()
                        return answer(Xfer.Put.self, .failure(NFSStatus(failure.errno), begun.data()))
                    }
                    // A call that was sent again is answered with the first reply, and the data goes nowhere.
                    return server.requests.answer(key) { since in
                        answer(as: identity) {
                            finishPut(new, in: directory, arguments, begun, isRepeated: since != nil)
                        }
                    }
                })
        } catch {
            return .answered(answer(Xfer.Put.self, .failure(error, change.data())))
        }
    }

    /// The same with the data in memory.
    func put(_ key: RequestKey, _ bytes: UnsafeRawBufferPointer) -> Answer {
        guard let (arguments, length) = Xfer.Put.decodeHead(bytes),
            bytes.count == length + (Int(arguments.count) + 3) & ~3
        else { return .garbageArguments }
        let count = Int(arguments.count)
        switch beginPut(key, UnsafeRawBufferPointer(rebasing: bytes[..<length]), payload: count) {
        case .answered(let answer): return answer
        case .write(let target, let finish):
            let data = UnsafeRawBufferPointer(rebasing: bytes[length...].prefix(count))
            do throws(SystemError) {
                try ThreadCredentials.perform(as: identity, orThrow: { $0 }) { () throws(SystemError) in
                    try Files.write(target.file.raw, data, at: 0)
                }
                return finish(nil)
            } catch {
                return finish(error)
            }
        }
    }

    /// A new file for PUT and PUTFILES, once what they are asked for was checked.
    ///
    /// - Parameter count: bytes of data.
    func newFile(
        _ name: FileName, temporary: FileName, _ attributes: SetAttributes, count: Int, in directory: OpenFile
    ) throws(NFSStatus) -> NewFile {
        try requireWritable()
        let name = try name.checked(dots: .exists)
        let temporary = try temporary.checked(dots: .invalid)
        guard temporary != name, attributes.size == nil, count <= FileServer.putMaximum else { throw .invalid }
        return try NewFile(server, in: directory, temporary: temporary, creator: identity)
    }

    /// All the data is in the file: gives it its attributes and its name.
    ///
    /// - Parameter isRepeated: an earlier process began the call, and was killed.
    private func finishPut(
        _ new: NewFile, in directory: OpenFile, _ arguments: Xfer.Put.Arguments, _ change: Change, isRepeated: Bool
    ) -> Answer {
        do throws(NFSStatus) {
            try OpenFile.set(arguments.attributes, of: new.descriptor.raw, isPath: false)
            if arguments.synchronize {
                try nfs { () throws(SystemError) in _ = try systemCall("fsync") { fsync(new.descriptor.raw) } }
            }
            let (file, attributes): (FileHandle, FileAttributes?)
            do throws(NFSStatus) {
                try new.publish(as: arguments.name, arguments.existing) { temporary throws(NFSStatus) in
                    try move(temporary, in: directory, to: arguments.name, in: directory)
                }
                // By its descriptor: the name may be another's again. It is not kept open: a client that has put a file
                // whole has no more to do with it.
                let raw = new.descriptor.raw
                let status = try nfs { () throws(SystemError) in try Files.status(raw) }
                let place = Place(directory: directory.identity, name: arguments.name)
                file = try nfs { () throws(SystemError) in try directory.export.handle(raw, status, at: place) }
                attributes = FileAttributes(status)
            } catch {
                guard error == .exists, isRepeated, arguments.existing == .keep,
                    try new.isSame(as: arguments.name, count: Int(arguments.count))
                else { throw error }
                let there = try server.child(arguments.name, of: directory)
                (file, attributes) = (there.handle, try? there.attributes())
            }
            if arguments.synchronize { try synchronize(directory) }
            return answer(
                Xfer.Put.self,
                .success(.init(file: file, attributes: attributes, directory: change.data())))
        } catch {
            new.discard()
            return answer(Xfer.Put.self, .failure(error, change.data()))
        }
    }
}
