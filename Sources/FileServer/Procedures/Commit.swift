import CProtocol
import NFS
import RPC
import Synchronization

extension NFSProgram {
    /// RFC 1813 section 3.3.21. The whole file, whatever range was asked for.
    func commit(_ arguments: UnsafeRawBufferPointer) -> Answer {
        guard let arguments = NFS.Commit.Arguments.decode(arguments, COMMIT3args()) else { return .garbageArguments }
        var file: OpenFile?
        var data = WeakCacheData()
        do throws(NFSStatus) {
            let found = try server.file(arguments.file)
            file = found
            data = try before(found)
            try found.requireRegular()
            let verifier = server.writeVerifier.load(ordering: .acquiring)
            try server.makeStable(try found.anyOpened(), all: false)
            return answer(NFS.Commit.self, .success(.init(file: data.after(found), verifier: verifier)))
        } catch {
            return answer(NFS.Commit.self, .failure(error, data.after(file)))
        }
    }
}
