// A head whose rows are brought to length 1 before they are used (Baichuan 2): shown so, once for all that computes with it.
// Bringing rows of length 1 to length 1 again changes nothing but roundings, so what is made of it may say of itself what the
// original says. Source: Baichuan 2, modeling_baichuan.py (NormHead); torch.nn.functional.normalize (the least length).

import ByteIO
import Checkpoint

/// Rows of a head, of length 1.
enum NormedHead {
  /// Shorter rows are divided by this.
  private static let least: Float = 1e-12

  /// The tensors of a model with its head as it is used: in single precision where its rows are normed, and as it is where they
  /// are not.
  static func shown(_ configuration: ModelConfiguration, _ source: any TensorSource) throws -> any TensorSource {
    let tensors = ModelTensors(unchecked: configuration, source)
    guard configuration.normalizesHead, let name = tensors.name(tensors.headRole),
      let index = tensors.index(name + ".weight")
    else { return source }
    let info = source.tensors[index]
    guard info.shape.count == 2, info.elementCount > 0, DTypeConversion.isConvertible(info.dtype),
      let size = TensorInfo.size(of: info.shape, .f32)
    else { return source }
    let normed = TensorInfo(name: info.name, dtype: .f32, shape: info.shape, file: info.file, byteCount: size.bytes)
    let entries = source.tensors.indices.map { place in
      place == index
        ? TensorView.Entry(normed, .parts { try cursor(source, index) })
        : TensorView.Entry(source.tensors[place], .stored(place))
    }
    return try TensorView(entries, of: source)
  }

  private static func cursor(_ source: any TensorSource, _ index: Int) throws -> any TensorCursor {
    let info = source.tensors[index]
    let stored = try source.cursor(index)
    let columns = info.shape[1]
    let (rowSize, conversion) = (info.byteCount / info.shape[0], try DTypeConversion(from: info.dtype, to: .f32))
    let partRows = max(1, streamPartSize / (4 * columns))
    return PartCursor(byteCount: 4 * info.elementCount, partSize: 4 * columns * partRows) { range, bytes in
      let rows = range.lowerBound / (4 * columns)..<range.upperBound / (4 * columns)
      var values = [Float](repeating: 0, count: rows.count * columns)
      try stored.withAll(of: rows.lowerBound * rowSize..<rows.upperBound * rowSize) { part in
        var span = values.mutableSpan
        var raw = unsafe span.mutableBytes
        _ = conversion.convert(part, into: &raw)
      }
      for row in 0..<rows.count {
        let part = row * columns..<(row + 1) * columns
        let length = max(values[part].reduce(Float(0)) { $0 + $1 * $1 }.squareRoot(), least)
        for place in part { values[place] /= length }
      }
      unsafe bytes.replace(from: 0, with: values.span.bytes)
    }
  }
}
