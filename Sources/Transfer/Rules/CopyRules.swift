/// What a copy takes, when it takes it for up to date, and what it keeps of it: rsync(1)'s words, where it has them.
package struct CopyRules: Sendable {
    // MARK: What is copied

    /// `-r`: directories with all that is in them.
    package var recursive = false
    /// `--include`, `--exclude`, `--exclude-from`
    package var filter = Filter()
    /// `-S`: ranges without data stay so.
    package var sparse = false

    // MARK: What is up to date

    /// `--checksum`: what has the right content; otherwise what has the right size and modification time.
    package var checksum = false
    /// `--size-only`: what has the right size.
    package var sizeOnly = false
    /// `--ignore-times`: nothing is.
    package var ignoreTimes = false
    /// `--modify-window`: seconds that two modification times may be apart and be the same.
    package var modifyWindow: UInt32 = 0
    /// `--update`: a file whose target is newer is left alone.
    package var update = false
    /// `--existing`: nothing is made that is not there.
    package var existing = false
    /// `--ignore-existing`: nothing is changed that is there, but in directories.
    package var ignoreExisting = false

    /// `verify`: set-ID bits count, whether or not a copy would get them.
    package var exactMode = false

    // MARK: What is kept

    /// `-p`: mode and modification time.
    package var preserve = false
    /// `-H`: files that are one under several names stay one.
    package var hardLinks = false
    /// `--owner`: user and group, by their numbers, and with them the set-ID bits.
    package var owner = false
    /// ``owner`` comes with `-a` or sync: where it is refused the rest is kept all the same.
    package var ownerIsImplied = false
    let ownership = Ownership()

    // MARK: How

    /// `--delete`: what the source does not have is removed from the target.
    package var delete = false
    /// `--max-delete`: how many may be; nil: any number.
    package var maxDelete: Int?
    /// `-n`: nothing is done, and all is said that would be.
    package var dryRun = false
    /// `-i`: each change is said.
    package var itemize = false
    /// `--fsync`: a file is on the disk before it has its name.
    package var synchronize = false
    /// Files at once, 1...1024.
    package var jobs = 32

    package init() {}
}
