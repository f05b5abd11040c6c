// The list of cases.

/// All cases, in the order in which they are measured.
enum BenchCases {
  static var all: [any BenchCase.Type] {
    [
      DecryptBench.self,
      KeyBench.self,
      VerifyBench.self,
      CheckpointBench.self,
      MergeBench.self,
      GPTQBench.self,
      GenerateBench.self,
      LoadingBench.self,
      RanksBench.self,
      ModelBench.self,
      TemplateBench.self,
      TokensBench.self,
    ]
  }

  static var names: [String] { all.map { $0.name } }
}
