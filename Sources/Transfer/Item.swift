package import NFS

/// One thing that a copy does or would do (`--dry-run`), for the plan, the events of `--json`, and the display.
package struct Item: Sendable, Equatable {
    package enum Action: String, Sendable, CaseIterable {
        /// It was not there.
        case create
        /// Another one was there: ``Item/reasons`` says what differed.
        case update
        /// It has the right content, and gets another mode, owner or time.
        case attributes
        /// A further name of a file that the copy has already.
        case hardLink = "hard-link"
        /// It is not in the source (`--delete`).
        case delete
        /// It is as the source has it.
        case unchanged
        /// A rule or its kind keeps it out: ``Item/detail`` says which.
        case skip
        /// It could not be done: ``Item/detail`` says why.
        case fail
    }

    /// What differed.
    package enum Reason: String, Sendable, CaseIterable {
        case type, size, time, content, mode, owner, target
    }

    package let action: Action
    package let type: FileType
    /// From the top of the copy, without a slash before it; the top itself is `.`.
    package let path: String
    /// Bytes of a regular file.
    package let bytes: UInt64
    package let reasons: [Reason]
    package let detail: String?

    package init(
        _ action: Action, _ type: FileType, _ path: String, bytes: UInt64 = 0, reasons: [Reason] = [],
        detail: String? = nil
    ) {
        self.action = action
        self.type = type
        self.path = path
        self.bytes = bytes
        self.reasons = reasons
        self.detail = detail
    }
}
