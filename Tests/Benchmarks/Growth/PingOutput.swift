import Foundation
import TestSupport

/// What `xfer ping --json` says.
struct PingOutput: Decodable {
    private struct RoundTrips: Decodable {
        let medianSeconds: Double
    }
    private let roundTrips: RoundTrips

    /// Seconds of a NULL call.
    static func median(of text: String) throws -> Double {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        guard let output = try? decoder.decode(PingOutput.self, from: Data(text.utf8)) else {
            throw Unexpected("xfer ping: \(text)")
        }
        return output.roundTrips.medianSeconds
    }
}
