// The PyTorch file that would be written of some tensors, as bytes that are put together when they are read: from any
// place, by any number of threads, without the file. Values are read where they lie; rows that lie in another order are
// gathered as they are read.
//
// Checksums stand behind values. They are taken along where values are read from their beginning on, as a file is read, and
// only where somebody asks for one earlier, the values are read for it.

import ByteIO
import Synchronization

/// A PyTorch file that is not there.
///
/// Memory: the records around the values, and a mebibyte for each thread that has to read for a checksum.
package final class TorchImage: ByteSource {
  /// What messages call it.
  package let path: String
  /// The bytes of the file.
  package var size: Int { archive.byteCount }
  /// The files that it is made from.
  package let files: [InputFile]

  private enum Values: Sendable {
    case file(InputFile, start: Int)
    case rows(InputFile, start: Int, rowSize: Int, rows: Int, RowOrder)
    case memory([UInt8])
  }

  /// The CRC-32 of the first bytes of a member.
  private struct Sum {
    var byteCount = 0
    var crc: UInt32 = 0
    var isBusy = false
  }

  private let archive: TorchArchive
  private let values: [Values]
  /// Of each member.
  private let sums: Mutex<[Sum]>

  /// Lays a file out.
  ///
  /// - Parameters:
  ///   - source: the tensors.
  ///   - path: what messages call the file.
  /// - Throws: ``CheckpointError`` for tensors that do not stand in their files as they are; `ByteIOError`.
  package init(_ source: TensorView, layout: TorchLayout, path: String) throws {
    self.path = path
    archive = try TorchArchive(source.tensors, layout: layout)
    var opened: [String: InputFile] = [:]
    var files: [InputFile] = []
    func open(_ path: String) throws -> InputFile {
      if let file = opened[path] { return file }
      let file = try InputFile(path)
      opened[path] = file
      files.append(file)
      return file
    }
    values = try source.tensors.enumerated().map { index, info in
      switch source.place(index) {
      case .memory(let bytes): return .memory(bytes)
      case .file(let path, let range, let order):
        let file = try open(path)
        guard range.count == info.byteCount, range.lowerBound >= 0, range.upperBound <= file.size else {
          throw info.wrongSize
        }
        guard let order, range.count > 0 else { return .file(file, start: range.lowerBound) }
        let rows = info.shape[0]
        return .rows(file, start: range.lowerBound, rowSize: range.count / rows, rows: rows, order)
      case nil:
        throw CheckpointError(
          .unsupportedType, file: info.file,
          reason: "the values of \(displayName(info.name)) do not stand in the file as they are: they are compressed "
            + "or computed",
          remedy: "convert the model to safetensors first")
      }
    }
    self.files = files
    sums = Mutex(
      archive.members.map { member in
        member.bytes.map { Sum(byteCount: $0.count, crc: CRC32.of($0)) } ?? Sum()
      })
  }

  /// Fills a buffer from a position.
  package func read(into buffer: inout MutableRawSpan, at offset: Int) throws(ByteIOError) {
    guard offset >= 0, buffer.byteCount <= size - offset else {
      throw ByteIOError(.shrank, file: path, place: "byte \(offset)", reason: "the bytes end before \(size)")
    }
    let count = buffer.byteCount
    var done = 0
    while done < count {
      let at = offset + done
      guard at < archive.directoryOffset else {
        var crcs: [UInt32] = []
        for index in archive.members.indices { crcs.append(try crc(of: index)) }
        return Self.copy(archive.directory(crcs), from: at - archive.directoryOffset, into: &buffer, at: done)
      }
      done += try readMember(member(at: at), into: &buffer, at: done, from: at)
    }
  }

  /// The member whose header, bytes or footer a position is in.
  private func member(at offset: Int) -> Int {
    var (low, high) = (0, archive.members.count)
    while high - low > 1 {
      let middle = (low + high) / 2
      if archive.members[middle].headerOffset <= offset { low = middle } else { high = middle }
    }
    return low
  }

  /// Reads from a position up to the end of what it is in: the header, the bytes or the footer of a member.
  ///
  /// - Returns: how many bytes were read.
  private func readMember(
    _ index: Int, into buffer: inout MutableRawSpan, at start: Int, from offset: Int
  ) throws(ByteIOError) -> Int {
    let member = archive.members[index]
    let end: Int
    let records: [UInt8]
    let recordOffset: Int
    if offset < member.dataOffset {
      // A header that holds no checksum does not wait for one.
      let crc = archive.layout.hasDescriptors ? 0 : try crc(of: index)
      (records, recordOffset, end) = (archive.header(index, crc: crc), member.headerOffset, member.dataOffset)
    } else if offset < member.footerOffset, let tensor = member.tensor {
      let count = min(buffer.byteCount - start, member.footerOffset - offset)
      var part = buffer._mutatingExtracting(start..<start + count)
      try read(tensor, into: &part, at: offset - member.dataOffset)
      take(part.bytes, at: offset - member.dataOffset, of: index)
      return count
    } else if offset < member.footerOffset {
      (records, recordOffset, end) = (member.bytes ?? [], member.dataOffset, member.footerOffset)
    } else {
      records = archive.footer(index, crc: try crc(of: index))
      (recordOffset, end) = (member.footerOffset, member.footerOffset + records.count)
    }
    let count = min(buffer.byteCount - start, end - offset)
    var part = buffer._mutatingExtracting(start..<start + count)
    Self.copy(records, from: offset - recordOffset, into: &part, at: 0)
    return count
  }

  private static func copy(_ bytes: [UInt8], from: Int, into buffer: inout MutableRawSpan, at start: Int) {
    // SAFETY: both slices are checked.
    unsafe buffer.withUnsafeMutableBytes { target in
      unsafe bytes.withUnsafeBytes { source in
        let count = target.count - start
        unsafe UnsafeMutableRawBufferPointer(rebasing: target[start..<start + count])
          .copyMemory(from: UnsafeRawBufferPointer(rebasing: source[from..<from + count]))
      }
    }
  }

  // MARK: Values

  /// Fills a buffer with values of a tensor.
  private func read(
    _ tensor: Int, into buffer: inout MutableRawSpan, at offset: Int
  ) throws(ByteIOError) {
    switch values[tensor] {
    case .file(let file, let start): try file.read(into: &buffer, at: start + offset)
    case .memory(let bytes): Self.copy(bytes, from: offset, into: &buffer, at: 0)
    case .rows(let file, let start, let rowSize, let rows, let order):
      let count = buffer.byteCount
      var done = 0
      while done < count {
        let (place, within) = (offset + done).quotientAndRemainder(dividingBy: rowSize)
        let length = min(rowSize - within, count - done)
        var part = buffer._mutatingExtracting(done..<done + length)
        try file.read(into: &part, at: start + order.source(of: place, rows: rows) * rowSize + within)
        done += length
      }
    }
  }

  // MARK: Checksums

  /// Takes values that were read into the checksum of their member, where they go on from those that it has.
  private func take(_ part: RawSpan, at offset: Int, of index: Int) {
    let begun = sums.withLock { sums -> Sum? in
      let sum = sums[index]
      guard !sum.isBusy, (offset..<offset + part.byteCount).contains(sum.byteCount) else { return nil }
      sums[index].isBusy = true
      return sum
    }
    guard let begun else { return }
    let crc = CRC32.of(part.extracting(droppingFirst: begun.byteCount - offset), after: begun.crc)
    let end = offset + part.byteCount
    sums.withLock { sums in
      // Whoever asked for the checksum meanwhile has all of it.
      if sums[index].byteCount < end { (sums[index].byteCount, sums[index].crc) = (end, crc) }
      sums[index].isBusy = false
    }
  }

  /// The checksum of a member: what is not read yet is read for it.
  private func crc(of index: Int) throws(ByteIOError) -> UInt32 {
    let (member, begun) = (archive.members[index], sums.withLock { $0[index] })
    guard begun.byteCount < member.size, let tensor = member.tensor else { return begun.crc }
    var (at, crc) = (begun.byteCount, begun.crc)
    var bytes = [UInt8](repeating: 0, count: min(streamPartSize, member.size - at))
    while at < member.size {
      if bytes.count > member.size - at { bytes.removeLast(bytes.count - (member.size - at)) }
      var span = bytes.mutableSpan
      var raw = unsafe span.mutableBytes
      try read(tensor, into: &raw, at: at)
      crc = CRC32.of(raw.bytes, after: crc)
      at += raw.byteCount
    }
    sums.withLock { ($0[index].byteCount, $0[index].crc) = (member.size, crc) }
    return crc
  }
}
