import Glibc
import Kernel
import NFS

/// A way to write down which object of an export a handle is for, and to find that object again.
///
/// Kernel handles where the file system and the server's capabilities allow, otherwise a table of names.
protocol HandleStrategy: Sendable {
    /// Which strategy made a handle, on the wire.
    static var tag: UInt8 { get }

    /// Writes down an object.
    ///
    /// - Parameters:
    ///   - descriptor: of the object, O_PATH.
    ///   - place: the directory it was found in and its name there; nil for the export's root.
    func object(_ descriptor: Int32, _ status: stat, at place: Place?) throws(SystemError) -> [UInt8]

    /// Writes down an object by its name, without opening it: for listings.
    func object(in directory: Int32, _ status: stat, at place: Place) throws(SystemError) -> [UInt8]

    /// Finds an object again.
    ///
    /// - Returns: a descriptor, O_PATH.
    /// - Throws: ``SystemError`` with ESTALE where the object is no more.
    func open(_ object: [UInt8]) throws(SystemError) -> Descriptor

    /// An object has another place now.
    func moved(_ identity: Identity, to place: Place)
    /// An object's last name was removed.
    func removed(_ identity: Identity)
}

/// A name in a directory.
struct Place: Hashable, Sendable {
    let directory: Identity
    let name: FileName
}
