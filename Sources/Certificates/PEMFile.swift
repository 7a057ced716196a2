import CCrypto
import Glibc
import Kernel

/// PEM files: certificates, revocation lists, a private key (PEM_read_bio_X509(3) and its family).
package enum PEMFile {
    /// Bytes a file may have: the trust store of a whole distribution has some 220 KiB.
    static let limit = 16 << 20

    /// Every certificate of a file, in its order; one at least.
    ///
    /// - Parameter purpose: what the file is, for the error: "certificate", "trust anchors".
    package static func certificates(
        _ path: String, purpose: String = "certificate"
    ) throws(CertificateError) -> [Certificate] {
        try list(path, purpose, "certificate") { PEM_read_bio_X509($0, nil, { _, _, _, _ in -1 }, nil) }
            .map { Certificate(takingOwnershipOf: $0) }
    }

    /// Every revocation list of a file; one at least.
    package static func revocationLists(_ path: String) throws(CertificateError) -> [RevocationList] {
        try list(path, "revocation list", "revocation list") {
            PEM_read_bio_X509_CRL($0, nil, { _, _, _, _ in -1 }, nil)
        }
        .map { RevocationList(takingOwnershipOf: $0) }
    }

    /// A private key, of a file that others may not read.
    package static func privateKey(_ path: String) throws(CertificateError) -> PrivateKey {
        let purpose = "private key"
        return try withContents(of: path, purpose, isSecret: true) { bio throws(CertificateError) in
            var asked = false
            OpenSSLError.clear()
            let key = PEM_read_bio_PrivateKey(
                bio, nil,
                { _, _, _, asked in
                    asked?.assumingMemoryBound(to: Bool.self).pointee = true
                    return -1
                }, &asked)
            if let key { return PrivateKey(takingOwnershipOf: key) }
            let error = OpenSSLError(draining: "reading the key")
            if asked {
                throw CertificateError(
                    .encrypted,
                    "\(purpose) \(path): a passphrase protects it, and a daemon has nobody to ask (openssl pkey"
                        + " writes it without one)")
            }
            throw malformed(purpose, path, "private key", error)
        }
    }

    // The callbacks that give no passphrase are there so that OpenSSL does not ask for one on the terminal.
    private static func list(
        _ path: String, _ purpose: String, _ item: String, _ next: (OpaquePointer) -> OpaquePointer?
    ) throws(CertificateError) -> [OpaquePointer] {
        try withContents(of: path, purpose, isSecret: false) { bio throws(CertificateError) in
            var found: [OpaquePointer] = []
            OpenSSLError.clear()
            while let one = next(bio) { found.append(one) }
            let error = OpenSSLError(draining: "reading \(path)")
            // That no other item begins is how the end of the file looks.
            let atEnd = error.entries.count == 1 && error.has(ERR_LIB_PEM, PEM_R_NO_START_LINE)
            guard atEnd, !found.isEmpty else {
                // Wrapped by nobody: given back through the owners that the caller would have made.
                for pointer in found {
                    if item == "certificate" { X509_free(pointer) } else { X509_CRL_free(pointer) }
                }
                throw malformed(purpose, path, item, error)
            }
            return found
        }
    }

    private static func malformed(
        _ purpose: String, _ path: String, _ item: String, _ error: OpenSSLError
    ) -> CertificateError {
        // Keys are read by way of decoders, which say in words of their own that none of them found anything.
        let nothing =
            error.has(ERR_LIB_PEM, PEM_R_NO_START_LINE)
            || error.entries.allSatisfy { $0.library == ERR_LIB_OSSL_DECODER }
        let reason = nothing ? "not PEM with a \(item) in it" : "a damaged \(item): \(error.reasons)"
        return CertificateError(.malformed, "\(purpose) \(path): \(reason)")
    }

    /// Reads a file into memory that is wiped afterwards, and hands it on as a BIO.
    private static func withContents<R>(
        of path: String, _ purpose: String, isSecret: Bool, _ body: (OpaquePointer) throws(CertificateError) -> R
    ) throws(CertificateError) -> R {
        let file = try onFile(purpose) { () throws(SystemError) in try Files.open(path, O_RDONLY | O_NONBLOCK) }
        let status = try onFile(purpose) { () throws(SystemError) in try Files.status(file.raw) }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw CertificateError(.file, "\(purpose) \(path): not a file")
        }
        if isSecret && status.st_mode & S_IROTH != 0 {
            throw CertificateError(
                .exposed, "\(purpose) \(path): every user of this machine can read it (chmod o= \(path))")
        }
        guard status.st_size <= limit else {
            throw CertificateError(
                .malformed, "\(purpose) \(path): \(status.st_size) bytes, more than the \(limit) it may have")
        }
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: max(1, Int(status.st_size)), alignment: 16)
        defer {
            if let start = buffer.baseAddress { explicit_bzero(start, buffer.count) }
            buffer.deallocate()
        }
        let count = try onFile(purpose) { () throws(SystemError) in
            do throws(SystemError) {
                return try Files.read(file.raw, into: buffer, at: 0)
            } catch {
                throw error.on(path)
            }
        }
        guard let bio = BIO_new_mem_buf(buffer.baseAddress, Int32(clamping: count)) else {
            throw CertificateError(OpenSSLError(draining: "reading \(path)"))
        }
        defer { BIO_free(bio) }
        return try body(bio)
    }
}
