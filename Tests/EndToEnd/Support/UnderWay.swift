import Glibc
import TestSupport

/// Waits until a temporary file of xfer in `directory` has more than `size` bytes on the disk: the transfer is well under
/// way. (Its size is that of the whole from the start.)
func underWay(_ directory: String, beyond size: Int, _ program: RunningProgram) throws {
    // A file's growth has no event to wait for.
    let isUnderWay = try eventually(within: 60) {
        let isLarge = names(in: directory).contains { name in
            guard name.hasSuffix(".xfer"), let status = try? status(of: directory + "/" + name) else { return false }
            return Int(status.st_blocks) * 512 > size
        }
        if isLarge { return true }
        guard program.ended == nil else { throw Unexpected("it ended before it was under way: \(program.error)") }
        return false
    }
    guard isUnderWay else { throw Unexpected("no transfer under way in \(directory)") }
}
