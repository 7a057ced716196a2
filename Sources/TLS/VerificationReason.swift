import COpenSSL
import Certificates
import Glibc
import Handshake
import SecureChannel

/// What X509_verify_cert(3) found wrong, in words.
enum VerificationReason {
    static func text(_ store: OpaquePointer, _ context: TLSContext) -> String {
        let error = X509_STORE_CTX_get_error(store)
        guard let current = X509_STORE_CTX_get_current_cert(store) ?? X509_STORE_CTX_get0_cert(store) else {
            return "the certificate was refused: \(words(error))"
        }
        let description = CertificateDescription(of: current)
        let depth = X509_STORE_CTX_get_error_depth(store)
        let subject = depth == 0 ? "the certificate" : "the certificate of an authority in its chain"
        let which = which(description)
        switch error {
        case X509_V_ERR_CERT_HAS_EXPIRED:
            return "\(subject) expired on \(date(description.notAfter)) \(which)"
        case X509_V_ERR_CERT_NOT_YET_VALID:
            return "\(subject) is not valid before \(date(description.notBefore)) \(which); it is"
                + " \(UTCTime.text(time(nil))) here"
        case X509_V_ERR_CERT_REVOKED:
            return "\(subject) was revoked by its issuer, \(issuer(description)) \(which)"
        case X509_V_ERR_UNABLE_TO_GET_CRL:
            return "\(subject) cannot be checked for revocation: \(revocations(context)) has no list of its issuer,"
                + " \(issuer(description)) \(which)"
        case X509_V_ERR_CRL_HAS_EXPIRED:
            return "\(subject) cannot be checked for revocation: the list of its issuer, \(issuer(description)), in"
                + " \(revocations(context)) is out of date \(which)"
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
            X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
            if hasNamesake(store, X509_get_issuer_name(current)) {
                return "\(subject) is not trusted: its issuer, \(issuer(description)), has the name of one among"
                    + " \(anchors(context)) and another key: a different authority of the same name \(which)"
            }
            return "\(subject) is not trusted: its issuer, \(issuer(description)), is not among"
                + " \(anchors(context)), nor did the peer send a chain that leads there \(which)"
        case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
            return "\(subject) is not trusted: it is signed by itself and not among \(anchors(context)) \(which)"
        case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
            return "the certificate is not trusted: its chain ends in \(named(description.subject)), which is not among"
                + " \(anchors(context)) (leaf \(leaf(store)))"
        case X509_V_ERR_CERT_SIGNATURE_FAILURE:
            return "\(subject) is not trusted: its signature was not made by \(issuer(description)) \(which)"
        case X509_V_ERR_INVALID_CA:
            return "\(subject) is not one that may issue certificates \(which)"
        default:
            return "\(subject) was refused: \(words(error)) \(which)"
        }
    }

    /// `(certificate CN=name, issuer CN=authority, serial 12AB)`
    static func which(_ description: CertificateDescription) -> String {
        "(certificate \(named(description.subject)), issuer \(issuer(description)), serial \(description.serial))"
    }

    /// Whether a trust anchor has this name, X509_STORE_CTX_get_by_subject(3).
    private static func hasNamesake(_ store: OpaquePointer, _ name: OpaquePointer?) -> Bool {
        guard let name, let found = X509_STORE_CTX_get_obj_by_subject(store, X509_LU_X509, name) else { return false }
        X509_OBJECT_free(found)
        return true
    }

    private static func issuer(_ description: CertificateDescription) -> String { named(description.issuer) }

    private static func named(_ name: String) -> String { name.isEmpty ? "without a subject" : name }

    private static func leaf(_ store: OpaquePointer) -> String {
        guard let leaf = X509_STORE_CTX_get0_cert(store) else { return "unknown" }
        return named(CertificateDescription(of: leaf).subject)
    }

    private static func date(_ seconds: Int?) -> String { seconds.map(UTCTime.text) ?? "an unreadable date" }

    private static func words(_ error: Int32) -> String { String(cString: X509_verify_cert_error_string(Int(error))) }

    private static func revocations(_ context: TLSContext) -> String {
        context.configuration.revocationFile ?? "the revocation list"
    }

    private static func anchors(_ context: TLSContext) -> String {
        if let file = context.configuration.trustAnchorsFile { return "the trust anchors of \(file)" }
        return context.role == .client
            ? "the trust anchors of this system" : "the trust anchors: none were configured"
    }
}
