import Glibc
import SecureChannel
import Testing

/// A record layer that a test runs on.
enum Layer: String, Sendable, CustomTestStringConvertible {
    case user, kernel

    var testDescription: String { "record layer \(rawValue)" }

    /// Those of this kernel. In the kTLS lab the kernel's alone: the same tests have the user layer where the lab runs,
    /// many times as fast.
    static let available: [Layer] =
        isLab ? [.kernel] : KernelTLS.obstacle(to: .aes128GCM) == nil ? [.user, .kernel] : [.user]
    static let isLab = getenv("TLSD_LAB").map { String(cString: $0) } == "ktls"
    static let hasKernel = available.contains(.kernel)
}

extension Trait where Self == ConditionTrait {
    /// Of a test to which it is all one what the kernel can do: one that makes no records, or those of the user layer
    /// whatever the kernel. The lab takes many times as long for it and says the same.
    static var notInTheLab: Self {
        .enabled(if: !Layer.isLab, "nothing in it depends on who makes the records; not in the kTLS lab")
    }
}

@Suite struct Kernels {
    @Test(.enabled(if: Layer.isLab, "in the kTLS lab alone there must be a kernel record layer; not in the kTLS lab"))
    func theLabHasTheKernelsRecordLayer() {
        #expect(KernelTLS.obstacle(to: .aes128GCM) == nil)
        #expect(KernelTLS.obstacle(to: .aes256GCM) == nil)
        #expect(KernelTLS.obstacle(to: .chacha20Poly1305) == nil)
    }
}
