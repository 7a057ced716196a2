import CProtocol

/// sattr3: which attributes to set (RFC 1813 section 2.6); nil leaves one alone.
package struct SetAttributes: Hashable, Sendable {
    package enum Time: Hashable, Sendable {
        /// SET_TO_SERVER_TIME
        case now
        /// SET_TO_CLIENT_TIME
        case at(NFSTime)
    }

    /// 07777
    package var mode: UInt32?
    package var uid: UInt32?
    package var gid: UInt32?
    /// Bytes: truncates or extends.
    package var size: UInt64?
    package var accessTime: Time?
    package var modificationTime: Time?

    package init(
        mode: UInt32? = nil, uid: UInt32? = nil, gid: UInt32? = nil, size: UInt64? = nil, accessTime: Time? = nil,
        modificationTime: Time? = nil
    ) {
        self.mode = mode
        self.uid = uid
        self.gid = gid
        self.size = size
        self.accessTime = accessTime
        self.modificationTime = modificationTime
    }

    init(_ wire: sattr3) {
        if wire.mode.set_it != 0 { mode = wire.mode.set_mode3_u.mode }
        if wire.uid.set_it != 0 { uid = wire.uid.set_uid3_u.uid }
        if wire.gid.set_it != 0 { gid = wire.gid.set_gid3_u.gid }
        if wire.size.set_it != 0 { size = UInt64(wire.size.set_size3_u.size) }
        switch wire.atime.set_it {
        case SET_TO_SERVER_TIME: accessTime = .now
        case SET_TO_CLIENT_TIME: accessTime = .at(NFSTime(wire.atime.set_atime_u.atime))
        default: break
        }
        switch wire.mtime.set_it {
        case SET_TO_SERVER_TIME: modificationTime = .now
        case SET_TO_CLIENT_TIME: modificationTime = .at(NFSTime(wire.mtime.set_mtime_u.mtime))
        default: break
        }
    }

    var wire: sattr3 {
        var wire = sattr3()
        if let mode {
            wire.mode.set_it = 1
            wire.mode.set_mode3_u.mode = mode
        }
        if let uid {
            wire.uid.set_it = 1
            wire.uid.set_uid3_u.uid = uid
        }
        if let gid {
            wire.gid.set_it = 1
            wire.gid.set_gid3_u.gid = gid
        }
        if let size {
            wire.size.set_it = 1
            wire.size.set_size3_u.size = size3(size)
        }
        switch accessTime {
        case .now: wire.atime.set_it = SET_TO_SERVER_TIME
        case .at(let time):
            wire.atime.set_it = SET_TO_CLIENT_TIME
            wire.atime.set_atime_u.atime = time.wire
        case nil: break
        }
        switch modificationTime {
        case .now: wire.mtime.set_it = SET_TO_SERVER_TIME
        case .at(let time):
            wire.mtime.set_it = SET_TO_CLIENT_TIME
            wire.mtime.set_mtime_u.mtime = time.wire
        case nil: break
        }
        return wire
    }
}
