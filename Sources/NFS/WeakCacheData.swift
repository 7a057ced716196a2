import CProtocol

/// wcc_data: what a file was before an operation and is after it (RFC 1813 section 2.6), for the client's cache.
package struct WeakCacheData: Hashable, Sendable {
    /// wcc_attr
    package struct Before: Hashable, Sendable {
        package var size: UInt64
        package var modificationTime: NFSTime
        package var changeTime: NFSTime

        package init(size: UInt64, modificationTime: NFSTime, changeTime: NFSTime) {
            self.size = size
            self.modificationTime = modificationTime
            self.changeTime = changeTime
        }

        package init(_ attributes: FileAttributes) {
            self.init(
                size: attributes.size, modificationTime: attributes.modificationTime, changeTime: attributes.changeTime)
        }
    }

    package var before: Before?
    package var after: FileAttributes?

    package init(before: Before? = nil, after: FileAttributes? = nil) {
        self.before = before
        self.after = after
    }

    init(_ wire: wcc_data) {
        if wire.before.attributes_follow != 0 {
            let attributes = wire.before.pre_op_attr_u.attributes
            before = Before(
                size: UInt64(attributes.size), modificationTime: NFSTime(attributes.mtime),
                changeTime: NFSTime(attributes.ctime))
        }
        after = FileAttributes?(wire.after)
    }

    var wire: wcc_data {
        var wire = wcc_data()
        if let before {
            wire.before.attributes_follow = 1
            wire.before.pre_op_attr_u.attributes = wcc_attr(
                size: size3(before.size), mtime: before.modificationTime.wire, ctime: before.changeTime.wire)
        }
        wire.after = after.wire
        return wire
    }
}
