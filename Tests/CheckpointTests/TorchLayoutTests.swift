import ByteIO
import CBelleKernels
import Checksum
import Foundation
import TestSupport
import Testing

@testable import Checkpoint

/// Files of torch 1.13.1 (Tests/Fixtures/original), to the byte.
@Suite("Files as torch 1.11 to 2.0 writes them") struct TorchLayoutTests {
  private static let fixture = project("Tests/Fixtures/original")
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func written(_ source: any TensorSource, _ layout: TorchLayout) throws -> [UInt8] {
    var sink = try TorchWriter(source.tensors, layout: layout)
    let indices = Array(source.tensors.indices)
    let isWritten = try sink.take(source, indices, as: "f.pth", in: folder.path, replacing: true, isChecked: true)
    #expect(isWritten)
    return try readBytes(folder.file("f.pth"))
  }

  @Test(
    "a thousand entries are a batch of the pickle, and a whole batch is followed by another",
    arguments: [1, 999, 1000, 1001])
  func batches(count: Int) throws {
    var source = TestSupport.MemorySource()
    for number in 0..<count {
      let bits = Float16Bits.of(number)
      source.add("t\(number)", .f16, [2], [bits, bits])
    }
    var layout = TorchLayout.ofMeta
    layout.root = "n\(count)"
    let wanted = decodeJSON([String: String].self, Self.fixture + "/pickles.json")["\(count)"]
    #expect(try DigestStream.digest(.sha256, of: written(source, layout)).hex == wanted)
  }

  /// Small whole numbers as halves.
  private enum Float16Bits {
    static func of(_ number: Int) -> UInt16 {
      guard number > 0 else { return 0 }
      let exponent = Int.bitWidth - 1 - number.leadingZeroBitCount
      return UInt16((exponent + 15) << 10 | (number << (10 - exponent)) & 0x3FF)
    }
  }

  @Test("what is read of such a file is written again to the same bytes")
  func again() throws {
    let path = Self.fixture + "/consolidated.00.pth"
    #expect(try written(TorchFile(InputFile(path)), .ofMeta) == readBytes(path))
  }

  @Test("the file that is not there has the same bytes, from any place, for several threads at once", arguments: 0..<4)
  func image(seed: UInt64) throws {
    let path = Self.fixture + "/consolidated.00.pth"
    let file = try TorchFile(InputFile(path))
    let wanted = try readBytes(path)
    let image = try TorchImage(TensorView(file) { _ in true }, layout: .ofMeta, path: "image")
    #expect(image.size == wanted.count && image.files.map(\.path) == [path])
    // From its beginning, backwards, and anywhere.
    let sizes = [1, 100, 4096, wanted.count]
    var random = SplitMix64(seed: seed)
    let places = (0..<400).map { number -> (Int, Int) in
      let size = sizes[Int(seed)]
      return switch number % 3 {
      case 0: (min(number * size, wanted.count - 1), size)
      case 1: (wanted.count - 1 - min(number * size, wanted.count - 1), size)
      default: (Int(random.next() % UInt64(wanted.count)), Int(random.next() % UInt64(wanted.count)))
      }
    }
    DispatchQueue.concurrentPerform(iterations: 4) { thread in
      let isSame = (thread % 2 == 0 ? places : places.reversed()).allSatisfy { at, count in
        (try? image.bytes(at: at, count: count)) == Array(wanted[at..<min(at + count, wanted.count)])
      }
      #expect(isSame)
    }
    #expect(throws: ByteIOError.self) {
      var bytes: [UInt8] = [0, 0]
      var span = bytes.mutableSpan
      var raw = unsafe span.mutableBytes
      try image.read(into: &raw, at: wanted.count - 1)
    }
  }

  @Test("the file that is not there is that of today's layout, too, whose checksums stand before the values")
  func current() throws {
    let file = try TorchFile(InputFile(Self.fixture + "/consolidated.00.pth"))
    let image = try TorchImage(TensorView(file) { _ in true }, layout: .current, path: "image")
    #expect(try image.bytes(count: image.size) == written(file, .current))
  }

  @Test("rows in another order are gathered as they are read, and two orders that undo each other are none")
  func rows() throws {
    let path = project("Tests/Fixtures/original/hf/model.safetensors")
    let file = try SafetensorsFile(InputFile(path))
    let order = RowOrder.interleaved(heads: 2)
    let one = try TensorView(
      file.tensors.enumerated().map { .init($1, $1.shape.count == 2 ? .rows($0, in: order) : .stored($0)) }, of: file)
    let two = try TensorView(
      one.tensors.enumerated().map { .init($1, $1.shape.count == 2 ? .rows($0, in: order.inverse) : .stored($0)) },
      of: one)
    let twice = try TensorView([.init(one.tensors[1], .rows(1, in: order))], of: one)
    for view in [one, two] {
      let image = try TorchImage(view, layout: .ofMeta, path: "image")
      #expect(try image.bytes(count: image.size) == written(view, .ofMeta))
    }
    let error = #expect(throws: CheckpointError.self) { try TorchImage(twice, layout: .ofMeta, path: "image") }
    #expect(error?.code == .unsupportedType)
  }

  @Test("a file beyond four gigabytes has wide records where its members begin beyond them")
  func wide() throws {
    let tensors = (0..<3).map {
      TensorInfo(name: "t\($0)", dtype: .f16, shape: [1 << 30], file: "none", byteCount: 2 << 30)
    }
    let archive = try TorchArchive(tensors, layout: .ofMeta)
    let last = archive.places[2]
    #expect(archive.members[last].headerOffset > 0xFFFF_FFFF)
    #expect(archive.header(last, crc: 0)[(30 + archive.members[last].name.count)...].prefix(4) == [1, 0, 8, 0])
    #expect(archive.footer(last, crc: 0).count == 24 && archive.footer(archive.places[0], crc: 0).count == 16)
    #expect(archive.members.allSatisfy { $0.dataOffset % 64 == 0 })
  }

  @Test("the kernel's checksums are zlib's, for every length and place", arguments: 0..<8)
  func crc(seed: UInt64) {
    var random = SplitMix64(seed: seed)
    let bytes = SplitMix64.bytes(seed: seed, count: 70_000)
    for length in Array(0..<300) + [4096, 65_535, 65_536] {
      let (start, before) = (Int(random.next() % 1000), UInt32(truncatingIfNeeded: random.next()))
      let part = Array(bytes[start..<start + length])
      #expect(
        CRC32.of(part.span.bytes, after: before) == CRC32.of(part.span.bytes, after: before, on: BELLE_SCALAR))
    }
    #expect(CRC32.of(Array("123456789".utf8)) == 0xCBF4_3926)
  }
}
