import COpenSSL
import Certificates
import Glibc
import Testing

/// Certificates and revocation lists as another authority might make them.
enum ForeignCertificate {
    /// A certificate of the key of `original`, which stays in its file.
    static func issue(
        by authority: CertificateAuthority, like original: CertificateAuthority.Issued, names: String, usage: String,
        keyUsage: String
    ) throws -> CertificateAuthority.Issued {
        let x509 = try #require(X509_new())
        let key = try PEMFile.privateKey(original.keyFile)
        let signer = try PEMFile.privateKey(authority.directory + "/ca.key")
        X509_set_version(x509, 2)
        ASN1_INTEGER_set(X509_get_serialNumber(x509), 7)
        X509_gmtime_adj(X509_getm_notBefore(x509), -60)
        X509_gmtime_adj(X509_getm_notAfter(x509), 3600)
        X509_NAME_add_entry_by_txt(X509_get_subject_name(x509), "CN", MBSTRING_ASC, "files.example", -1, -1, 0)
        X509_set_issuer_name(x509, X509_get_subject_name(authority.certificate.pointer))
        X509_set_pubkey(x509, key.pointer)
        var extensions = [(NID_subject_alt_name, names), (NID_key_usage, "critical," + keyUsage)]
        if !usage.isEmpty { extensions.append((NID_ext_key_usage, usage)) }
        for (identifier, text) in extensions {
            let one = try #require(X509V3_EXT_conf_nid(nil, nil, identifier, text))
            X509_add_ext(x509, one, -1)
            X509_EXTENSION_free(one)
        }
        #expect(X509_sign(x509, signer.pointer, EVP_sha256()) > 0)
        let path = authority.directory + "/foreign-\(UInt32.random(in: 0 ... .max)).pem"
        let bio = try #require(BIO_new_file(path, "w"))
        PEM_write_bio_X509(bio, x509)
        BIO_free(bio)
        let certificate = Certificate(takingOwnershipOf: x509)
        return CertificateAuthority.Issued(
            certificateFile: path, keyFile: original.keyFile, description: certificate.description)
    }

    /// A revocation list in a file, good for an hour.
    static func revoke(
        _ certificates: [CertificateAuthority.Issued], by authority: CertificateAuthority
    ) throws -> String {
        let list = RevocationList(takingOwnershipOf: try #require(X509_CRL_new()))
        let signer = try PEMFile.privateKey(authority.directory + "/ca.key")
        X509_CRL_set_version(list.pointer, 1)
        X509_CRL_set_issuer_name(list.pointer, X509_get_subject_name(authority.certificate.pointer))
        let begin = ASN1_TIME_set(nil, time(nil) - 60)
        let end = ASN1_TIME_set(nil, time(nil) + 3600)
        defer {
            ASN1_STRING_free(begin)
            ASN1_STRING_free(end)
        }
        X509_CRL_set1_lastUpdate(list.pointer, begin)
        X509_CRL_set1_nextUpdate(list.pointer, end)
        for issued in certificates {
            let certificate = try PEMFile.certificates(issued.certificateFile)[0]
            let entry = try #require(X509_REVOKED_new())
            X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(certificate.pointer))
            X509_REVOKED_set_revocationDate(entry, begin)
            X509_CRL_add0_revoked(list.pointer, entry)
        }
        X509_CRL_sort(list.pointer)
        #expect(X509_CRL_sign(list.pointer, signer.pointer, EVP_sha256()) > 0)
        let path = authority.directory + "/crl-\(UInt32.random(in: 0 ... .max)).pem"
        let bio = try #require(BIO_new_file(path, "w"))
        PEM_write_bio_X509_CRL(bio, list.pointer)
        BIO_free(bio)
        return path
    }
}
