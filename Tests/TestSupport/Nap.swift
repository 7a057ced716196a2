import Glibc

/// A millisecond.
func nap() { usleep(1000) }
