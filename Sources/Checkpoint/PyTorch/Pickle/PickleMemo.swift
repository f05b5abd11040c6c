// What a pickle remembers: picklers number their values from 0 on, so an array holds them; others may number as they like.

/// The memo of a pickle.
struct PickleMemo {
  private var dense: [NodeIndex] = []
  private var sparse: [Int: NodeIndex] = [:]
  /// How many entries there are.
  private(set) var count = 0

  private static let absent: NodeIndex = -1

  subscript(_ key: Int) -> NodeIndex? {
    get {
      if key >= 0, key < dense.count, dense[key] != Self.absent { return dense[key] }
      return sparse[key]
    }
    set {
      guard let newValue else { return }
      if self[key] == nil { count += 1 }
      if key >= 0, key < dense.count, dense[key] != Self.absent || sparse[key] == nil {
        dense[key] = newValue
      } else if key == dense.count, sparse[key] == nil {
        dense.append(newValue)
      } else {
        sparse[key] = newValue
      }
    }
  }
}
