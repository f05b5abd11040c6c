// The regular expressions of tokenizers: what patterns that models are published with use, and what is near to it. An
// expression becomes a short program, which is run with a stack of its own; the first way that leads to a match counts.
// Refused by name when it is read: what looks back, captures that are used again, word boundaries, beginnings of lines,
// expressions that match nothing at all. Steps are counted, so that no file can make a text take for ever.
// Source: Oniguruma, doc/RE, Ruby's syntax (what huggingface/tokenizers runs).

/// A compiled expression.
struct WordPattern: Sendable, Equatable {
  /// How a repetition takes characters.
  enum Greed: Sendable, Equatable {
    /// As many as it can, and gives back.
    case greedy
    /// As few as it can, and takes more.
    case lazy
    /// As many as it can, for good.
    case possessive
  }

  /// One instruction.
  enum Instruction: Sendable, Equatable {
    /// Characters of a class, in a number.
    case run(Int, ClosedRange<Int>, Greed)
    /// Two ways; the first is tried first.
    case fork(Int, Int)
    case jump(Int)
    /// What comes next, without taking it: the instructions up to a place, which ends in `accept`.
    case ahead(isNegated: Bool, end: Int)
    /// The end of the text, or where it goes on with a line feed.
    case lineEnd
    /// The end of the text.
    case textEnd
    case accept
  }

  /// An expression that is not read here.
  struct Failure: Error, Equatable {
    let reason: String
  }

  /// A text takes too many steps.
  struct TooManySteps: Error {}

  let program: [Instruction]
  let classes: [CharacterClass]
  /// The class of the run that every match begins with, where the expression is one way that begins with one without end: if
  /// such a match fails, it fails as well further on in the run.
  private let leading: Int?

  init(program: [Instruction], classes: [CharacterClass]) {
    (self.program, self.classes) = (program, classes)
    if case .run(let leading, let counts, _) = program.first, counts.upperBound == .max {
      self.leading = leading
    } else {
      leading = nil
    }
  }

  /// Compiles an expression.
  ///
  /// - Throws: ``Failure`` with what is not read here.
  init(_ expression: String) throws(Failure) {
    var compiler = Compiler()
    self = try compiler.pattern(of: expression)
  }

  /// What running a program needs, and what it tells.
  struct Run {
    fileprivate struct Way {
      let instruction: Int
      var place: Int
      /// For a run: the places from which it goes on lie between the two.
      let last: Int
    }

    fileprivate var ways: [Way] = []
    /// Whether what lies behind the text could have made it another match.
    var touchesEnd = false
    /// How many steps are left.
    var stepsLeft: Int

    init(stepsLeft: Int = .max) { self.stepsLeft = stepsLeft }
  }

  /// Where the match that begins at a place ends; nil where none does.
  ///
  /// - Parameter range: where the text begins and ends.
  func match(
    _ scalars: [Unicode.Scalar], in range: Range<Int>, at start: Int, _ run: inout Run
  ) throws(TooManySteps) -> Int? {
    run.ways.removeAll(keepingCapacity: true)
    return try end(from: 0, scalars, range.upperBound, start, &run)
  }

  /// The next match at or after a place; nil where there is none up to the text's end.
  func nextMatch(
    _ scalars: [Unicode.Scalar], in range: Range<Int>, from start: Int, _ run: inout Run
  ) throws(TooManySteps) -> Range<Int>? {
    var at = start
    while at < range.upperBound {
      if let end = try match(scalars, in: range, at: at, &run) { return at..<end }
      at += 1
      guard let leading, classes[leading].contains(scalars[at - 1]) else { continue }
      while at < range.upperBound, classes[leading].contains(scalars[at]) { at += 1 }
      run.stepsLeft -= 1
    }
    run.touchesEnd = true
    return nil
  }

  private func end(
    from first: Int, _ scalars: [Unicode.Scalar], _ bound: Int, _ start: Int, _ run: inout Run
  ) throws(TooManySteps) -> Int? {
    let floor = run.ways.count
    var (at, place) = (first, start)
    while true {
      run.stepsLeft -= 1
      guard run.stepsLeft > 0 else { throw TooManySteps() }
      var goesOn = true
      switch program[at] {
      case .accept:
        run.ways.removeLast(run.ways.count - floor)
        return place
      case .jump(let target): at = target
      case .fork(let one, let other):
        run.ways.append(Run.Way(instruction: other, place: place, last: place))
        at = one
      case .lineEnd, .textEnd:
        run.touchesEnd = run.touchesEnd || place == bound
        goesOn = place == bound || program[at] == .lineEnd && scalars[place] == "\n"
        at += 1
      case .ahead(let isNegated, let end):
        let isThere = try self.end(from: at + 1, scalars, bound, place, &run) != nil
        goesOn = isThere != isNegated
        at = end
      case .run(let set, let counts, let greed):
        goesOn = take(set, counts, greed, scalars, bound, &at, &place, &run)
      }
      if goesOn { continue }
      guard run.ways.count > floor, let way = run.ways.popLast() else { return nil }
      (at, place) = (way.instruction, way.place)
      if way.place != way.last {
        let next = way.place < way.last ? way.place + 1 : way.place - 1
        run.ways.append(Run.Way(instruction: way.instruction, place: next, last: way.last))
      }
    }
  }

  /// Takes a run of characters, and notes what it could take less, or more.
  ///
  /// - Returns: whether there are enough of them.
  private func take(
    _ set: Int, _ counts: ClosedRange<Int>, _ greed: Greed, _ scalars: [Unicode.Scalar], _ bound: Int,
    _ at: inout Int, _ place: inout Int, _ run: inout Run
  ) -> Bool {
    let start = place
    let most = counts.upperBound > bound - start ? bound : start + counts.upperBound
    var end = start
    let characters = classes[set]
    while end < most, characters.contains(scalars[end]) { end += 1 }
    run.stepsLeft -= end - start
    if end == bound, end - start < counts.upperBound { run.touchesEnd = true }
    guard end - start >= counts.lowerBound else { return false }
    at += 1
    let least = start + counts.lowerBound
    switch greed {
    case .possessive: place = end
    case .greedy:
      place = end
      if end > least, program[at] != .accept {
        run.ways.append(Run.Way(instruction: at, place: end - 1, last: least))
      }
    case .lazy:
      place = least
      if end > least { run.ways.append(Run.Way(instruction: at, place: least + 1, last: end)) }
    }
    return true
  }
}
