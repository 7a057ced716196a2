import NFS
import Testing

@testable import FileServer

@Suite struct ExportTests {
    @Test func parsing() throws {
        let writable = try Export(parsing: "/name=/srv/files,rw")
        #expect(writable.name == "/name" && writable.directory == "/srv/files" && !writable.isReadOnly)
        #expect(writable.rules.map(\.client) == [.everybody])
        #expect(try Export(parsing: "/name=/srv,ro").isReadOnly)
        #expect(try Export(parsing: "/a/b=/srv").isReadOnly, "read-only unless it says rw")
    }

    @Test func takesEveryWordOfAnExportsFile() throws {
        let export = try Export(parsing: "/n=/srv,rw,async,all_squash,anonuid=7,anongid=8,tls,cleartext_mount,secure")
        #expect(
            export.rules.first?.options.words
                == "rw,async,all_squash,anonuid=7,anongid=8,xprtsec=tls:mtls,cleartext_mount,secure")
    }

    @Test func defaultsHoldWhereItSaysNothing() throws {
        var defaults = ExportOptions()
        defaults.protection = .tls
        defaults.cleartextMount = true
        let plain = try Export(parsing: "/n=/srv", defaults: defaults).rules.first?.options
        #expect(plain == defaults)
        let stricter = try Export(parsing: "/n=/srv,xprtsec=mtls", defaults: defaults).rules.first?.options
        #expect(stricter?.protection == .mtls && stricter?.cleartextMount == true)
        let user = try Export(parsing: "/n=/srv,tlscertuser", defaults: defaults).rules.first?.options
        #expect(user?.protection == .mtls && user?.userFromCertificate == true)
    }

    @Test(arguments: [
        ("name=/srv", "begins with /"), ("/=/srv", "begins with /"), ("/name", "/name=DIR"),
        ("/name=/srv,rx", "export /name: rx: there is no such option"), ("/name=/srv,ro,rw", "rw: ro stands in"),
        ("/name=", "no directory"), ("/a//b=/srv", "component"), ("/a/../b=/srv", "component"),
        ("/name=/srv,", "an option is missing"), ("/name=/srv,x,y", "x: there is no such option; y: there is"),
        ("/name=/srv,tls,tlscertuser", "needs a certificate"),
    ])
    func mistakesAreNamed(text: String, reason: String) {
        let error = #expect(throws: ExportError.self) { try Export(parsing: text) }
        #expect(error?.description.contains(reason) == true, "\(String(describing: error))")
    }

    @Test func directoriesThatCannotBeServed() throws {
        let directory = try Directory()
        try directory.write("file", "x")
        func reason(_ path: String) throws -> String? {
            let export = try Export(name: "/e", directory: path, options: .forReading)
            return #expect(throws: ExportError.self) { try FileServer(exports: [export], stateDirectory: nil) }?
                .description
        }
        let missing = "\(directory.path)/missing"
        #expect(try reason(missing) == "export /e: \(missing): no such directory")
        let file = "\(directory.path)/file"
        #expect(try reason(file) == "export /e: \(file): not a directory")
        let export = try Export(name: "/e", directory: directory.path, options: .forReading)
        #expect(throws: ExportError.self) { try FileServer(exports: [export, export], stateDirectory: nil) }
    }

    /// A call that was under way when an export was withdrawn may keep a file of it once more.
    @Test(arguments: [HandleKind.automatic, .table]) func whatComesBackIsNotStale(kind: HandleKind) throws {
        let f = try Fixture(kind)
        try f.directory.write("file", "text")
        let handle = try f.lookup("file")
        let late = try f.server.file(handle)
        let exports = f.server.exports.compactMap(\.current)
        try f.server.reload([])
        _ = f.server.cache.insert(late)
        #expect(try f.failure(NFS.GetAttr.self, handle) == .stale)
        try f.server.reload(exports)
        #expect(try f.read(handle).1 == "text")
        _ = f.server.cache.insert(late)
        #expect(try f.read(handle).1 == "text")
    }
}

extension Export {
    var isReadOnly: Bool { rules.allSatisfy(\.options.readOnly) }
}
