// Verbs that several processes can work on together.

import LinearAlgebra
import Ranks

/// A verb that divides its work over ranks; others work in one process.
protocol WorksOnRanks {}

extension WorksOnRanks {
  /// The processes that work on this together: held against each other.
  func joinRanks() throws -> any Ranks { try Session.join { Program.traits } }
}
