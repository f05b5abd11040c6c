// What was passed over in pickles that name what is not known, where the caller asks for their tensors all the same.
// Nothing is run to read them, so nothing is known of what such names make: a tensor that one of them is given, or that an
// object of theirs is made of, is not a tensor of the file, and is counted here instead.

import ByteIO
import Synchronization

/// Names that are not looked at, and what was left out for their sake. Given where a checkpoint is opened, and filled by
/// then.
public final class SkippedNames: Sendable {
  private struct State {
    var names = PickleNames()
    var leftOut = 0
    var unread: [TensorInfo] = []
  }

  private let state = Mutex(State())

  /// Nothing passed over yet.
  public init() {}

  /// The names, each once, in the order in which they come.
  public var names: [PickleGlobal] { state.withLock { $0.names.all } }
  /// Whether there were more names than are listed.
  public var isCut: Bool { state.withLock { $0.names.isCut } }
  /// How many tensors such names were to make something of: they are not given.
  public var leftOutCount: Int { state.withLock { $0.leftOut } }
  /// Tensors that are no ordinary ones, and were left out by ``readable(of:)``.
  public var unread: [TensorInfo] { state.withLock { $0.unread } }

  /// The tensors of a source that are ordinary ones; the source itself where all of them are. The others are noted here.
  public func readable(of source: any TensorSource) -> any TensorSource {
    let others = source.tensors.filter { $0.unread != nil }
    guard !others.isEmpty else { return source }
    leaveOut(unread: others)
    return TensorView(source) { $0.unread == nil }
  }

  func add(_ global: PickleGlobal) { state.withLock { $0.names.add(global) } }
  func merge(_ other: SkippedNames) {
    let others = other.state.withLock { $0 }
    state.withLock {
      for global in others.names.all { $0.names.add(global) }
      $0.leftOut += others.leftOut
    }
  }
  func leaveOut(_ count: Int) { state.withLock { $0.leftOut += count } }
  func leaveOut(unread tensors: [TensorInfo]) { state.withLock { $0.unread += tensors } }
}
