import Testing
import Transfer

@Suite struct RemoteNameTests {
    @Test(arguments: [
        ("host:/a/b", "host", "/a/b"), ("host:/", "host", "/"), ("host:/a//b/./c/", "host", "/a/b/c"),
        ("192.0.2.1:/a", "192.0.2.1", "/a"), ("[2001:db8::1]:/a b", "2001:db8::1", "/a b"),
        ("host:/a:b", "host", "/a:b"),
        ("nfs://host/a/b", "host", "/a/b"), ("nfs://[::1]/a", "::1", "/a"),
    ]) func readsHostAndPath(text: String, host: String, path: String) throws {
        let name = try #require(try RemoteName.parse(text))
        #expect(name.host == host)
        #expect(name.path == path)
        #expect(name.options.isEmpty)
    }

    @Test func readsPortAndOptionsOfAnURL() throws {
        let name = try #require(try RemoteName.parse("nfs://host:20490/a?xprtsec=tls&rsize=65536"))
        #expect(name.options == ["port=20490", "xprtsec=tls", "rsize=65536"])
        let address = try #require(try RemoteName.parse("nfs://[::1]:99/a"))
        #expect(address.host == "::1" && address.options == ["port=99"])
    }

    @Test(arguments: ["file", "./a:b", "/a:b", "dir/a:b", "", "[x", "[::1]"]) func leavesLocalPathsAlone(text: String)
        throws
    {
        #expect(try RemoteName.parse(text) == nil)
    }

    @Test(arguments: [
        (":/a", "host"), ("a b:/x", "host"), ("host:", "export"), ("host:a", "export"), ("host:/a/../b", "'..'"),
        ("host:/..", "'..'"), ("nfs://host", "nfs://host/export/path"), ("nfs:///a", "host"), ("nfs://:2049/a", "host"),
    ]) func refusesWithAReason(text: String, word: String) {
        let error = #expect(throws: UsageError.self) { try RemoteName.parse(text) }
        #expect(error?.description.contains(word) == true, "\(error.map { "\($0)" } ?? "")")
    }

    @Test func describesItselfAsItIsWritten() throws {
        for text in ["host:/a", "[::1]:/a/b"] { #expect(try RemoteName.parse(text)?.description == text) }
        #expect(try RemoteName.parse("host:/")?.lastComponent == nil)
        #expect(try RemoteName.parse("host:/a/b/")?.lastComponent == "b")
    }
}
