// Reads NumPy's .npy files, one array each. Specification: numpy/lib/format.py (versions 1 to 3).
// Refused: Fortran order (other than one dimension), big-endian and structured types, objects (they are pickles).

import ByteIO

/// A .npy file, open: a source of one tensor, which is named as the file without its ending.
public struct NpyFile: TensorSource {
  /// What the container is.
  public var format: String { "npy" }
  /// The array.
  public let tensors: [TensorInfo]
  /// Nothing.
  public var metadata: [(name: String, value: String)] { [] }

  private let file: any ByteSource
  private let range: Range<Int>

  /// Where a loader of pickles would go on at an array: behind its header where it is one of objects, which are a pickle
  /// there, and otherwise behind its values, with what it loads next. What is not plainly numbers counts as objects.
  ///
  /// - Parameters:
  ///   - start: where the array begins.
  ///   - read: gives the bytes of a range.
  /// - Returns: the byte, which may lie behind the end; nil where no array begins.
  static func continuation(from start: Int, _ read: (_ at: Int, _ count: Int) throws -> [UInt8]) rethrows -> Int? {
    guard let range = NpyHeader.range(try read(start, NpyHeader.leadSize)) else { return nil }
    let end = start + range.upperBound
    guard range.count <= NpyHeader.sizeLimit,
      let header = NpyHeader(try read(start + range.lowerBound, range.count)), let size = header.valuesSize
    else { return end }
    let (next, overflow) = end.addingReportingOverflow(size)
    return overflow ? end : next
  }

  /// Opens a file and checks its header.
  public init(_ file: any ByteSource) throws {
    func failure(
      _ code: CheckpointErrorCode, _ reason: String, _ remedy: Remedy = "save it with numpy.save as an array of numbers"
    ) -> CheckpointError {
      CheckpointError(code, file: file.path, reason: reason, remedy: remedy)
    }
    let lead = try file.bytes(count: NpyHeader.leadSize)
    guard let place = NpyHeader.range(lead), (1...3).contains(lead[6]) else {
      throw failure(.malformed, "this is not a .npy file")
    }
    guard place.count <= NpyHeader.sizeLimit, place.upperBound <= file.size else {
      throw failure(
        .truncated, "its header of \(place.count) bytes does not fit the file",
        "compare the file's size with the original's")
    }
    guard let header = NpyHeader(try file.bytes(at: place.lowerBound, count: place.count)) else {
      throw failure(
        .malformed,
        "its header is not {'descr': '<f4', 'fortran_order': False, 'shape': (…)}, of a plain type and numbers")
    }
    let shape = header.shape
    guard !header.type.hasSuffix("O") else {
      throw CheckpointError(
        .unknownFormat, file: file.path, reason: "this is an array of objects, which numpy keeps as a pickle",
        remedy: "load it with numpy, and save the arrays in it by themselves, with numpy.save or as safetensors")
    }
    guard let dtype = Self.types[header.type] else {
      throw failure(
        .unknownFormat, "the type \(displayName(header.type)) is not read here",
        "read are \(Self.types.keys.sorted().joined(separator: ", ")): a.astype(\"<f4\") makes one of them")
    }
    guard !header.isFortranOrder || shape.count <= 1 else {
      throw failure(.unknownFormat, "it is in Fortran order", "save numpy.ascontiguousarray of it")
    }
    guard let size = TensorInfo.size(of: shape, dtype), size.bytes == file.size - place.upperBound else {
      throw failure(
        .truncated, "shape \(shape) of \(dtype.rawValue) is not what its \(file.size - place.upperBound) bytes hold",
        "compare the file's size with the original's")
    }
    let name = Folder.name(of: file.path)
    tensors = [
      TensorInfo(
        name: name.hasSuffix(".npy") ? String(name.dropLast(4)) : name, dtype: dtype, shape: shape, file: file.path,
        byteCount: size.bytes)
    ]
    self.file = file
    range = place.upperBound..<file.size
  }

  /// What the values are pulled from.
  public func cursor(_ index: Int) -> any TensorCursor { FileCursor(file, range) }

  /// Where the values lie.
  public func storedRange(_ index: Int) -> Range<Int>? { range }

  /// The format has no checksums.
  public func verifyChecksums() {}

  private static let types: [String: DType] = [
    "|b1": .bool, "|u1": .u8, "|i1": .i8, "<u2": .u16, "<i2": .i16, "<u4": .u32, "<i4": .i32, "<u8": .u64,
    "<i8": .i64, "<f2": .f16, "<f4": .f32, "<f8": .f64, "<c8": .c64, "<c16": .c128,
  ]
}
