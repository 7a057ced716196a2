import Glibc
import Kernel
import TestSupport
import Testing

@testable import Jobs

@Suite struct LineReaderTests {
    private let directory = TemporaryDirectory()

    private func reader(_ text: [UInt8], at offset: UInt64 = 0, line: Int64 = 0) throws -> LineReader {
        let path = directory.path + "/lines"
        try write(text, to: path)
        let file = SharedDescriptor(try Files.open(path, O_RDONLY))
        lseek(file.raw, off_t(offset), SEEK_SET)
        var position = InputPosition()
        position.offset = offset
        position.line = line
        return LineReader(file, named: path, at: position, stop: try EventDescriptor())
    }

    @Test func linesAndWhereTheyEnd() throws {
        var reader = try reader(Array("one\n\nthree".utf8))
        #expect(try reader.next() == Array("one".utf8))
        #expect(reader.offset == 4 && reader.line == 1 && reader.hasLine)
        #expect(try reader.next() == [])
        #expect(reader.offset == 5 && reader.line == 2 && !reader.hasLine)
        #expect(try reader.next() == Array("three".utf8))
        #expect(reader.offset == 10 && reader.line == 3)
        #expect(try reader.next() == nil)
        #expect(reader.line == 3)
    }

    @Test func fromTheMiddle() throws {
        var reader = try reader(Array("one\ntwo\n".utf8), at: 4, line: 1)
        #expect(try reader.next() == Array("two".utf8))
        #expect(reader.offset == 8 && reader.line == 2)
        #expect(try reader.next() == nil)
    }

    @Test func aLineOfManyBlocksIsCutAndCounted() throws {
        let long = [UInt8](repeating: 120, count: 1 << 20)
        var reader = try reader(long + [10] + Array("b\n".utf8))
        #expect(try reader.next()?.count == JobParser.longest + 1)
        #expect(reader.offset == 1 << 20 + 1)
        #expect(try reader.next() == Array("b".utf8))
    }

    @Test func aSilentPipeIsLeft() throws {
        let pipe = try Pipe(capacity: 4096)
        let stop = try EventDescriptor()
        let input = SharedDescriptor(try pipe.readEnd.duplicate())
        let running = try Running {
            var reader = LineReader(input, named: "pipe", at: InputPosition(), stop: stop)
            return try reader.next()
        }
        stop.signal()
        #expect(throws: CancellationError.self) { try running.value() }
    }
}
