import TestSupport
import Testing

/// git in a mount: many small files, renames over files, links, maps and locks of its own.
@Suite(.inPeerLab) struct GitTests {
    @Test(arguments: RecordLayer.allCases) func clonesChecksAndCommits(layer: RecordLayer) throws {
        try withMount(.init(layer: layer)) { site in
            try shell(
                """
                export HOME=$PWD
                git config --global user.name A && git config --global user.email a@example.org
                git config --global gc.auto 0 && git config --global advice.detachedHead false
                git init -q -b main source && cd source
                cp -r /usr/share/zoneinfo/Europe /usr/share/zoneinfo/America . && git add . && git commit -qm zones
                cp -a /usr/lib/git-core/git-sh* . && git add . && git commit -qm scripts
                git checkout -q -b side HEAD~1 && echo side >side && git add . && git commit -qm side
                git checkout -q main && git merge -q -m merged side && git tag -a -m one v1
                """, in: site.local)
            let head = try shell("git -C source rev-parse HEAD", in: site.local)
            // A clone by path would make hard links where it can: this one sends a pack.
            let script = """
                export HOME='\(site.local)'
                git clone -q --no-local "$HOME/source" clone && cd clone
                git fsck --full --strict && test -z "$(git status --porcelain)" && git rev-parse HEAD
                """
            #expect(try shell(script, in: site.mountPoint).hasSuffix(head))
            let more = try shell(
                """
                export HOME='\(site.local)'
                cd clone && git checkout -q -b work v1
                git mv Europe Europa && rm -r America/Argentina && git add -A && git commit -qm moved
                git checkout -q main && git merge -q work && git gc -q && git fsck --full --strict
                test -z "$(git status --porcelain)" && git rev-parse HEAD
                """, in: site.mountPoint)
            #expect(more != head && more.count == head.count)
            // From the mount, and from what is on the server's disk.
            for place in [site.mountPoint, site.data] {
                let back = try shell(
                    """
                    export HOME=$PWD; git config --global --add safe.directory '*'
                    rm -rf back && git clone -q --no-local '\(place)/clone' back && cd back
                    git fsck --full --strict && git rev-parse HEAD
                    """, in: site.local)
                #expect(back == more, "from \(place)")
            }
        }
    }
}
