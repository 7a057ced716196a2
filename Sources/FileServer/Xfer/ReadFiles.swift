import Kernel
import NFS
import RPC

extension Request {
    /// READFILES of xfer.x.
    func readFiles(_ arguments: UnsafeRawBufferPointer) -> Answer {
        guard let arguments = Xfer.ReadFiles.decode(arguments) else { return .garbageArguments }
        do throws(NFSStatus) {
            let export = try server.export(of: arguments.object)
            let results = try? Xfer.ReadFiles.Results.make(files: arguments.files.count) { results in
                for handle in arguments.files {
                    do throws(NFSStatus) {
                        guard try append(handle, of: export, to: &results) else { return }
                    } catch {
                        results.append(error)
                    }
                }
            }
            return results.map { .results($0) } ?? .systemError
        } catch {
            return .results(error.rawValue.bigEndianBytes)
        }
    }

    /// - Returns: false where there is no room for it.
    private func append(
        _ handle: FileHandle, of export: ServedExport, to results: inout Xfer.ReadFiles.Results
    ) throws(NFSStatus) -> Bool {
        // Not kept open: a client that reads a file whole has no more to do with it.
        let file = try server.file(handle, isKept: false)
        // The call was admitted to one export, and to no other.
        guard file.export === export else { throw .crossDevice }
        try file.requireRegular()
        let before = try file.attributes()
        try file.require(.read, as: identity, before)
        guard let size = Int(exactly: before.size), size <= Xfer.fileDataLimit else { throw .fileTooBig }
        guard results.data + size <= Xfer.filesDataLimit else { return false }
        try results.append(size) { space throws(NFSStatus) in
            if size == 0 { return 0 }
            let reader = try file.reader()
            return try nfs { () throws(SystemError) in try Files.read(reader.raw, into: space, at: 0) }
        } _: { () throws(NFSStatus) in
            try file.attributes()
        }
        return true
    }
}
