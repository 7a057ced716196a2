import Glibc

extension CopyRules {
    /// What the rules come to for a way of copying.
    ///
    /// Of sync all is kept as it is. Of get and put what is there already is copied again, as cp(1) does, unless times are
    /// kept, by which it can be told, or another rule says what to compare.
    package func completed(for placement: Copy.Placement) -> CopyRules {
        var rules = self
        switch placement {
        case .synchronized:
            (rules.recursive, rules.preserve, rules.hardLinks, rules.sparse) = (true, true, true, true)
            // For others than root it could only fail, file by file.
            if geteuid() == 0, !rules.owner { (rules.owner, rules.ownerIsImplied) = (true, true) }
        case .named, .exactName:
            if !preserve && !checksum && !sizeOnly { rules.ignoreTimes = true }
        }
        return rules
    }
}
