import TestSupport

/// Which programs were measured: Debian's versions of their packages.
enum Versions {
    private static let packages = ["nginx", "curl", "openssh-server", "rsync", "stunnel4", "libssl3", "coreutils"]

    static func all() -> [String: String] {
        let format = "${Package} ${Version}\n"
        guard
            let ended = try? RunningProgram(["dpkg-query", "--show", "--showformat=\(format)"] + packages).wait()
        else { return [:] }
        var versions: [String: String] = [:]
        for line in ended.output.split(separator: "\n") {
            let words = line.split(separator: " ").map(String.init)
            if words.count == 2 { versions[words[0]] = words[1] }
        }
        return versions
    }
}
