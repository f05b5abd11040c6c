// What an adapter does to a tensor of its base.

/// What an adapter does to one of the base's tensors.
struct AdapterChange {
  /// The adapter's tensor that takes its place.
  var replacement: Int?
  /// What is added.
  var product: LowRank?
  /// The lengths of its outputs.
  var lengths: MergedTensor.Lengths?
}
