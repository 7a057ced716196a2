import Testing
import Transfer

@Suite struct MountOptionsTests {
    @Test func readsWhatMountWrites() throws {
        var options = MountOptions()
        try options.apply(
            "vers=3,proto=tcp,tcp,nolock,port=20490,xprtsec=tls,rsize=65536,wsize=4096,nconnect=4,timeo=50,ro")
        try options.apply("cafile=/a=b,cert=c,key=k,tlscertname=n")
        #expect(options.port == 20490 && options.protection == .tls && options.readOnly)
        #expect(options.readSize == 65536 && options.writeSize == 4096 && options.connections == 4)
        #expect(options.timeout == 50)
        #expect(options.anchors == "/a=b" && options.certificate == "c" && options.key == "k")
        #expect(options.certificateName == "n" && options.daemon == nil)
        try options.apply("rw,port=1,tlscd=/run/x")
        #expect(!options.readOnly && options.port == 1 && options.daemon == "/run/x")
    }

    @Test func readsWhatForeignServersNeed() throws {
        var options = MountOptions()
        #expect(options.mountPort == nil && !options.cleartextMount && options.reservedPort && options.isHard)
        try options.apply("mountport=892,cleartext_mount,hard,retrans=2,noresvport,xprtsec=none")
        #expect(options.mountPort == .number(892) && options.cleartextMount && !options.reservedPort)
        #expect(options.isHard && options.retries == 2 && options.protection == .cleartext)
        try options.apply("mountport=rpcbind,soft,resvport")
        #expect(options.mountPort == .rpcbind && !options.isHard && options.reservedPort)
        try options.apply("mountport=1,mountport=0")
        #expect(options.mountPort == .rpcbind)
    }

    @Test func mutualTLSIsTheStandard() { #expect(MountOptions().protection == .mtls) }

    @Test(arguments: [
        "port=0", "port=65536", "port=x", "port", "port=", "xprtsec=some", "xprtsec", "rsize=4095", "rsize=4194305",
        "wsize=-1", "nconnect=0", "nconnect=17", "timeo=0", "timeo=99999999999999999999", "vers=4", "proto=udp",
        "cafile=", "mountport", "mountport=65536", "mountport=-1", "cleartext_mount=1", "resvport=1", "hard=1", "soft=",
        "retrans=-1", "retrans", "tlscd", "bogus", "bogus=1", "=", "Port=1",
    ]) func refusesNamingTheOption(text: String) {
        var options = MountOptions()
        let error = #expect(throws: UsageError.self) { try options.apply(text) }
        let name = text.prefix { $0 != "=" }
        #expect(error?.description.contains(name) == true)
    }

    @Test func emptyItemsAreNothing() throws {
        var options = MountOptions()
        try options.apply(",,ro,")
        #expect(options.readOnly)
    }
}
