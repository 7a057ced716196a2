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

    /// Keeps secrets out of core dumps and from other processes of the same user: prctl(2), PR_SET_DUMPABLE.
    package static func hideMemory() { clinux_hide_memory() }
}
