import RPC
import TestSupport
import Testing

@testable import NFS

/// READFILES and PUTFILES, whose words are written and read by hand, beside rpcgen's routines for them.
@Suite struct ManyFilesTests {
    private typealias Oracle = ManyFilesOracle
    private static let seeds = 1...40 as ClosedRange<UInt64>
    private static let limit = Xfer.filesLimit

    // MARK: Ours

    private func files(_ bytes: [UInt8]) -> [Oracle.Read]? {
        bytes.withUnsafeBytes { results in
            guard case .success(let files)? = Xfer.ReadFiles.decodeReply(results) else { return nil }
            return files.map {
                Oracle.Read(status: $0.status, data: Array(results[$0.data]), attributes: $0.attributes)
            }
        }
    }

    private func results(_ files: [Oracle.Read]) throws -> [UInt8] {
        try Xfer.ReadFiles.Results.make(files: files.count) { results in
            for file in files {
                do throws(NFSStatus) {
                    guard file.status == .ok, let attributes = file.attributes else { throw file.status }
                    try results.append(file.data.count) {
                        $0.copyBytes(from: file.data)
                        return file.data.count
                    } _: {
                        attributes
                    }
                } catch {
                    results.append(error)
                }
            }
        }
    }

    private func arguments(_ bytes: [UInt8]) -> (arguments: Xfer.PutFiles.Arguments, files: [Oracle.New])? {
        bytes.withUnsafeBytes { whole in
            Xfer.PutFiles.decode(whole).map { decoded in
                (decoded.arguments, decoded.files.map { Oracle.New(file: $0.file, data: Array(whole[$0.data])) })
            }
        }
    }

    private func encode(_ arguments: Xfer.PutFiles.Arguments, _ files: [Oracle.New]) throws -> [UInt8] {
        var call = try Xfer.PutFiles.Call(arguments)
        for new in files { try new.data.withUnsafeBytes { try call.append(new.file, $0) } }
        #expect(call.count == files.count)
        return call.bytes
    }

    private func statuses(_ bytes: [UInt8]) -> [NFSStatus]? {
        bytes.withUnsafeBytes { results in
            guard case .success(let statuses)? = Xfer.PutFiles.decodeReply(results) else { return nil }
            return statuses
        }
    }

    // MARK: Values

    private func readArguments(_ count: Int, _ random: inout RandomNumbers) throws -> Xfer.ReadFiles.Arguments {
        .init(try Oracle.handle(&random), try (0..<count).map { _ in try Oracle.handle(&random) })
    }

    private func reads(_ count: Int, _ random: inout RandomNumbers) -> [Oracle.Read] {
        (0..<count).map { index in
            guard Int.random(in: 0...3, using: &random) > 0 else {
                return Oracle.Read(status: .init(rawValue: .random(in: 1...70, using: &random)), data: [])
            }
            return Oracle.Read(
                status: .ok, data: Oracle.bytes(index % 9 == 0 ? 4093 : index, &random),
                attributes: Oracle.attributes(&random))
        }
    }

    private func news(_ count: Int, _ random: inout RandomNumbers) throws -> [Oracle.New] {
        try (0..<count).map { index in
            let file = Xfer.PutFiles.File(
                try Oracle.handle(&random), Oracle.name(&random), temporary: Oracle.name(&random),
                attributes: Oracle.setAttributes(&random))
            return Oracle.New(file: file, data: Oracle.bytes(index % 9 == 1 ? 4091 : index, &random))
        }
    }

    private func putArguments(_ random: inout RandomNumbers) throws -> Xfer.PutFiles.Arguments {
        .init(
            try Oracle.handle(&random), existing: Bool.random(using: &random) ? .keep : .replace,
            synchronize: .random(using: &random))
    }

    /// None, one, some, and as many as there may be.
    private func count(_ seed: UInt64) -> Int { [0, 1, 2, 7, Self.limit][Int(seed % 5)] }

    // MARK: Both ways

    @Test(arguments: seeds) func readArguments(seed: UInt64) throws {
        var random = RandomNumbers(seed: seed)
        let arguments = try readArguments(count(seed), &random)
        let bytes = try Xfer.ReadFiles.encode(arguments)
        #expect(try bytes == Oracle.encode(arguments))
        #expect(Oracle.decodeReadArguments(bytes) == arguments)
        #expect(bytes.withUnsafeBytes { Xfer.ReadFiles.decode($0) } == arguments)
    }

    @Test(arguments: seeds) func readResults(seed: UInt64) throws {
        var random = RandomNumbers(seed: seed)
        let reads = reads(count(seed), &random)
        let bytes = try results(reads)
        #expect(try bytes == Oracle.encode(reads))
        #expect(Oracle.decodeReadResults(bytes) == reads)
        #expect(files(bytes) == reads)
        // What our server does not say, and another one may: data without attributes, and with a failure.
        let others = reads.map { Oracle.Read(status: .io, data: $0.data, attributes: nil) }
        #expect(try files(Oracle.encode(others)) == others)
    }

    @Test(arguments: seeds) func putArguments(seed: UInt64) throws {
        var random = RandomNumbers(seed: seed)
        let (arguments, news) = (try putArguments(&random), try news(count(seed), &random))
        let bytes = try encode(arguments, news)
        #expect(bytes.count <= Xfer.PutFiles.argumentLimit)
        #expect(try bytes == Oracle.encode(arguments, news))
        let theirs = try #require(Oracle.decodePutArguments(bytes))
        #expect(theirs.arguments == arguments && theirs.files == news)
        let ours = try #require(self.arguments(bytes))
        #expect(ours.arguments == arguments && ours.files == news)
    }

    @Test(arguments: 0...limit) func putResults(count: Int) throws {
        let given = (0..<count).map { NFSStatus(rawValue: UInt32($0 * $0)) }
        let bytes = try Xfer.PutFiles.encode(given)
        #expect(try bytes == Oracle.encode(given))
        #expect(Oracle.decodePutResults(bytes) == given)
        #expect(statuses(bytes) == given)
    }

    @Test func aFailureOfTheWholeCall() {
        let bytes = NFSStatus.stale.rawValue.bigEndianBytes
        guard case .failure(.stale, _)? = bytes.withUnsafeBytes({ Xfer.ReadFiles.decodeReply($0) }),
            case .failure(.stale, _)? = bytes.withUnsafeBytes({ Xfer.PutFiles.decodeReply($0) })
        else {
            Issue.record("not the failure that it is")
            return
        }
    }

    /// Fewer bytes than there was room for, and a file that turns out not to be readable in the middle.
    @Test(arguments: 0..<9) func lessThanWasMadeRoomFor(got: Int) throws {
        var random = RandomNumbers(seed: UInt64(got))
        let (data, attributes) = (Oracle.bytes(got, &random), Oracle.attributes(&random))
        let bytes = try Xfer.ReadFiles.Results.make(files: 3) { results in
            for fails in [false, true, false] {
                do throws(NFSStatus) {
                    try results.append(9) {
                        // What was there before must not be seen as padding.
                        _ = $0.initializeMemory(as: UInt8.self, repeating: 0xff)
                        $0.copyBytes(from: data)
                        return got
                    } _: { () throws(NFSStatus) in
                        if fails { throw .io }
                        return attributes
                    }
                } catch {
                    results.append(error)
                }
            }
        }
        let file = Oracle.Read(status: .ok, data: data, attributes: attributes)
        let all = [file, Oracle.Read(status: .io, data: []), file]
        #expect(files(bytes) == all)
        #expect(try bytes == Oracle.encode(all))
    }

    // MARK: What is refused

    @Test func everyBeginningAndWhatIsTooLong() throws {
        var random = RandomNumbers(seed: 5)
        let read = try Xfer.ReadFiles.encode(readArguments(3, &random))
        var call = try Xfer.PutFiles.Call(putArguments(&random))
        for count in [0, 5, 8] {
            let file = Xfer.PutFiles.File(
                try Oracle.handle(&random), "name", temporary: "temporary",
                attributes: SetAttributes(
                    mode: 1, uid: 2, gid: 3, size: 4, accessTime: .now, modificationTime: .at(Oracle.time(&random))))
            try Oracle.bytes(count, &random).withUnsafeBytes { try call.append(file, $0) }
        }
        let reads = [0, 6, 8].map {
            Oracle.Read(status: .ok, data: Oracle.bytes($0, &random), attributes: Oracle.attributes(&random))
        }
        let kinds: [([UInt8], ([UInt8]) -> Bool)] = [
            (read, { $0.withUnsafeBytes { Xfer.ReadFiles.decode($0) } != nil }),
            (try results(reads), { $0.withUnsafeBytes { Xfer.ReadFiles.decodeReply($0) } != nil }),
            (call.bytes, { arguments($0) != nil }),
            (try Xfer.PutFiles.encode([.ok, .io]), { $0.withUnsafeBytes { Xfer.PutFiles.decodeReply($0) } != nil }),
        ]
        for (bytes, isTaken) in kinds {
            #expect(isTaken(bytes))
            #expect(!(0..<bytes.count).contains { isTaken(Array(bytes.prefix($0))) })
            #expect(!isTaken(bytes + [0, 0, 0, 0]))
        }
    }

    /// Each with a word that is beyond its limit, at the place that `word` counts.
    @Test func wordsBeyondTheirLimits() throws {
        let handle = try #require(FileHandle([1, 2, 3, 4]))
        func expectRefused(
            _ bytes: [UInt8], _ word: Int, _ values: [UInt32], _ isTaken: ([UInt8]) -> Bool,
            sourceLocation: SourceLocation = #_sourceLocation
        ) {
            #expect(isTaken(bytes), sourceLocation: sourceLocation)
            for value in values {
                // With all the room that it asks for, as far as that can be had.
                var changed = bytes + [UInt8](repeating: 0, count: 70000)
                changed.replaceSubrange((4 * word)..<(4 * word + 4), with: value.bigEndianBytes)
                #expect(!isTaken(changed), "\(value)", sourceLocation: sourceLocation)
                #expect(!isTaken(Array(changed.prefix(bytes.count))), "\(value)", sourceLocation: sourceLocation)
            }
        }
        let lengths: [UInt32] = [0x7fff_ffff, 0x8000_0000, 0xffff_fffc, .max]
        // object: 1 + 1 words; count; each handle 1 + 1.
        let read = try Xfer.ReadFiles.encode(.init(handle, [handle, handle]))
        func isRead(_ bytes: [UInt8]) -> Bool { bytes.withUnsafeBytes { Xfer.ReadFiles.decode($0) } != nil }
        for word in [0, 3, 5] { expectRefused(read, word, [65] + lengths, isRead) }
        expectRefused(read, 2, [65] + lengths, isRead)
        // status, count; status, length, a word of data, attributes or not.
        let reply = try Oracle.encode([Oracle.Read(status: .ok, data: [1, 2], attributes: nil)])
        func isReply(_ bytes: [UInt8]) -> Bool { files(bytes) != nil }
        expectRefused(reply, 1, [65] + lengths, isReply)
        expectRefused(reply, 3, [65537] + lengths, isReply)
        expectRefused(reply, 5, [2, .max], isReply)
        // object, how, synchronize, count; directory, name, temporary: 2 words each; six attributes; length.
        let put = try encode(
            .init(handle),
            [.init(file: .init(handle, "name", temporary: "temp", attributes: SetAttributes()), data: [1])])
        func isPut(_ bytes: [UInt8]) -> Bool { arguments(bytes) != nil }
        for word in [0, 5] { expectRefused(put, word, [65] + lengths, isPut) }
        expectRefused(put, 2, [2, .max], isPut)
        expectRefused(put, 3, [2, .max], isPut)
        expectRefused(put, 4, [65] + lengths, isPut)
        for word in [7, 9] { expectRefused(put, word, [UInt32(FileName.wireLimit) + 1] + lengths, isPut) }
        for word in 11..<15 { expectRefused(put, word, [2, .max], isPut) }
        for word in 15..<17 { expectRefused(put, word, [3, .max], isPut) }
        expectRefused(put, 17, [65537] + lengths, isPut)
        let statuses = try Xfer.PutFiles.encode([.ok])
        expectRefused(statuses, 1, [65] + lengths) { self.statuses($0) != nil }
    }

    /// One more is not written, and not taken from who writes it.
    @Test func moreThanACallMayHave() throws {
        let handle = try #require(FileHandle([1]))
        let file = Xfer.PutFiles.File(handle, "n", temporary: "t", attributes: SetAttributes())
        #expect(throws: XDREncodingError.self) {
            try Xfer.ReadFiles.encode(.init(handle, Array(repeating: handle, count: Self.limit + 1)))
        }
        #expect(throws: XDREncodingError.self) {
            try Xfer.PutFiles.encode(Array(repeating: .ok, count: Self.limit + 1))
        }
        let many = Array(repeating: Oracle.New(file: file, data: []), count: Self.limit)
        _ = try encode(.init(handle), many)
        #expect(throws: XDREncodingError.self) { try encode(.init(handle), many + many.prefix(1)) }
        let largest = [UInt8](repeating: 7, count: Xfer.fileDataLimit)
        #expect(throws: XDREncodingError.self) {
            try encode(.init(handle), [Oracle.New(file: file, data: largest + [7])])
        }
        // All their data: to the last byte, and one more.
        let full = Array(repeating: Oracle.New(file: file, data: largest), count: 4)
        let bytes = try encode(.init(handle), full)
        #expect(arguments(bytes)?.files == full)
        let more = full + [Oracle.New(file: file, data: [7])]
        #expect(throws: XDREncodingError.self) { try encode(.init(handle), more) }
        #expect(arguments(try Oracle.encode(.init(handle), more)) == nil)
        var longName = file
        longName.name = FileName([UInt8](repeating: 97, count: FileName.wireLimit + 1))
        #expect(throws: XDREncodingError.self) { try encode(.init(handle), [Oracle.New(file: longName, data: [])]) }
    }

    /// One file more, with all its bytes.
    @Test func oneFileMoreThanThereMayBe() throws {
        let handle = try #require(FileHandle([1]))
        let new = Oracle.New(
            file: .init(handle, "n", temporary: "t", attributes: SetAttributes()), data: [])
        let kinds: [(word: Int, encode: (Int) throws -> [UInt8], isTaken: ([UInt8]) -> Bool)] = [
            (
                2, { try Xfer.ReadFiles.encode(.init(handle, Array(repeating: handle, count: $0))) },
                { $0.withUnsafeBytes { Xfer.ReadFiles.decode($0) } != nil }
            ),
            (
                1, { try Oracle.encode(Array(repeating: Oracle.Read(status: .io, data: []), count: $0)) },
                { files($0) != nil }
            ),
            (4, { try encode(.init(handle), Array(repeating: new, count: $0)) }, { arguments($0) != nil }),
            (1, { try Xfer.PutFiles.encode(Array(repeating: .ok, count: $0)) }, { statuses($0) != nil }),
        ]
        for (word, encode, isTaken) in kinds {
            let (fewer, full) = (try encode(Self.limit - 1), try encode(Self.limit))
            #expect(isTaken(full))
            var more = full + full.suffix(full.count - fewer.count)
            more.replaceSubrange((4 * word)..<(4 * word + 4), with: UInt32(Self.limit + 1).bigEndianBytes)
            #expect(!isTaken(more), "\(word)")
        }
    }

    /// A call that refused a file is as it was before.
    @Test func whatIsNotAppendedLeavesNothing() throws {
        let handle = try #require(FileHandle([1]))
        let file = Xfer.PutFiles.File(handle, "n", temporary: "t", attributes: SetAttributes(mode: 7))
        var (call, other) = (try Xfer.PutFiles.Call(.init(handle)), file)
        other.temporary = FileName([UInt8](repeating: 97, count: FileName.wireLimit + 1))
        try [UInt8(1)].withUnsafeBytes { try call.append(file, $0) }
        #expect(throws: XDREncodingError.self) { try [UInt8(2)].withUnsafeBytes { try call.append(other, $0) } }
        try [UInt8(3)].withUnsafeBytes { try call.append(file, $0) }
        #expect(arguments(call.bytes)?.files.count == 2)
    }

    /// Nothing that comes traps, and no file's data is anywhere but in the message.
    @Test(arguments: seeds) func garbage(seed: UInt64) throws {
        var random = RandomNumbers(seed: seed)
        let good: [[UInt8]] = [
            try Xfer.ReadFiles.encode(readArguments(3, &random)), try results(reads(4, &random)),
            try encode(putArguments(&random), news(2, &random)), try Xfer.PutFiles.encode([.ok, .stale, .io]),
        ]
        for round in 0..<200 {
            var bytes = good[round % good.count]
            switch round % 3 {
            case 0:
                for _ in 0..<Int.random(in: 1...8, using: &random) {
                    bytes[Int.random(in: bytes.indices, using: &random)] = UInt8(truncatingIfNeeded: random.next())
                }
            case 1:
                let word = 4 * Int.random(in: 0..<(bytes.count / 4), using: &random)
                let value = [0, 1, 2, 3, 64, 65, 65536, 0x7fff_ffff, .max].randomElement(using: &random) ?? 0 as UInt32
                bytes.replaceSubrange(word..<(word + 4), with: value.bigEndianBytes)
            default: bytes = Oracle.bytes(Int.random(in: 0...300, using: &random), &random)
            }
            bytes.withUnsafeBytes { bytes in
                _ = Xfer.ReadFiles.decode(bytes)
                _ = Xfer.PutFiles.decodeReply(bytes)
                if case .success(let files)? = Xfer.ReadFiles.decodeReply(bytes) {
                    #expect(files.allSatisfy { $0.data.upperBound <= bytes.count })
                }
                if let decoded = Xfer.PutFiles.decode(bytes) {
                    #expect(decoded.files.allSatisfy { $0.data.upperBound <= bytes.count })
                }
            }
        }
    }
}

extension UInt32 {
    fileprivate var bigEndianBytes: [UInt8] { withUnsafeBytes(of: bigEndian) { Array($0) } }
}
