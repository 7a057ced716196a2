/// Options as exports(5) writes them, word for word.
struct ExportOptionWords: Hashable {
    private(set) var options: ExportOptions
    // exports(5) has two switches where we have one of three values, and a later list may turn either.
    private var squashesRoot: Bool
    private var squashesAll: Bool

    init(_ options: ExportOptions = ExportOptions()) {
        self.options = options
        squashesRoot = options.squash != .none
        squashesAll = options.squash == .all
    }

    /// What a word is about: one list says each thing once.
    private enum Subject { case access, writes, root, all, uid, gid, protection, user, mount, ports, none }

    /// Takes a list's words on. What an earlier list said holds where this one says nothing.
    ///
    /// - Returns: the words that are wrong.
    mutating func take(_ words: [String]) -> [WrongWord] {
        var wrong: [WrongWord] = []
        var said: [Subject: String] = [:]
        for word in words {
            do throws(WrongWord) {
                let subject = try take(word)
                if subject == .none { continue }
                if let before = said.updateValue(word, forKey: subject) {
                    throw WrongWord(
                        word, before == word ? "it is given twice" : "\(before) stands in the same list; one of them")
                }
            } catch {
                wrong.append(error)
            }
        }
        if said[.user] != nil && said[.protection] == nil { options.protection = .mtls }
        options.squash = squashesAll ? .all : squashesRoot ? .root : .none
        return wrong
    }

    private mutating func take(_ word: String) throws(WrongWord) -> Subject {
        switch word {
        case "ro", "rw":
            options.readOnly = word == "ro"
            return .access
        case "sync", "async":
            options.synchronous = word == "sync"
            return .writes
        case "root_squash", "no_root_squash":
            squashesRoot = word == "root_squash"
            return .root
        case "all_squash", "no_all_squash":
            squashesAll = word == "all_squash"
            return .all
        case "secure", "insecure":
            options.reservedPort = word == "secure"
            return .ports
        case "tls":
            options.protection = .tls
            return .protection
        case "tlscert":
            options.protection = .mtls
            return .protection
        case "tlscertuser":
            options.userFromCertificate = true
            return .user
        case "cleartext_mount":
            options.cleartextMount = true
            return .mount
        // What they ask for is how it is here.
        case "no_subtree_check", "hide": return .none
        default: return try takeWithValue(word)
        }
    }

    private mutating func takeWithValue(_ word: String) throws(WrongWord) -> Subject {
        let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        let name = parts.first.map(String.init) ?? ""
        let value = parts.dropFirst().first.map(String.init)
        switch name {
        case "anonuid":
            options.anonymousUID = try Self.identity(value, word)
            return .uid
        case "anongid":
            options.anonymousGID = try Self.identity(value, word)
            return .gid
        case "xprtsec":
            options.protection = try Self.weakest(value, word)
            return .protection
        default: throw WrongWord(word, Self.whyNot(name))
        }
    }

    /// 4294967295 is no user: setfsuid(2) takes it for a question and changes nothing.
    private static func identity(_ value: String?, _ word: String) throws(WrongWord) -> UInt32 {
        guard let value, !value.isEmpty, value.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
            let number = UInt32(value), number < .max
        else { throw WrongWord(word, "a number from 0 to 4294967294 stands behind the =") }
        return number
    }

    private static func weakest(_ value: String?, _ word: String) throws(WrongWord) -> TransportProtection {
        var weakest: TransportProtection?
        for part in (value ?? "").split(separator: ":", omittingEmptySubsequences: false) {
            guard let one = TransportProtection.allCases.first(where: { $0.word == part }) else {
                throw WrongWord(word, "none, tls and mtls stand behind the =, with : between them")
            }
            weakest = min(weakest ?? one, one)
        }
        return weakest ?? .mtls
    }

    /// The reason why a word is not taken.
    private static func whyNot(_ name: String) -> String {
        switch name {
        case "": "an option is missing between commas"
        case "ro", "rw", "sync", "async", "root_squash", "no_root_squash", "all_squash", "no_all_squash", "secure",
            "insecure", "tls", "tlscert", "tlscertuser", "cleartext_mount", "no_subtree_check", "hide":
            "\(name) takes no value"
        case "nohide", "crossmnt", "mountpoint", "mp":
            "not served here: a file system that is mounted below an export needs an export of its own"
        case "subtree_check": "not checked here: a file handle reaches what its export's file system has"
        case "sec": "Kerberos is not served here; xprtsec= says how a connection is protected"
        case "fsid": "not needed here: file handles go by the export's name and directory"
        case "refer", "replicas": "NFS version 4 is not served here"
        case "maproot":
            "FreeBSD's word; here no_root_squash is its root, and root_squash with anonuid= and anongid= anybody else"
        case "mapall": "FreeBSD's word; here it is all_squash, with anonuid= and anongid="
        case "network", "mask": "FreeBSD's word; here a network is a client behind the path, such as 192.0.2.0/24"
        case "alldirs": "FreeBSD's word; here every directory below an exported one may be mounted"
        case "webnfs", "index", "public", "quiet":
            "a word of FreeBSD's exports(5) that is not served here; leave it out"
        case "wdelay", "no_wdelay", "nocrossmnt", "acl", "no_acl", "auth_nlm", "no_auth_nlm", "secure_locks",
            "insecure_locks", "pnfs", "no_pnfs", "security_label", "nordirplus":
            "this option of exports(5) is not served here; leave it out"
        default: "there is no such option"
        }
    }
}

extension ExportOptions {
    /// What is wrong with them together.
    ///
    /// - Parameter client: whom they are for.
    func contradiction(for client: ClientPattern) -> String? {
        if userFromCertificate && protection < .mtls {
            return "tlscertuser needs a certificate, and xprtsec=\(protection.word) does without: xprtsec=mtls"
        }
        switch client {
        case .host, .user:
            return protection < .mtls
                ? "only a certificate has this name, and xprtsec=\(protection.word) does without: xprtsec=mtls" : nil
        case .everybody, .network: return nil
        }
    }

    /// All of them spelt out, as a list that an exports file takes.
    package var words: String {
        var words = [readOnly ? "ro" : "rw", synchronous ? "sync" : "async"]
        switch squash {
        case .none: words.append("no_root_squash")
        case .root: words.append("root_squash")
        case .all: words.append("all_squash")
        }
        words += ["anonuid=\(anonymousUID)", "anongid=\(anonymousGID)"]
        let accepted = TransportProtection.allCases.filter { $0 >= protection }.map(\.word)
        words.append("xprtsec=\(accepted.joined(separator: ":"))")
        if userFromCertificate { words.append("tlscertuser") }
        if cleartextMount { words.append("cleartext_mount") }
        words.append(reservedPort ? "secure" : "insecure")
        return words.joined(separator: ",")
    }
}
