import TestSupport
import Testing

/// Each copy rule, each way, with xferd as it is.
@Suite(RuleSiteTrait(layer: .user)) struct RuleTests {
    @Test(arguments: RuleCase.ways) func aRule(_ rule: RuleCase, _ operation: RuleOperation) throws {
        try rule.check(operation)
    }
}

/// With a server that has no extra program.
@Suite(RuleSiteTrait(layer: .user, xferd: ["--no-xfer"])) struct RulesWithoutXferTests {
    @Test(arguments: RuleCase.pushes) func aRule(_ rule: RuleCase, _ operation: RuleOperation) throws {
        try rule.check(operation, isPlanned: false)
    }
}

/// With a client that does not use it.
@Suite(RuleSiteTrait(layer: .user, options: ["-o", "noxfer"])) struct RulesWithNoXferTests {
    @Test(arguments: RuleCase.checksums) func aRule(_ rule: RuleCase, _ operation: RuleOperation) throws {
        try rule.check(operation)
    }
}

/// The kernel's record layer changes how bytes move, and nothing about rules: a few of them.
@Suite(
    .enabled(if: Layer.hasKernel, "this kernel has no kernel TLS; runs in the kTLS lab"), RuleSiteTrait(layer: .kernel)
) struct RulesInKernelTests {
    @Test(arguments: RuleCase.checksums) func aRule(_ rule: RuleCase, _ operation: RuleOperation) throws {
        try rule.check(operation, isPlanned: false)
    }
}
