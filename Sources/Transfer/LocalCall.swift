import Kernel

/// Runs `body` and names `subject` in what it throws.
func local<R: ~Copyable>(
    _ subject: @autoclosure () -> String, _ body: () throws(SystemError) -> R
) throws(TransferError) -> R {
    do throws(SystemError) {
        return try body()
    } catch {
        throw TransferError(.local, "\(subject()): \(error.errno)", errno: error.errno)
    }
}
