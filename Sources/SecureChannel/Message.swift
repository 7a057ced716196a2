package import Kernel

/// One message on its way out: bytes, then perhaps a range of a file, then zeros.
package struct OutboundMessage: Sendable {
    package let head: [UInt8]
    package let file: FileRange?
    /// Zero bytes behind the file's: XDR's padding, 0...3.
    package let padding: Int

    package struct FileRange: Sendable {
        package let file: SharedDescriptor
        /// Bytes from the start of the file.
        package let offset: UInt64
        package let count: Int

        package init(file: SharedDescriptor, offset: UInt64, count: Int) {
            self.file = file
            self.offset = offset
            self.count = count
        }
    }

    package init(head: [UInt8], file: FileRange? = nil) {
        self.head = head
        self.file = file
        padding = file.map { (4 - $0.count % 4) % 4 } ?? 0
    }

    /// Bytes of all of it.
    package var count: Int { head.count + (file?.count ?? 0) + padding }
}

/// How far a message has been taken into the record layer.
struct MessageCursor {
    let message: OutboundMessage
    var headDone = 0
    var fileDone = 0
    var paddingDone = 0

    init(_ message: OutboundMessage) { self.message = message }

    var headLeft: Int { message.head.count - headDone }
    var fileLeft: Int { (message.file?.count ?? 0) - fileDone }
    var paddingLeft: Int { message.padding - paddingDone }
    var isDone: Bool { headLeft == 0 && fileLeft == 0 && paddingLeft == 0 }
}
