// Persistent ids: what a pickle leaves to its container. torch's are storages.
// Source: torch/serialization.py, persistent_id and persistent_load.

import ByteIO

extension PickleMachine {
  /// BINPERSID.
  mutating func persistentID(_ place: Int) throws(CheckpointError) {
    let id = try pop(place)
    // Where the container numbers its objects, a number may be a string.
    if let key = graph.integer(id).map(String.init) ?? (objects == nil ? nil : graph.string(id)) {
      try persistent(key, place)
    } else {
      try persistent(id, place)
    }
  }

  /// A number of an object that the container holds.
  mutating func persistent(_ key: String, _ place: Int) throws(CheckpointError) {
    switch objects?[key] {
    case .storage(let storage):
      graph.storages.append(storage)
      try push(.storage(graph.storages.count - 1))
    case .tensor(let tensor): try push(tensor)
    case nil:
      guard isSurvey else {
        throw failure("persistent id: expected a storage of the file, found \(displayName(key))", at: place)
      }
      try push(.opaque)
    }
  }

  private mutating func persistent(_ id: NodeIndex, _ place: Int) throws(CheckpointError) {
    do throws(CheckpointError) {
      let storage = try storage(of: id, place)
      // Each is kept, and a memo names the id in two bytes.
      try pay(storage.key.utf8.count + (storage.viewKey?.utf8.count ?? 0))
      graph.storages.append(storage)
    } catch {
      if skipped != nil, error.code != .limit, holdsForeign([id]) {
        var object = ForeignObject(name: "a persistent id")
        object.arguments = [id]
        return try push(try foreign(object))
      }
      // Loaders make their own thing of it; whatever it is, calling it is refused.
      guard isSurvey, error.code != .limit else { throw error }
      return try push(.opaque)
    }
    try push(.storage(graph.storages.count - 1))
  }

  private func storage(of id: NodeIndex, _ place: Int) throws(CheckpointError) -> PickleStorage {
    let expected = "('storage', class, key, location, count)"
    guard let parts = graph.elements(id).map({ Array($0.prefix(6)) }), parts.count >= 5 else {
      throw mismatch("persistent id", expected: expected, found: id, at: place)
    }
    let keyLimit = 255
    guard graph.string(parts[0]) == "storage", case .global(let storageClass) = graph.nodes[Int(parts[1])],
      let key = graph.string(parts[2], limit: keyLimit) ?? graph.integer(parts[2]).map(String.init),
      let count = graph.integer(parts[4]), count >= 0
    else { throw mismatch("persistent id", expected: expected, found: parts, at: place) }
    let dtype: DType
    var unread: UnreadTensor?
    switch storageClass {
    case .storageClass(let named): dtype = named
    case .quantizedStorage(let type):
      dtype = type.stored
      unread = UnreadTensor(kind: .quantized, typeName: type.rawValue)
    default:
      throw failure("persistent id: expected a storage class, as torch.FloatStorage, found another name", at: place)
    }
    // Values of this device are nowhere.
    if graph.string(parts[3]) == "meta" { unread = UnreadTensor(kind: .meta, typeName: dtype.rawValue) }
    guard !key.isEmpty, !key.contains("/"), !key.contains("\\"), key != ".", key != ".." else {
      throw failure("the storage key \(displayName(key)) is a path", at: place)
    }
    guard parts.count >= 6, let view = graph.elements(parts[5]).map({ Array($0.prefix(4)) }), view.count == 3 else {
      return PickleStorage(dtype: dtype, key: key, count: count, wholeCount: count, unread: unread)
    }
    // Legacy files: a view of another storage (key, offset, size), or None.
    guard let viewKey = graph.string(view[0], limit: keyLimit), let offset = graph.integer(view[1]),
      let size = graph.integer(view[2]),
      offset >= 0, size >= 0
    else { throw mismatch("the view of a storage", expected: "(key, offset, size)", found: view, at: place) }
    return PickleStorage(
      dtype: dtype, key: key, count: size, wholeCount: count, viewOffset: offset, viewKey: viewKey, unread: unread)
  }
}
