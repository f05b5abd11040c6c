// What a pickle makes by names that are not known, as far as the pickle itself tells: which name, what it is given, which
// state and which members. Nothing is run, so that is not what the object is: see PickleContents+Foreign for what of it is
// believed.

/// A name that is not known, or an object that one makes.
struct ForeignObject: Sendable {
  /// The module and the name, as the pickle has them.
  var name: String
  /// Whether it is the name itself, and not what it makes.
  var isName = false
  /// What it was called with, and whatever else it was given that nothing is known of.
  var arguments: [NodeIndex] = []
  /// The state that BUILD sets.
  var state: NodeIndex?
  /// A list or dictionary of what was appended or set, for a class of lists or dictionaries.
  var members: NodeIndex?
}
