package import Kernel
import SystemPackage

/// A certificate, a key or a name that cannot be used, and why.
package struct CertificateError: Error, Sendable, CustomStringConvertible {
    package enum Kind: Sendable {
        /// A name that cannot stand in a certificate or be a file's name.
        case invalidName
        /// Something is there already and would be lost.
        case exists
        /// A file that is not there.
        case missing
        /// A file that cannot be read or written.
        case file
        /// A file whose contents are not what they must be.
        case malformed
        /// A private key that a passphrase protects.
        case encrypted
        /// A private key that others can read.
        case exposed
        /// A private key that does not belong to the certificate.
        case mismatch
        /// A setting that makes no sense.
        case invalidSetting
        /// OpenSSL could not do its part.
        case crypto
    }

    package let kind: Kind
    package let reason: String

    package init(_ kind: Kind, _ reason: String) {
        self.kind = kind
        self.reason = reason
    }

    /// - Parameter purpose: what the file is, such as "private key".
    package init(_ error: SystemError, purpose: String) {
        kind = error.errno == .noSuchFileOrDirectory ? .missing : .file
        reason = "\(purpose) \(error)"
    }

    package init(_ error: OpenSSLError) {
        kind = .crypto
        reason = "\(error)"
    }

    package var description: String { reason }
}

/// Makes file calls, and says in their errors what the file is.
func onFile<R: ~Copyable>(
    _ purpose: String, _ body: () throws(SystemError) -> R
) throws(CertificateError) -> R {
    do throws(SystemError) {
        return try body()
    } catch {
        throw CertificateError(error, purpose: purpose)
    }
}

/// Makes OpenSSL calls whose failure is nobody's fault but the library's.
func inCrypto<R>(_ body: () throws(OpenSSLError) -> R) throws(CertificateError) -> R {
    do throws(OpenSSLError) {
        return try body()
    } catch {
        throw CertificateError(error)
    }
}
