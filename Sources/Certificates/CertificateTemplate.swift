import CCrypto
import Glibc

/// What a certificate is to say, and how it is signed (RFC 5280 section 4).
struct CertificateTemplate {
    enum Role: Equatable {
        case authority
        case server
        case client
    }

    let role: Role
    /// The subject's common name: 1 to 64 characters. Nil: an empty subject.
    let commonName: String?
    let alternativeNames: [AlternativeName]
    let validity: Validity

    /// Makes the certificate of `key`.
    ///
    /// - Parameters:
    ///   - issuer: who issues it; nil for a certificate that names itself.
    ///   - signer: the issuer's key, or `key` itself.
    func sign(_ key: PrivateKey, issuer: Certificate?, signer: PrivateKey) throws(OpenSSLError) -> Certificate {
        let operation = "making a certificate"
        let certificate = Certificate(takingOwnershipOf: try openSSL(operation) { X509_new() })
        let x509 = certificate.pointer
        // The number of version 3 is 2.
        try openSSLStatus(operation) { X509_set_version(x509, 2) }
        try setSerial(of: x509)
        try setTime(validity.notBefore) { X509_set1_notBefore(x509, $0) }
        try setTime(validity.notAfter) { X509_set1_notAfter(x509, $0) }
        if let commonName {
            let name = X509_get_subject_name(x509)
            let bytes = Array(commonName.utf8)
            try openSSLStatus(operation) {
                X509_NAME_add_entry_by_NID(
                    name, NID_commonName, Int32(MBSTRING_UTF8), bytes, Int32(clamping: bytes.count), -1, 0)
            }
        }
        let issuerX509 = issuer?.pointer ?? x509
        try openSSLStatus(operation) { X509_set_issuer_name(x509, X509_get_subject_name(issuerX509)) }
        try openSSLStatus(operation) { X509_set_pubkey(x509, key.pointer) }
        try addExtensions(to: x509, issuer: issuerX509)
        try openSSLStatus("signing a certificate") { X509_sign(x509, signer.pointer, EVP_sha256()) }
        return certificate
    }

    /// 128 random bits: RFC 5280 section 4.1.2.2 allows 20 bytes, and no two certificates of an authority share a
    /// number.
    private func setSerial(of x509: OpaquePointer) throws(OpenSSLError) {
        let operation = "making a serial number"
        let number = try openSSL(operation) { BN_new() }
        defer { BN_free(number) }
        repeat {
            try openSSLStatus(operation) { BN_rand(number, 128, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) }
        } while BN_is_zero(number) == 1
        try openSSLStatus(operation) { BN_to_ASN1_INTEGER(number, X509_get_serialNumber(x509)) == nil ? 0 : 1 }
    }

    private func setTime(_ seconds: Int, _ set: (UnsafePointer<ASN1_TIME>) -> Int32) throws(OpenSSLError) {
        let time = try openSSL("setting a certificate's dates") { ASN1_TIME_set(nil, seconds) }
        defer { ASN1_STRING_free(time) }
        try openSSLStatus("setting a certificate's dates") { set(time) }
    }

    private func addExtensions(to x509: OpaquePointer, issuer: OpaquePointer) throws(OpenSSLError) {
        var context = X509V3_CTX()
        X509V3_set_ctx(&context, issuer, x509, nil, nil, 0)
        // The texts are ours; a name from outside never becomes part of one, since commas and colons have a meaning
        // there.
        func add(_ identifier: Int32, _ text: String) throws(OpenSSLError) {
            let operation = "adding an extension to a certificate"
            let made = try openSSL(operation) { X509V3_EXT_conf_nid(nil, &context, identifier, text) }
            defer { X509_EXTENSION_free(made) }
            try openSSLStatus(operation) { X509_add_ext(x509, made, -1) }
        }
        switch role {
        case .authority:
            try add(NID_basic_constraints, "critical,CA:TRUE")
            try add(NID_key_usage, "critical,keyCertSign,cRLSign")
        case .server:
            try add(NID_basic_constraints, "critical,CA:FALSE")
            try add(NID_key_usage, "critical,digitalSignature")
            try add(NID_ext_key_usage, "\(ExtendedKeyUsage.rpcTLSServer),\(ExtendedKeyUsage.serverAuth)")
        case .client:
            try add(NID_basic_constraints, "critical,CA:FALSE")
            try add(NID_key_usage, "critical,digitalSignature")
            try add(NID_ext_key_usage, "\(ExtendedKeyUsage.rpcTLSClient),\(ExtendedKeyUsage.clientAuth)")
        }
        try add(NID_subject_key_identifier, "hash")
        try add(NID_authority_key_identifier, "keyid:always")
        if !alternativeNames.isEmpty { try addAlternativeNames(to: x509) }
    }

    private func addAlternativeNames(to x509: OpaquePointer) throws(OpenSSLError) {
        let operation = "adding the names to a certificate"
        let list = try openSSL(operation) { GENERAL_NAMES_new() }
        defer { GENERAL_NAMES_free(list) }
        for name in alternativeNames {
            let entry = try openSSL(operation) { GENERAL_NAME_new() }
            do throws(OpenSSLError) {
                try fill(entry, with: name)
                try openSSLStatus(operation) { OPENSSL_sk_push(list, entry) }
            } catch {
                GENERAL_NAME_free(entry)
                throw error
            }
        }
        // RFC 5280 section 4.2.1.6: critical where it is all that names the subject.
        try openSSLStatus(operation) {
            X509_add1_ext_i2d(x509, NID_subject_alt_name, UnsafeMutableRawPointer(list), commonName == nil ? 1 : 0, 0)
        }
    }

    private func fill(_ entry: UnsafeMutablePointer<GENERAL_NAME>, with name: AlternativeName) throws(OpenSSLError) {
        switch name {
        case .dns(let text):
            GENERAL_NAME_set0_value(entry, GEN_DNS, try string(V_ASN1_IA5STRING, Array(text.utf8)))
        case .address(let bytes):
            GENERAL_NAME_set0_value(entry, GEN_IPADD, try string(V_ASN1_OCTET_STRING, bytes))
        case .user(let text):
            let operation = "adding a user to a certificate"
            let identifier = try openSSL(operation) { OBJ_txt2obj(AlternativeName.userIdentifier, 1) }
            let value = try openSSL(operation) { ASN1_TYPE_new() }
            ASN1_TYPE_set(value, V_ASN1_UTF8STRING, try string(V_ASN1_UTF8STRING, Array(text.utf8)))
            try openSSLStatus(operation) { GENERAL_NAME_set0_othername(entry, identifier, value) }
        }
    }

    private func string(_ type: Int32, _ bytes: [UInt8]) throws(OpenSSLError) -> UnsafeMutablePointer<ASN1_STRING> {
        let string = try openSSL("making a name") { ASN1_STRING_type_new(type) }
        try openSSLStatus("making a name") { ASN1_STRING_set(string, bytes, Int32(clamping: bytes.count)) }
        return string
    }
}
