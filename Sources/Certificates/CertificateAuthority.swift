import CCrypto
import Glibc
import Kernel
import SystemPackage

/// A certificate authority in a directory: `ca.pem`, its certificate, and `ca.key`, its private key, mode 0600.
///
/// Keys are ECDSA on P-256. Whoever holds `ca.pem` as a trust anchor trusts every certificate issued here.
package struct CertificateAuthority: Sendable {
    /// The directory's path.
    package let directory: String
    package let certificate: Certificate
    /// What follows an issued certificate so that a peer can verify it: empty for a root, whose certificate the peer
    /// has.
    private let chain: [Certificate]
    private let key: PrivateKey

    /// The certificate's path, for a peer's `cafile`.
    package var certificateFile: String { directory + "/ca.pem" }

    /// Ten years.
    package static let defaultDays = 3650

    /// Makes a new authority that nobody stands above.
    ///
    /// - Parameters:
    ///   - directory: made with mode 0700 where it is not there; the one above it must be.
    ///   - name: its common name, 1 to 64 characters.
    /// - Throws: ``CertificateError``; `exists` where the directory has an authority, which stays untouched.
    package static func create(
        at directory: String, name: String = "tlsd certificate authority", validity: Validity? = nil
    ) throws(CertificateError) -> CertificateAuthority {
        try create(at: directory, name, validity, under: nil)
    }

    /// Makes an authority that this one vouches for, in a directory of its own.
    ///
    /// What it issues carries its certificate along, so that peers need only trust this one.
    package func createSubordinate(
        at directory: String, name: String, validity: Validity? = nil
    ) throws(CertificateError) -> CertificateAuthority {
        try Self.create(at: directory, name, validity, under: self)
    }

    private static func create(
        at path: String, _ name: String, _ validity: Validity?, under parent: CertificateAuthority?
    ) throws(CertificateError) -> CertificateAuthority {
        try checkCommonName(name)
        let purpose = "certificate authority"
        try onFile(purpose) { () throws(SystemError) in
            do throws(SystemError) {
                try systemCall("mkdir", on: path) { mkdir(path, 0o700) }
            } catch {
                if error.errno != .fileExists { throw error }
            }
        }
        let directory = try onFile(purpose) { () throws(SystemError) in try LockedDirectory(path) }
        // ca.pem comes last: a key without it is what an interrupted run left, and nobody has used it.
        if try onFile(purpose, { () throws(SystemError) in try directory.has("ca.pem") }) {
            throw CertificateError(
                .exists,
                "\(path): has a certificate authority (ca.pem), and a new one would make every certificate it issued"
                    + " worthless; move it away first")
        }
        let template = CertificateTemplate(
            role: .authority, commonName: name, alternativeNames: [], validity: try chosen(validity, defaultDays))
        let made = try inCrypto { () throws(OpenSSLError) in
            let key = try PrivateKey.generate()
            return (
                key, try template.sign(key, issuer: parent?.certificate, signer: parent?.key ?? key)
            )
        }
        let chain = parent.map { [made.1] + $0.chain } ?? []
        try publish(
            key: made.0, certificates: parent == nil ? [made.1] : chain, name: "ca", in: directory)
        return CertificateAuthority(directory: path, certificate: made.1, chain: chain, key: made.0)
    }

    /// Opens the authority that ``create(at:name:validity:)`` made.
    ///
    /// - Throws: ``CertificateError`` naming the file and what is wrong with it.
    package static func open(at directory: String) throws(CertificateError) -> CertificateAuthority {
        let certificates = try PEMFile.certificates(directory + "/ca.pem", purpose: "certificate authority")
        let key = try PEMFile.privateKey(directory + "/ca.key")
        let certificate = certificates[0]
        guard X509_check_ca(certificate.pointer) != 0 else {
            throw CertificateError(
                .malformed, "certificate authority \(directory)/ca.pem: not a certificate that may issue others")
        }
        guard certificate.matches(key) else {
            throw CertificateError(
                .mismatch, "private key \(directory)/ca.key: not the key of the certificate \(directory)/ca.pem")
        }
        let chain = certificate.isSelfIssued ? [] : certificates
        return CertificateAuthority(directory: directory, certificate: certificate, chain: chain, key: key)
    }

    /// Whether `directory` has an authority.
    package static func exists(at directory: String) -> Bool { access(directory + "/ca.pem", F_OK) == 0 }

    /// A certificate and its key on the disk.
    package struct Issued: Sendable {
        /// The certificate, followed by the authority's where a peer needs that to verify it.
        package let certificateFile: String
        /// Mode 0600.
        package let keyFile: String
        package let description: CertificateDescription

        package init(certificateFile: String, keyFile: String, description: CertificateDescription) {
            self.certificateFile = certificateFile
            self.keyFile = keyFile
            self.description = description
        }
    }

    /// Issues a certificate for a server, for `rpcTLSServer` and `serverAuth`.
    ///
    /// - Parameters:
    ///   - names: DNS names and addresses in digits, one at least. No wildcards: RFC 9289 section 5.2.1.
    ///   - file: the files are FILE.pem and FILE.key; the first name where nil.
    ///   - target: the directory they go to; the authority's own where nil.
    ///   - validity: 397 days from now where nil.
    ///   - replace: whether files of that name may be there and are replaced.
    package func issueServer(
        names: [String], file: String? = nil, in target: String? = nil, validity: Validity? = nil, replace: Bool = false
    ) throws(CertificateError) -> Issued {
        guard let first = names.first else {
            throw CertificateError(.invalidName, "a server's certificate without a name for the server")
        }
        var alternativeNames: [AlternativeName] = []
        for name in names {
            let alternative = try AlternativeName(name)
            if case .user = alternative {
                throw CertificateError(.invalidName, "'\(printable(name))': a user, where a server's name is wanted")
            }
            if !alternativeNames.contains(alternative) { alternativeNames.append(alternative) }
        }
        let template = CertificateTemplate(
            role: .server, commonName: first.utf8.count <= 64 ? first : nil, alternativeNames: alternativeNames,
            validity: try Self.chosen(validity, Self.issuedDays))
        return try issue(template, file ?? first, target ?? directory, replace)
    }

    /// Issues a certificate for a client, for `rpcTLSClient` and `clientAuth`.
    ///
    /// - Parameters:
    ///   - name: the common name, 1 to 64 characters.
    ///   - alternativeNames: DNS names, addresses in digits, `user@domain`, one at most; see ``AlternativeName``.
    ///   - file: the files are FILE.pem and FILE.key; `name` where nil.
    package func issueClient(
        name: String, alternativeNames: [String] = [], file: String? = nil, in target: String? = nil,
        validity: Validity? = nil, replace: Bool = false
    ) throws(CertificateError) -> Issued {
        try Self.checkCommonName(name)
        var alternatives: [AlternativeName] = []
        for text in alternativeNames { alternatives.append(try AlternativeName(text)) }
        let users = alternatives.count { if case .user = $0 { true } else { false } }
        guard users <= 1 else {
            throw CertificateError(.invalidName, "\(users) users for one certificate, where a server takes one")
        }
        let template = CertificateTemplate(
            role: .client, commonName: name, alternativeNames: alternatives,
            validity: try Self.chosen(validity, Self.issuedDays))
        return try issue(template, file ?? name, target ?? directory, replace)
    }

    /// What browsers accept at most; a year and a month of grace.
    package static let issuedDays = 397

    private func issue(
        _ template: CertificateTemplate, _ file: String, _ target: String, _ replace: Bool
    ) throws(CertificateError) -> Issued {
        try Self.checkFileName(file)
        guard template.validity.notBefore <= template.validity.notAfter else {
            throw CertificateError(.invalidSetting, "a certificate that ends before it begins")
        }
        let made = try inCrypto { () throws(OpenSSLError) in
            let key = try PrivateKey.generate()
            return (key, try template.sign(key, issuer: certificate, signer: self.key))
        }
        let directory = try onFile("directory for certificates") { () throws(SystemError) in
            try LockedDirectory(target)
        }
        let isThere = try onFile("certificate") { () throws(SystemError) in
            try directory.has(file + ".pem")
        }
        if !replace && isThere {
            throw CertificateError(.exists, "\(target)/\(file).pem: is there already; --replace replaces it")
        }
        try Self.publish(key: made.0, certificates: [made.1] + chain, name: file, in: directory)
        return Issued(
            certificateFile: "\(target)/\(file).pem", keyFile: "\(target)/\(file).key", description: made.1.description)
    }

    /// Writes both files under temporary names, then names the key, then the certificate.
    ///
    /// Two renames are two steps: a machine that dies between them leaves a key without its certificate, which whoever
    /// loads them is told; issuing again mends it.
    private static func publish(
        key: PrivateKey, certificates: [Certificate], name: String, in directory: borrowing LockedDirectory
    ) throws(CertificateError) {
        let raw = directory.raw
        let keyFile = try pem("private key \(name).key") { bio in
            PEM_write_bio_PrivateKey(bio, key.pointer, nil, nil, 0, nil, nil)
        } stage: { bytes throws(SystemError) in
            try StagedFile(name + ".key", in: raw, mode: 0o600, bytes)
        }
        let certificateFile = try pem("certificate \(name).pem") { bio in
            certificates.allSatisfy { PEM_write_bio_X509(bio, $0.pointer) == 1 } ? 1 : 0
        } stage: { bytes throws(SystemError) in
            try StagedFile(name + ".pem", in: raw, mode: 0o644, bytes)
        }
        try onFile("private key") { () throws(SystemError) in try keyFile.publish() }
        try onFile("certificate") { () throws(SystemError) in
            try certificateFile.publish()
            try directory.synchronize()
        }
    }

    private static func pem(
        _ what: String, write: (OpaquePointer) -> Int32,
        stage: (UnsafeRawBufferPointer) throws(SystemError) -> StagedFile
    ) throws(CertificateError) -> StagedFile {
        let bio = try inCrypto { () throws(OpenSSLError) in
            let bio = try openSSL("writing \(what)") { BIO_new(BIO_s_mem()) }
            do throws(OpenSSLError) {
                try openSSLStatus("writing \(what)") { write(bio) }
            } catch {
                BIO_free(bio)
                throw error
            }
            return bio
        }
        // A memory BIO wipes what it held: BUF_MEM_free.
        defer { BIO_free(bio) }
        var bytes: UnsafeMutablePointer<CChar>?
        let count = ccrypto_bio_bytes(bio, &bytes)
        return try onFile(what) { () throws(SystemError) in
            try stage(UnsafeRawBufferPointer(start: bytes, count: count))
        }
    }

    private static func chosen(_ validity: Validity?, _ days: Int) throws(CertificateError) -> Validity {
        if let validity { return validity }
        return try .days(days)
    }

    private static func checkCommonName(_ name: String) throws(CertificateError) {
        func refuse(_ reason: String) -> CertificateError {
            CertificateError(.invalidName, "'\(printable(name))': \(reason)")
        }
        if name.isEmpty { throw CertificateError(.invalidName, "an empty name") }
        // ub-common-name, RFC 5280 appendix A.1
        if name.unicodeScalars.count > 64 {
            throw refuse("longer than the 64 characters a certificate's name may have")
        }
        if name.utf8.contains(UInt8(ascii: "*")) { throw refuse("a wildcard, which RPC-with-TLS does not have") }
        if name.utf8.contains(UInt8(ascii: "/")) { throw refuse("'/' cannot be in a name") }
        if name.unicodeScalars.contains(where: { $0.value < 0x20 || (0x7f...0x9f).contains($0.value) }) {
            throw refuse("control characters cannot be in a name")
        }
    }

    private static func checkFileName(_ name: String) throws(CertificateError) {
        func refuse(_ reason: String) -> CertificateError {
            CertificateError(.invalidName, "'\(printable(name))' as a file's name: \(reason)")
        }
        if name.isEmpty { throw refuse("it is empty") }
        if name.utf8.contains(where: { $0 == UInt8(ascii: "/") || $0 < 0x20 || $0 == 0x7f }) {
            throw refuse("'/' and control characters cannot be in it")
        }
        if name.hasPrefix(".") || name.hasPrefix("-") { throw refuse("it begins with '.' or '-'") }
        if name.utf8.count > 200 { throw refuse("longer than 200 bytes") }
        if name == "ca" { throw refuse("the authority's own files have it") }
    }
}
