import ArgumentParser
import Glibc
import Handshake
import Kernel
import NFS
import Synchronization
import Transfer

/// What a shell offers for a place: short names, local files, and what is in a directory on a server.
///
/// A shell waits while this runs: a server that does not answer within ``patience`` seconds is not waited for, and nothing
/// is said, whatever fails. Names that a command line cannot have as they are come from a server like any others: those with
/// control characters are left out, and what bash would expand is quoted.
enum PlaceCompletion {
    /// Local files and places on servers.
    static let any = CompletionKind.custom { complete($0, $1, $2, local: true) }
    /// Places on servers.
    static let remote = CompletionKind.custom { complete($0, $1, $2, local: false) }
    /// Short names.
    static let mounted = CompletionKind.custom { _, _, _ in names().filter(isPlain).map(forShell) }

    /// Seconds.
    private static let patience: UInt32 = 2
    /// More would be no help to anybody.
    private static let most = 2000

    private static func complete(_ words: [String], _ index: Int, _ prefix: String, local: Bool) -> [String] {
        // What is quoted is not taken apart here.
        guard !prefix.contains(where: { "\\'\"$`".contains($0) }) else { return [] }
        var found: [String] = []
        if let (directory, place) = remoteDirectory(prefix) {
            found = list(place, options(words)).map { directory + $0 }
        } else {
            if !prefix.contains("/") { found = names().map { $0 + ":" } }
            if local { found += localFiles(prefix) }
        }
        return found.filter { $0.hasPrefix(prefix) && isPlain($0) }.map(forShell)
    }

    private static func names() -> [String] { ((try? Place.file.read())?.entries ?? []).map(\.name) }

    /// The text up to the name to complete, and the directory that it stands for; nil for a local path.
    private static func remoteDirectory(_ prefix: String) -> (text: String, place: String)? {
        guard (try? Place.remote(prefix)) != nil else { return nil }
        let end = prefix.lastIndex { $0 == "/" || $0 == ":" }
        guard let end, !prefix.hasPrefix("nfs:") || prefix.dropFirst(6).contains("/") else { return nil }
        let text = String(prefix[...end])
        return (text, text)
    }

    /// What `-o` says counts here, too.
    private static func options(_ words: [String]) -> [String] {
        var options: [String] = []
        for (index, word) in words.enumerated() where word == "-o" && index + 1 < words.count {
            options.append(words[index + 1])
        }
        return options
    }

    /// The names in a directory on a server, directories with a slash; none where that takes too long or does not go.
    private static func list(_ place: String, _ options: [String]) -> [String] {
        // The one thing that ends everything, wherever it stands; a tlscd of its own ends with this process.
        alarm(patience)
        guard let name = try? Place.remote(place),
            var connection = try? ConnectionOptions.parse(["-q"])
        else { return [] }
        connection.o = options + ["soft,retrans=0"]
        let found = Mutex<[String]>([])
        let isDone = Condition(false)
        let quiet = connection
        Task.detached {
            try? await quiet.withRemote(name) { remote in
                let directory = try await remote.find(name.path)
                try await Listing.each(remote, directory, unreachable: { _ in }) { entry in
                    found.withLock { names in
                        if names.count < most {
                            names.append(entry.name.description + (entry.attributes.type == .directory ? "/" : ""))
                        }
                    }
                }
            }
            isDone.withLock(wake: true) { $0 = true }
        }
        isDone.wait { $0 ? () : nil }
        return found.withLock { $0 }
    }

    /// Local names that a path's beginning may stand for, directories with a slash.
    private static func localFiles(_ prefix: String) -> [String] {
        let slash = prefix.lastIndex(of: "/")
        let directory = slash.map { String(prefix[...$0]) } ?? ""
        let last = slash.map { prefix[prefix.index(after: $0)...] } ?? prefix[...]
        var path = directory.isEmpty ? "." : directory
        if path.hasPrefix("~/"), let home = getenv("HOME") { path = String(cString: home) + path.dropFirst() }
        guard let listing = opendir(path) else { return [] }
        defer { closedir(listing) }
        var names: [String] = []
        while let entry = readdir(listing), names.count < most {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            guard name.hasPrefix(last), name != ".", name != "..", last.hasPrefix(".") || !name.hasPrefix(".") else {
                continue
            }
            var status = stat()
            let isDirectory = stat(path + "/" + name, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
            names.append(directory + name + (isDirectory ? "/" : ""))
        }
        return names.sorted()
    }

    private static func isPlain(_ text: String) -> Bool {
        text.unicodeScalars.allSatisfy { $0.properties.generalCategory != .control && $0 != "\u{FFFD}" }
    }

    /// bash expands the words of a list (`compgen -W`), command substitutions among them, and zsh takes what is behind a
    /// colon for a description.
    private static func forShell(_ text: String) -> String {
        switch CompletionShell.requesting {
        case .some(.bash):
            return text.map { $0.isLetter || $0.isNumber || "/:._-+,@%".contains($0) ? "\($0)" : "\\\($0)" }.joined()
        case .some(.zsh):
            return text.map { $0 == ":" || $0 == "\\" ? "\\\($0)" : "\($0)" }.joined()
        default: return text
        }
    }
}

/// What ArgumentParser's scripts lack.
enum CompletionScript {
    static func complete(_ script: String) -> String {
        script.hasPrefix("#!/bin/bash")
            ? script + bash : script.replacing(#"__xfer_complete "${completions[@]:0:-1}""#, with: zsh)
    }

    /// More may follow a directory and a short name's colon: no blank behind these.
    private static let zsh = #"""
        local -a places=("${completions[@]:0:-1}")
                local -a open=("${(@M)places:#*[/:]}")
                local -a closed=("${(@)places:#*[/:]}")
                _describe -V '' closed -- open -S ''
        """#

    /// bash ends a word at each colon and equals sign; a place is one word. The function takes the words together for
    /// ArgumentParser's one, and the part that bash has already off what that offers.
    private static let bash = #"""

        _xfer_places() {
            local rest=$COMP_LINE trimmed word
            local -a words=()
            local -i index=0 at=-1
            for ((index = 0; index < ${#COMP_WORDS[@]}; index++)); do
                word=${COMP_WORDS[index]}
                trimmed=${rest#"${rest%%[![:space:]]*}"}
                if ((index > 0)) && [[ $rest == "$trimmed" ]]; then
                    words[${#words[@]}-1]+=$word
                else
                    words+=("$word")
                fi
                rest=${trimmed#"$word"}
                ((index == COMP_CWORD)) && at=${#words[@]}-1
            done
            local -a COMP_WORDS=("${words[@]}")
            local -i COMP_CWORD=at
            local current=${words[at]} before=''
            ((at > 0)) && before=${words[at - 1]}
            _xfer "$1" "$current" "$before"
            if [[ $COMP_WORDBREAKS == *:* && $current == *:* ]]; then
                local gone=${current%"${current##*:}"}
                COMPREPLY=("${COMPREPLY[@]#"$gone"}")
            fi
            # More may follow a directory and a short name's colon, which is no part of a file's name to be quoted.
            if [[ ${#COMPREPLY[@]} -eq 1 ]]; then
                [[ ${COMPREPLY[0]} == */ ]] && compopt -o nospace
                [[ ${COMPREPLY[0]} == *: ]] && compopt -o nospace +o filenames
            fi
            return 0
        }
        complete -o filenames -F _xfer_places xfer

        """#
}
