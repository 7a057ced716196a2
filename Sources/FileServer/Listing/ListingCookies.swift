/// What the cookies of READDIR and READDIRPLUS stand for (RFC 1813 section 3.3.16).
package enum ListingCookies: Sendable, Hashable {
    /// Positions where the file system is known to keep them, otherwise names.
    case automatic
    /// The kernel's positions: d_off of getdents64(2).
    case positions
    /// A hash of the entry's name, of 1 to 62 bits, so that a cookie stays an entry's whatever the file system does.
    case names(bits: Int = 62)
}
