import NFS

extension FileName {
    /// NAME_MAX of every file system of Linux.
    static let limit = 255

    /// A name of the peer's, fit to be given to the kernel as one step of a path. RFC 1813 section 3.2, "General comments
    /// on filenames", has NFS3ERR_ACCES for an empty name, and for the names that a server does not take.
    ///
    /// - Parameter dots: what `.` and `..` are refused with; nil where they may be asked for.
    func checked(dots: NFSStatus?) throws(NFSStatus) -> FileName {
        if count == 0 { throw .accessDenied }
        if count > Self.limit { throw .nameTooLong }
        if bytes.contains(where: { $0 == UInt8(ascii: "/") || $0 == 0 }) { throw .accessDenied }
        if let dots, isDots { throw dots }
        return self
    }
}
