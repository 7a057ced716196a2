extension NFS {
    /// What CREATE, MKDIR, SYMLINK and MKNOD answer.
    package struct Created: Hashable, Sendable {
        package var object: FileHandle?
        package var attributes: FileAttributes?
        package var directory: WeakCacheData

        package init(object: FileHandle?, attributes: FileAttributes?, directory: WeakCacheData) {
            self.object = object
            self.attributes = attributes
            self.directory = directory
        }
    }
}
