// Whether two tensors may be read at the same time without much memory.

import Checkpoint

extension TensorSource {
  /// Whether reading a tensor takes no more memory than small parts of it.
  func isReadInParts(_ index: Int) -> Bool {
    if storedRange(index) != nil { return true }
    return switch self {
    case let view as TensorView: view.isMadeInParts(index)
    case let converted as ConvertedSource: converted.source.isReadInParts(index)
    default: false
    }
  }
}
