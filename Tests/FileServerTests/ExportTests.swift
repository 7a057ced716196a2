import Testing

@testable import FileServer

@Suite struct ExportTests {
    @Test func parsing() throws {
        let writable = try Export(parsing: "/name=/srv/files,rw")
        #expect(writable.name == "/name" && writable.directory == "/srv/files" && !writable.isReadOnly)
        #expect(try Export(parsing: "/name=/srv,ro").isReadOnly)
        #expect(try Export(parsing: "/a/b=/srv").isReadOnly, "read-only unless it says rw")
    }

    @Test(arguments: [
        ("name=/srv", "begins with /"), ("/=/srv", "begins with /"), ("/name", "/name=DIR"),
        ("/name=/srv,rx", "unknown option \"rx\""), ("/name=/srv,ro,rw", "more than once"), ("/name=", "no directory"),
        ("/a//b=/srv", "component"), ("/a/../b=/srv", "component"), ("/name=/srv,", "unknown option \"\""),
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
}

extension Export {
    fileprivate var isReadOnly: Bool { rules.allSatisfy(\.options.readOnly) }
}
