// What a template is made of. Chains (`a + b - c`, `a.b[c]|d`) are lists, so that only what is written in parentheses lies
// deep, and the parser's bound on that bounds the tree.

/// An expression, and where it begins.
struct Expression: Sendable {
  indirect enum Kind: Sendable {
    case constant(Value)
    case name(String)
    case list([Expression])
    case tuple([Expression])
    case mapping([(key: Expression, value: Expression)])
    /// A value with what is done to it, one after the other.
    case chain(Expression, [Step])
    case not(Expression)
    case negative(Expression)
    case positive(Expression)
    /// The first that decides: all must be true.
    case all([Expression])
    /// The first that decides: one must be true.
    case any([Expression])
    case comparison(Expression, [(sign: String, other: Expression)])
    case arithmetic(Expression, [(sign: String, other: Expression)])
    /// Texts, put together with `~`.
    case joined([Expression])
    case condition(Expression, then: Expression, otherwise: Expression?)
  }

  let kind: Kind
  let place: Place
}

/// What is done to a value.
struct Step: Sendable {
  indirect enum Kind: Sendable {
    case attribute(String)
    case item(Expression)
    case slice(Expression?, Expression?, Expression?)
    case call(CallArguments)
    case filter(String, CallArguments)
    case test(String, CallArguments, isNegated: Bool)
  }

  let kind: Kind
  let place: Place
}

/// What stands in the parentheses of a call.
struct CallArguments: Sendable {
  var positional: [Expression] = []
  var named: [(name: String, value: Expression)] = []
  /// A list that is given as further arguments: `*x`.
  var list: Expression?
  /// A dictionary that is given as further arguments: `**x`.
  var mapping: Expression?
}

/// What is given a value.
indirect enum AssignmentTarget: Sendable {
  case name(String)
  case attribute(of: String, String)
  case tuple([AssignmentTarget])
}

/// A macro, or the body of a call.
struct MacroSyntax: Sendable {
  let name: String
  let parameters: [(name: String, value: Expression?)]
  let body: [Statement]
  /// Whether its body asks for what else it is given.
  var takesMore = false
}

/// A statement, and where it begins.
struct Statement: Sendable {
  indirect enum Kind: Sendable {
    case data(Text)
    case output(Expression)
    case condition([(test: Expression, body: [Statement])], otherwise: [Statement])
    case loop(AssignmentTarget, over: Expression, test: Expression?, body: [Statement], otherwise: [Statement])
    case set(AssignmentTarget, Expression)
    case setBlock(AssignmentTarget, [Step], [Statement])
    case macro(MacroSyntax)
    case call(MacroSyntax, Expression)
    case filter([Step], [Statement])
    case with([(target: AssignmentTarget, value: Expression)], [Statement])
    /// What a model writes itself: `{% generation %}`.
    case generation([Statement])
    case leave
    case proceed
  }

  let kind: Kind
  let place: Place
}
