import SecureChannel
import TestSupport
import Testing

/// That the tests of the record layers test what they should on this kernel.
@Suite struct LayersTests {
    @Test func theKernelIsThereWhereItMustBe() {
        if TestedLayers.isKernelExpected {
            for suite in CipherSuite.allCases {
                let obstacle = KernelTLS.obstacle(to: suite)
                #expect(obstacle == nil, "TLSD_LAB promises kernel TLS: \(obstacle ?? "")")
            }
            #expect(TestedLayers.all == [.user, .kernel])
        }
        if TestedLayers.lab == "rekey" { #expect(TestedLayers.canKernelRekey) }
    }

    /// Not a test of the kernel's half, where it is not run: said, so that nobody believes it was.
    @Test func whatIsNotRunHereIsSaid() {
        guard !TestedLayers.isKernelThere else { return }
        let obstacle = KernelTLS.obstacle(to: .aes128GCM) ?? ""
        #expect(!obstacle.isEmpty)
        print(
            "*** ONLY THE USER RECORD LAYER IS TESTED HERE: \(obstacle). Run the suite in Tests/Lab/ktls-lab, too. ***")
    }
}
