import Testing

@testable import Transfer

@Suite struct ByteCountTests {
    @Test(
        arguments: [
            ("0", 0), ("0.0M", 0), ("1", 1), ("1024", 1024), ("512B", 512), ("50M", 50_000_000), ("50m", 50_000_000),
            ("50MB", 50_000_000), ("1Ki", 1024), ("1KiB", 1024), ("1.5Gi", 1_610_612_736), ("2T", 2_000_000_000_000),
            ("1Ti", 1 << 40), (".5k", 500), ("1.K", 1000), ("0.1Ki", 102), ("1.999999999999999999999G", 1_999_999_999),
            ("18446744073709551615", UInt64.max),
        ] as [(String, UInt64)]) func reads(text: String, bytes: UInt64)
    {
        #expect(ByteCount(text)?.bytes == bytes)
    }

    @Test(arguments: [
        "", ".", "K", ".K", "M50", "-1", "+1", " 1", "1 ", "1.2.3", "1X", "1Kx", "1i", "1KB/s", "1e3", "0x10", "0.4",
        "0.0001K", "18446744073709551616", "18446744.1T", "99999999999999999999999999999999999999999999T", "½",
    ]) func refuses(text: String) {
        #expect(ByteCount(text) == nil)
    }
}
