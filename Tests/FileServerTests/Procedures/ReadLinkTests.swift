import Glibc
import NFS
import Testing

@testable import FileServer

/// RFC 1813 section 3.3.5.
@Suite struct ReadLinkTests {
    @Test(arguments: [HandleKind.automatic, .table])
    func theTextIsBytes(kind: HandleKind) throws {
        let f = try Fixture.inMemory(kind)
        let any = (0..<4095).map { UInt8(1 + $0 % 255) }
        for (name, text) in [("long", FileName(any)), ("short", "x"), ("away", "/etc/passwd")] as [(FileName, FileName)]
        {
            let link = try #require(
                try f.call(NFS.SymLink.self, .init(f.target(name), .init(), text: text)).object)
            let read = try f.call(NFS.ReadLink.self, link)
            #expect(read.text == text && read.attributes?.size == UInt64(text.count))
            #expect(try read.attributes?.fileID == f.attributes(link).fileID)
        }
    }

    @Test func whatIsNoSymbolicLinkIsInvalid() throws {
        let f = try Fixture()
        mkfifo(f.path("fifo"), 0o600)
        for handle in [f.root, try f.create("file"), try f.lookup("fifo")] {
            guard case .failure(.invalid, let attributes) = try f.reply(NFS.ReadLink.self, handle) else {
                Issue.record("read")
                continue
            }
            #expect(try attributes == f.attributes(handle))
        }
    }
}
