// Which of the known names somebody may have meant.

enum NearestName {
  /// The name that a word is a slip of, or a longer form of; nil where none is near.
  ///
  /// Letters of either case count as the same.
  static func of(_ word: String, among names: [String]) -> String? {
    let word = word.lowercased()
    let near = names.map { (name: $0, distance: distance(word, $0.lowercased())) }
      .filter { $0.distance <= max(1, min($0.name.count, word.count) / 3) }
    if let best = near.min(by: { $0.distance < $1.distance }) { return best.name }
    // `q4_k_m` is `q4_k` and more; `quant` is `quantize` and less.
    let longest = names.filter { word.hasPrefix($0.lowercased()) }.max { $0.count < $1.count }
    let continued = names.filter { $0.lowercased().hasPrefix(word) }
    return longest ?? (word.count > 1 && continued.count == 1 ? continued[0] : nil)
  }

  /// Letters that must be put in, left out, changed, or exchanged with their neighbour to make one word of the other.
  private static func distance(_ a: String, _ b: String) -> Int {
    let (a, b) = (Array(a.unicodeScalars.prefix(64)), Array(b.unicodeScalars.prefix(64)))
    var rows = [Array(0...b.count)]
    for i in a.indices {
      var row = [i + 1]
      for j in b.indices {
        var best = min(row[j] + 1, rows[i][j + 1] + 1, rows[i][j] + (a[i] == b[j] ? 0 : 1))
        if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] { best = min(best, rows[i - 1][j - 1] + 1) }
        row.append(best)
      }
      rows.append(row)
    }
    return rows[a.count][b.count]
  }
}
