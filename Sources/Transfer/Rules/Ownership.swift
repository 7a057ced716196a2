import NFS
import Synchronization
import SystemPackage

/// Whether owners are kept where nobody asked for them by name: `-a` and sync do so for root, and a server that takes root
/// for nobody refuses it. Then the copies belong to who makes them, as with rsync(1), and that is said once.
package final class Ownership: Sendable {
    private let refused = Atomic<Bool>(false)

    /// The first refusal was met.
    var isRefused: Bool { refused.load(ordering: .relaxed) }

    fileprivate func refuse() { refused.store(true, ordering: .relaxed) }

    static let note = "owners were not kept: this user may give no files away there (--owner insists on it)"
}

extension CopyRules {
    /// Owners are kept, and it was not refused so far.
    var keepsOwner: Bool { owner && !ownership.isRefused }

    /// The same rules with nothing said about owners.
    var withoutOwner: CopyRules {
        var rules = self
        rules.owner = false
        return rules
    }

    /// What ``withOwner(_:_:)`` begins with: nothing about owners where they were refused before.
    func settable(_ attributes: SetAttributes) -> SetAttributes {
        ownerIsImplied && ownership.isRefused ? attributes.withoutOwner : attributes
    }

    /// Sets attributes by `body`; once more without the owner where that is refused and was only implied.
    func withOwner<R>(_ attributes: SetAttributes, _ body: (SetAttributes) async throws -> R) async throws -> R {
        let attributes = settable(attributes)
        do {
            return try await body(attributes)
        } catch  where ownerIsImplied && attributes.hasOwner && Self.isRefusal(error) {
            let result = try await body(attributes.withoutOwner)
            ownership.refuse()
            return result
        }
    }

    private static func isRefusal(_ error: any Error) -> Bool {
        switch error {
        case let error as NFSError: error.status == .notPermitted || error.status == .accessDenied
        case let error as TransferError: error.errno == .notPermitted
        default: false
        }
    }
}

extension SetAttributes {
    fileprivate var hasOwner: Bool { uid != nil || gid != nil }

    /// Nor the set-ID bits: they would make somebody else's program this user's.
    fileprivate var withoutOwner: SetAttributes {
        var attributes = self
        (attributes.uid, attributes.gid) = (nil, nil)
        if let mode = attributes.mode { attributes.mode = mode & 0o1777 }
        return attributes
    }
}
