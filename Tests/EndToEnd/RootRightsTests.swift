import Glibc
import TestSupport
import Testing

/// xferd as root that cannot stop being root: capabilities(7).
@Suite(.notInTheLab, .enabled(if: geteuid() == 0, "needs root: gives up its capabilities"))
struct RootRightsTests {
    @Test(arguments: [
        ["--bounding-set", "-setuid"], ["--bounding-set", "-setgid"], ["--securebits", "+no_setuid_fixup"],
    ])
    func nobodyIsServedWithRootsRights(limits: [String]) throws {
        let directory = try Directory()
        let xferd = try RunningProgram(
            ["setpriv"] + limits + [
                Programs.path("xferd"), "--export", "/data=\(directory.path),rw", "--listen", "127.0.0.1:0",
                "--tlssd", directory.path + "/none",
            ])
        expectFailure(try xferd.wait(), "CAP_SETUID and CAP_SETGID", "root's rights")
    }
}
