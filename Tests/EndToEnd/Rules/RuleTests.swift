import TestSupport
import Testing

/// Each copy rule, each way, with xferd as it is. Rules are decided above all records: in the lab, where each run of a
/// program takes seconds, there are a few.
@Suite(.notInTheLab, RuleSiteTrait(layer: .user)) struct RuleTests {
    @Test(arguments: RuleCase.ways) func aRule(_ rule: RuleCase, _ operation: RuleOperation) throws {
        try rule.check(operation)
    }
}

/// With a server that has no extra program.
@Suite(.notInTheLab, RuleSiteTrait(layer: .user, xferd: ["--no-xfer"])) struct RulesWithoutXferTests {
    @Test(arguments: RuleCase.ways) func aRule(_ rule: RuleCase, _ operation: RuleOperation) throws {
        try rule.check(operation)
    }
}

/// An interrupted copy each way. One at a time: a user's next process goes on with what a killed one has left, and others
/// of that user would be next.
@Suite(.serialized, .notInTheLab, RuleSiteTrait(layer: .user)) struct ResumptionTests {
    @Test(arguments: RuleOperation.allCases) func goesOn(_ operation: RuleOperation) throws {
        try operation.checkResumption()
    }
}

/// With a server that has no extra program.
@Suite(.serialized, .notInTheLab, RuleSiteTrait(layer: .user, xferd: ["--no-xfer"])) struct ResumptionWithoutXferTests {
    @Test(arguments: RuleOperation.allCases) func goesOn(_ operation: RuleOperation) throws {
        try operation.checkResumption()
    }
}

/// With a client that does not use it.
@Suite(.notInTheLab, RuleSiteTrait(layer: .user, options: ["-o", "noxfer"])) struct RulesWithNoXferTests {
    @Test(arguments: RuleCase.checksums) func aRule(_ rule: RuleCase, _ operation: RuleOperation) throws {
        try rule.check(operation)
    }
}

/// Some of them in the kernel's record layer.
@Suite(
    .enabled(if: Layer.hasKernel, "this kernel has no kernel TLS; runs in the kTLS lab"), RuleSiteTrait(layer: .kernel)
) struct RulesInKernelTests {
    @Test(arguments: RuleCase.some) func aRule(_ rule: RuleCase, _ operation: RuleOperation) throws {
        try rule.check(operation, isPlanned: false)
    }
}
