import Jobs
import Testing

@Suite struct JobsErrorTests {
    @Test func saysWhatItIsToldToSay() { #expect("\(JobsError("disk full"))" == "disk full") }
}
