import CProtocol
import NFS
import RPC
import Synchronization

extension Request {
    /// RFC 1813 section 3.3.21. The whole file, whatever range was asked for.
    func commit(_ arguments: UnsafeRawBufferPointer) -> Answer {
        guard let arguments = NFS.Commit.Arguments.decode(arguments, COMMIT3args()) else { return .garbageArguments }
        var change: Change?
        do throws(NFSStatus) {
            let found = try server.file(arguments.file)
            change = try Change(found)
            try found.requireRegular()
            let verifier = server.writeVerifier.load(ordering: .acquiring)
            try server.makeStable(try found.anyOpened(), all: false)
            let data = change.data()
            server.closeWritten(found)
            return answer(NFS.Commit.self, .success(.init(file: data, verifier: verifier)))
        } catch {
            return answer(NFS.Commit.self, .failure(error, change.data()))
        }
    }
}
