import CCrypto
import Glibc

/// What a certificate says, as text that is safe to print.
package struct CertificateDescription: Sendable, Equatable {
    /// The subject and the issuer as RFC 2253 writes them; empty where the name is.
    package let subject: String
    package let issuer: String
    /// Hexadecimal, upper case, as `openssl x509 -serial` has it.
    package let serial: String
    /// `DNS:name`, `IP:address`, `email:`, `URI:`, `otherName:OID;text`, `dirName:`, `RID:`.
    package let alternativeNames: [String]
    /// SHA-256 of the certificate in hexadecimal, lower case, without colons.
    package let fingerprint: String
    /// Seconds since 1970; nil where the certificate holds no valid time.
    package let notBefore: Int?
    package let notAfter: Int?
    /// Dotted object identifiers; nil where the certificate has no such extension.
    package let extendedKeyUsages: [String]?
    /// The user it stands for.
    package let userName: UserName.Claim

    /// - Parameter certificate: an X509*, which stays the caller's.
    package init(of certificate: OpaquePointer) {
        OpenSSLError.clear()
        subject = Self.text(of: X509_get_subject_name(certificate))
        issuer = Self.text(of: X509_get_issuer_name(certificate))
        serial = Self.serial(of: certificate)
        (alternativeNames, userName) = Self.alternativeNames(of: certificate)
        fingerprint = Self.fingerprint(of: certificate)
        notBefore = UTCTime.seconds(X509_get0_notBefore(certificate))
        notAfter = UTCTime.seconds(X509_get0_notAfter(certificate))
        extendedKeyUsages = Self.extendedKeyUsages(of: certificate)
        OpenSSLError.clear()
    }

    /// The first certificate of a PEM file.
    package init(file: String) throws(CertificateError) {
        self = try PEMFile.certificates(file)[0].description
    }

    private static func text(of name: OpaquePointer?) -> String {
        guard let name, let bio = BIO_new(BIO_s_mem()) else { return "" }
        defer { BIO_free(bio) }
        guard X509_NAME_print_ex(bio, name, 0, ccrypto_name_rfc2253()) >= 0 else { return "" }
        var bytes: UnsafeMutablePointer<CChar>?
        let count = ccrypto_bio_bytes(bio, &bytes)
        // RFC 2253 escapes with a backslash, so that one stays as it is; control characters it has escaped already.
        return String(decoding: UnsafeRawBufferPointer(start: bytes, count: count), as: UTF8.self)
    }

    private static func serial(of certificate: OpaquePointer) -> String {
        guard let number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), nil) else { return "" }
        defer { BN_free(number) }
        guard let text = BN_bn2hex(number) else { return "" }
        defer { CRYPTO_free(text, #file, #line) }
        return String(cString: text)
    }

    private static func fingerprint(of certificate: OpaquePointer) -> String {
        var digest = [UInt8](repeating: 0, count: Int(EVP_MAX_MD_SIZE))
        var count: UInt32 = 0
        guard X509_digest(certificate, EVP_sha256(), &digest, &count) == 1 else { return "" }
        return hexadecimal(digest.prefix(Int(count)))
    }

    private static func extendedKeyUsages(of certificate: OpaquePointer) -> [String]? {
        var critical: Int32 = 0
        guard let list = X509_get_ext_d2i(certificate, NID_ext_key_usage, &critical, nil) else {
            // -1: there is none. Otherwise there is one that cannot be read, which allows nothing.
            return critical == -1 ? nil : []
        }
        let usages = OpaquePointer(list)
        defer { EXTENDED_KEY_USAGE_free(usages) }
        var result: [String] = []
        for index in 0..<max(0, OPENSSL_sk_num(usages)) {
            guard let object = OPENSSL_sk_value(usages, index) else { continue }
            result.append(identifier(OpaquePointer(object)))
        }
        return result
    }

    private static func alternativeNames(of certificate: OpaquePointer) -> ([String], UserName.Claim) {
        var critical: Int32 = 0
        guard let list = X509_get_ext_d2i(certificate, NID_subject_alt_name, &critical, nil) else {
            // -1: there are none. Otherwise there are some that cannot be read, or the extension is there twice.
            return ([], critical == -1 ? .nobody : .unusable("the subject alternative names cannot be read"))
        }
        let names = OpaquePointer(list)
        defer { GENERAL_NAMES_free(names) }
        var result: [String] = []
        var users: [UserName.Claim] = []
        for index in 0..<max(0, OPENSSL_sk_num(names)) {
            guard let name = OPENSSL_sk_value(names, index) else { continue }
            let general = name.assumingMemoryBound(to: GENERAL_NAME.self).pointee
            result.append(text(of: general))
            if let user = user(of: general) { users.append(user) }
        }
        guard users.count <= 1 else {
            return (result, .unusable("the certificate names \(users.count) users, not one"))
        }
        return (result, users.first ?? .nobody)
    }

    /// - Returns: nil where the name is no user's.
    private static func user(of name: GENERAL_NAME) -> UserName.Claim? {
        guard name.type == GEN_OTHERNAME, let other = name.d.otherName,
            identifier(other.pointee.type_id) == AlternativeName.userIdentifier
        else { return nil }
        guard let value = other.pointee.value, value.pointee.type == V_ASN1_UTF8STRING,
            let text = String(validating: bytes(value.pointee.value.asn1_string), as: UTF8.self)
        else { return .unusable("the certificate's user is no UTF8String") }
        do throws(CertificateError) {
            return .one(try UserName(text))
        } catch {
            return .unusable("the certificate's user \(error.reason)")
        }
    }

    private static func text(of name: GENERAL_NAME) -> String {
        switch name.type {
        case GEN_DNS: "DNS:" + printable(bytes(name.d.dNSName))
        case GEN_EMAIL: "email:" + printable(bytes(name.d.rfc822Name))
        case GEN_URI: "URI:" + printable(bytes(name.d.uniformResourceIdentifier))
        case GEN_IPADD: "IP:" + address(bytes(name.d.iPAddress))
        case GEN_DIRNAME: "dirName:" + text(of: name.d.directoryName)
        case GEN_RID: "RID:" + identifier(name.d.registeredID)
        case GEN_OTHERNAME: otherName(name.d.otherName)
        default: "type \(name.type)"
        }
    }

    private static func otherName(_ other: UnsafeMutablePointer<OTHERNAME>?) -> String {
        guard let other else { return "otherName" }
        let prefix = "otherName:" + identifier(other.pointee.type_id)
        guard let value = other.pointee.value else { return prefix }
        switch value.pointee.type {
        case V_ASN1_UTF8STRING, V_ASN1_IA5STRING, V_ASN1_PRINTABLESTRING:
            return prefix + ";" + printable(bytes(value.pointee.value.asn1_string))
        default:
            return prefix
        }
    }

    private static func bytes(_ string: UnsafePointer<ASN1_STRING>?) -> [UInt8] {
        guard let string, let data = ASN1_STRING_get0_data(string) else { return [] }
        return Array(UnsafeBufferPointer(start: data, count: Int(max(0, ASN1_STRING_length(string)))))
    }

    private static func bytes(_ string: UnsafeMutablePointer<ASN1_STRING>?) -> [UInt8] {
        bytes(string.map { UnsafePointer($0) })
    }

    private static func address(_ bytes: [UInt8]) -> String {
        guard bytes.count == 4 || bytes.count == 16 else { return "\(bytes.count) bytes " + hexadecimal(bytes) }
        var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        let family = bytes.count == 4 ? AF_INET : AF_INET6
        guard inet_ntop(family, bytes, &text, socklen_t(text.count)) != nil else { return hexadecimal(bytes) }
        return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    private static func identifier(_ object: OpaquePointer?) -> String {
        var text = [CChar](repeating: 0, count: 128)
        guard let object, OBJ_obj2txt(&text, Int32(text.count), object, 1) > 0 else { return "unknown" }
        return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
