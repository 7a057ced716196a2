package import NFS

/// What is to be done about one thing of the source.
package enum Decision: Sendable, Equatable {
    /// It is copied, for these reasons; none where the target is not there, or where `--ignore-times` asks for no
    /// reason.
    case copy([Item.Reason])
    /// It has the right content, and other attributes.
    case attributesOnly([Item.Reason])
    case unchanged
    case skip(Skip)
    /// Whether the content is the same has to be found out: of a file by checksums, of a symbolic link by READLINK.
    /// Then ``Comparison/decide(source:target:rules:isSameContent:)`` is asked again.
    case needsChecksum

    /// Why something is left alone.
    package enum Skip: String, Sendable, CaseIterable {
        case notThere = "is not in the target (--existing)"
        case there = "is in the target already (--ignore-existing)"
        case newer = "is newer in the target (--update)"
        case special = "is neither a file nor a directory nor a symbolic link"
    }
}

package enum Comparison {
    /// What is to be done about a thing, by its attributes and those of what has its name in the target.
    ///
    /// - Parameters:
    ///   - target: nil where there is none.
    ///   - isSameContent: once it was found out, after ``Decision/needsChecksum``.
    package static func decide(
        source: FileAttributes, target: FileAttributes?, rules: CopyRules, isSameContent: Bool? = nil
    ) -> Decision {
        guard [.regular, .directory, .symbolicLink].contains(source.type) else { return .skip(.special) }
        guard let target else { return rules.existing ? .skip(.notThere) : .copy([]) }
        if rules.ignoreExisting, source.type != .directory || target.type != .directory { return .skip(.there) }
        guard source.type == target.type else { return .copy([.type]) }
        switch source.type {
        case .regular: return file(source, target, rules, isSameContent)
        case .symbolicLink:
            guard let isSameContent else { return .needsChecksum }
            return isSameContent ? attributes(source, target, rules) : .copy([.target])
        default: return attributes(source, target, rules)
        }
    }

    private static func file(
        _ source: FileAttributes, _ target: FileAttributes, _ rules: CopyRules, _ isSameContent: Bool?
    ) -> Decision {
        let isSameTime = isSame(source.modificationTime, target.modificationTime, window: rules.modifyWindow)
        if rules.update, !isSameTime, target.modificationTime > source.modificationTime { return .skip(.newer) }
        let isSameSize = source.size == target.size
        var reasons: [Item.Reason] = []
        if !isSameSize { reasons.append(.size) }
        // By size alone or by content, another time is no reason to copy.
        if !isSameTime, !rules.sizeOnly, !rules.checksum { reasons.append(.time) }
        if !reasons.isEmpty || rules.ignoreTimes { return .copy(reasons) }
        if rules.checksum {
            guard let isSameContent else { return .needsChecksum }
            if !isSameContent { return .copy([.content]) }
        }
        return attributes(source, target, rules)
    }

    /// What differs that SETATTR mends.
    private static func attributes(
        _ source: FileAttributes, _ target: FileAttributes, _ rules: CopyRules
    ) -> Decision {
        var reasons: [Item.Reason] = []
        // A symbolic link's mode is nobody's, and its time cannot be set everywhere.
        if rules.preserve, source.type != .symbolicLink {
            if !isSameMode(source, target, rules) { reasons.append(.mode) }
            let window = rules.modifyWindow
            if !isSame(source.modificationTime, target.modificationTime, window: window) { reasons.append(.time) }
        }
        if rules.keepsOwner, source.uid != target.uid || source.gid != target.gid { reasons.append(.owner) }
        return reasons.isEmpty ? .unchanged : .attributesOnly(reasons)
    }

    private static func isSameMode(_ source: FileAttributes, _ target: FileAttributes, _ rules: CopyRules) -> Bool {
        if rules.keepsOwner || rules.exactMode { return source.mode & 0o7777 == target.mode & 0o7777 }
        // A copy never gets the set-ID bits of somebody else's file, and must not keep its own; but a directory's
        // set-group-ID bit comes from the one above it.
        let looked: UInt32 = source.type == .directory ? 0o1777 : 0o7777
        return source.mode & 0o1777 == target.mode & looked
    }

    /// Whether two modification times are one, as far as both sides can tell.
    ///
    /// A file system that counts in milliseconds or seconds cuts off the rest, so what the coarser one of both cannot
    /// say is not compared. How coarse a side is shows in the zeros at its end. A whole even second beside one with a
    /// fraction may be FAT's, which counts in two.
    ///
    /// - Parameter window: seconds that they may be apart besides.
    package static func isSame(_ a: NFSTime, _ b: NFSTime, window: UInt32 = 0) -> Bool {
        if window > 0 {
            let difference = max(a.total, b.total) - min(a.total, b.total)
            if difference <= UInt64(window) * 1_000_000_000 { return true }
        }
        let unit = max(a.unit, b.unit)
        if a.total / unit == b.total / unit { return true }
        guard (a.nanoseconds == 0) != (b.nanoseconds == 0) else { return false }
        let (coarse, fine) = a.nanoseconds == 0 ? (a, b) : (b, a)
        return coarse.seconds % 2 == 0 && fine.seconds & ~1 == coarse.seconds
    }
}

extension NFSTime {
    /// Nanoseconds since 1970. A peer may say more than a second's worth of them.
    fileprivate var total: UInt64 { UInt64(seconds) * 1_000_000_000 + UInt64(nanoseconds) }

    /// The largest power of ten nanoseconds, up to a second, that it is a multiple of.
    fileprivate var unit: UInt64 {
        var unit: UInt64 = 1
        while unit < 1_000_000_000, UInt64(nanoseconds) % (unit * 10) == 0 { unit *= 10 }
        return unit
    }
}
