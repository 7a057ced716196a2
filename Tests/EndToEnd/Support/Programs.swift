import Glibc
import SecureChannel
import Testing

/// The built programs: in TLSD_BIN, or in the directory of the test bundle.
enum Programs {
    static let directory: String = {
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

    static func path(_ name: String) -> String { "\(directory)/\(name)" }
}

/// A record layer that a test runs on.
enum Layer: String, Sendable, CustomTestStringConvertible {
    case user, kernel

    var testDescription: String { "record layer \(rawValue)" }

    /// Those of this kernel.
    static let available: [Layer] = KernelTLS.obstacle(to: .aes128GCM) == nil ? [.user, .kernel] : [.user]
    static let isLab = getenv("TLSD_LAB").map { String(cString: $0) } == "ktls"
    static let hasKernel = available.contains(.kernel)
}

@Suite struct Kernels {
    @Test(.enabled(if: Layer.isLab, "in the kTLS lab alone there must be a kernel record layer; not in the kTLS lab"))
    func theLabHasTheKernelsRecordLayer() {
        #expect(KernelTLS.obstacle(to: .aes128GCM) == nil)
        #expect(KernelTLS.obstacle(to: .aes256GCM) == nil)
        #expect(KernelTLS.obstacle(to: .chacha20Poly1305) == nil)
    }
}
