import CLinux
import Glibc

/// What every daemon does to its own process first.
package enum ProcessSetup {
    /// Lets it have as many descriptors as the system allows: each connection is one.
    package static func raiseDescriptorLimit() {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
        limit.rlim_cur = min(limit.rlim_max, 1 << 20)
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }

    /// For a server that acts for other users: files get the modes that clients ask for, whatever the umask, and quotas
    /// and the blocks kept for root are no more the server's than theirs (CAP_SYS_RESOURCE, capabilities(7)). To be
    /// called before there are other threads.
    package static func actForOthers() {
        umask(0)
        // Without root's rights there is nothing to give up.
        _ = clinux_drop_capability(UInt32(CLINUX_CAP_SYS_RESOURCE.rawValue))
    }

    /// Keeps secrets out of core dumps and from other processes of the same user: prctl(2), PR_SET_DUMPABLE.
    package static func hideMemory() { clinux_hide_memory() }
}
