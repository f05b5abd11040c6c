// What started this process: an MPI launcher leaves word in the environment. Without one there is one rank, and no library
// is looked for.
//
// Sources: Open MPI's mpirun (OMPI_COMM_WORLD_…), PMIx (Slurm's srun), PMI (MPICH's mpiexec, srun).

import Foundation

/// What a launcher says of this process.
public struct Launch: Sendable, Equatable {
  /// This process's number.
  public let rank: Int
  /// How many processes there are; nil where it does not say.
  public let count: Int?
  /// What to call it.
  public let name: String
  /// Whether it is MPICH's, or speaks as that does.
  let isMPICH: Bool

  /// The machine's name.
  static var hostName: String {
    var name = [CChar](repeating: 0, count: 256)
    guard unsafe gethostname(&name, name.count - 1) == 0 else { return "?" }
    return String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  /// Whether there are others.
  public var hasOthers: Bool { (count ?? 2) > 1 }

  /// What the environment says.
  public static let current = Launch(ProcessInfo.processInfo.environment)

  /// What an environment says; rank 0 of 1 where nothing does.
  init(_ environment: [String: String]) {
    let number = { (name: String) in environment[name].flatMap { Int($0) }.flatMap { $0 >= 0 ? $0 : nil } }
    if let rank = number("OMPI_COMM_WORLD_RANK") {
      self.init(rank: rank, count: number("OMPI_COMM_WORLD_SIZE"), name: "mpirun", isMPICH: false)
    } else if let rank = number("PMI_RANK") {
      self.init(rank: rank, count: number("PMI_SIZE"), name: "mpiexec", isMPICH: true)
    } else if let rank = number("PMIX_RANK") {
      let count = number("SLURM_STEP_NUM_TASKS") ?? number("SLURM_NTASKS")
      self.init(rank: rank, count: count, name: "srun", isMPICH: false)
    } else {
      self.init(rank: 0, count: 1, name: "", isMPICH: false)
    }
  }

  private init(rank: Int, count: Int?, name: String, isMPICH: Bool) {
    (self.rank, self.count, self.name, self.isMPICH) = (rank, count, name, isMPICH)
  }
}
