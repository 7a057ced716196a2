import Glibc

/// The built programs: in TLSD_BIN, or in the directory of the test bundle.
package enum Programs {
    package static let directory: String = {
        if let place = getenv("TLSD_BIN") { return String(cString: place) }
        // The bundle is the program itself, or was named to one that runs it.
        let candidates = (CommandLine.arguments + ["/proc/self/exe"]).compactMap { path -> String? in
            guard let real = realpath(path, nil) else { return nil }
            defer { free(real) }
            return String(cString: real)
        }
        for path in candidates {
            let above = path.split(separator: "/", omittingEmptySubsequences: false).dropLast()
            for count in stride(from: above.count, through: max(1, above.count - 3), by: -1) {
                let place = above.prefix(count).joined(separator: "/")
                if access(place + "/xfer", X_OK) == 0 && access(place + "/tlssd", X_OK) == 0 { return place }
            }
        }
        return ".build/debug"
    }()

    package static func path(_ name: String) -> String { "\(directory)/\(name)" }
}
